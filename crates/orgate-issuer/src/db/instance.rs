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

    /// Notes the name of the secret in use.
    pub(crate) async fn set_secret_name(&self, name: &str) -> Result<(), DbError> {
        let name = name.to_owned();
        self.write(move |tx| -> BoxFuture<'_, Result<(), DbError>> {
            Box::pin(async move {
                let statement = sql("INSERT INTO instance (name, value) VALUES ($1, $2)
                                     ON CONFLICT (name) DO UPDATE SET value = excluded.value");
                tx.run(statement.bind(SECRET).bind(&name)).await.map(|_| ())
            })
        })
        .await
    }
}
