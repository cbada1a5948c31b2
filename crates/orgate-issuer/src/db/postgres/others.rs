//! Issuers on one database tell each other that somebody's rights have ended (`NOTIFY`).
//!
//! What is told is the project, no more: whoever hears it reads. It is told in the transaction, so that it arrives after the
//! commit or not at all. Only what ends rights is told, because the commits of those who tell wait for each other.

use sqlx::postgres::PgListener;

use super::{Pools, error};
use crate::{
    db::{Conn, DbError, sql, wakes::Wakes},
    events::Event,
};

const CHANNEL: &str = "orgate_rights";

/// Tells the others at the commit.
pub(in crate::db) async fn tell(conn: &mut Conn, events: &[Event]) -> Result<(), DbError> {
    let mut told: Vec<&str> = Vec::new();
    for event in events.iter().filter(|event| event.kind.ends_rights()) {
        if !told.contains(&event.project_id.as_str()) {
            told.push(&event.project_id);
            conn.run(sql("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(&event.project_id)).await?;
        }
    }
    Ok(())
}

impl Pools {
    /// Wakes whoever waits for what the others tell, until the connection is lost.
    pub(in crate::db) async fn hear(&self, wakes: &Wakes) -> DbError {
        match self.hear_until_lost(wakes).await {
            Ok(()) => DbError::Lost("nothing is heard of other issuers".to_owned()),
            Err(lost) => error(lost),
        }
    }

    async fn hear_until_lost(&self, wakes: &Wakes) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.ears).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        // What was told before nobody has heard.
        wakes.wake_all();
        while let Some(told) = listener.try_recv().await? {
            wakes.wake(told.payload());
        }
        Ok(())
    }
}
