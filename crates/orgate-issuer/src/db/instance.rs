//! Facts about the installation itself, kept beside its data.

use super::{BoxFuture, Db, DbError, sql};

const SECRET: &str = "secret";

impl Db {
    /// The name of the secret the database was written with; `None` for a new database.
    pub(crate) async fn secret_name(&self) -> Result<Option<String>, DbError> {
        let mut conn = self.read().await?;
        let row = conn.first(sql("SELECT value FROM instance WHERE name = $1").bind(SECRET)).await?;
        row.map(|row| row.text("value")).transpose()
    }

    /// Notes the name of the secret in use, unless another one was noted since `before` was read (`None`: none was).
    /// Gives the one that stands.
    pub(crate) async fn claim_secret(&self, before: Option<&str>, name: &str) -> Result<String, DbError> {
        let (before, name) = (before.map(str::to_owned), name.to_owned());
        self.write(move |tx| -> BoxFuture<'_, Result<String, DbError>> {
            Box::pin(async move {
                match &before {
                    None => {
                        let statement =
                            sql("INSERT INTO instance (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING");
                        tx.run(statement.bind(SECRET).bind(&name)).await?;
                    }
                    Some(before) => {
                        let statement = sql("UPDATE instance SET value = $2 WHERE name = $1 AND value = $3");
                        tx.run(statement.bind(SECRET).bind(&name).bind(before)).await?;
                    }
                }
                let row = tx.first(sql("SELECT value FROM instance WHERE name = $1").bind(SECRET)).await?;
                row.ok_or_else(|| DbError::Inconsistent("the secret has no name".to_owned()))?.text("value")
            })
        })
        .await
    }
}
