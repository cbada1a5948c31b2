//! Mail to people: an outbox in the database, and what carries it away.
//!
//! A letter is written in the transaction of the change it belongs to, so that neither exists without the other, and it
//! survives a process that is killed. Recipient and text are sealed under the secret of the installation. Delivery is at
//! least once: a letter that was handed over is removed, one that was not is tried again, later and later, until what it
//! says has expired. Letters hold links made of the configured public URL only.

mod delivery;
mod queries;
mod smtp;
mod writing;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::smtp::Smtp;
pub(crate) use self::{
    delivery::deliver,
    smtp::Courier,
    writing::{Part, Pen, one_line},
};
use crate::{
    address::Address,
    app::App,
    clock::rfc3339,
    db::{Conn, DbError, Tx},
    ids::Kind,
    secret::Secrets,
};

/// How many letters the outbox shows.
const SHOWN: i64 = 200;

/// A letter.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Letter {
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    /// The same for mail programs that show pages; empty in a letter without.
    #[serde(default)]
    pub(crate) html: String,
    /// The links in the text.
    pub(crate) links: Vec<String>,
}

/// For whom a letter is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// For the one it is addressed to.
    Addressee,
    /// For nobody: it costs the same work and is never sent.
    Nobody,
}

/// Puts a letter into the outbox; it is worth sending until `expires_at`.
pub(crate) async fn post(
    tx: &mut Tx,
    secrets: &Secrets,
    letter: &Letter,
    reader: Reader,
    now_ms: i64,
    expires_at: i64,
) -> Result<(), DbError> {
    let id = Kind::Mail.new_id(now_ms);
    let sealed = serde_json::to_vec(letter)
        .ok()
        .and_then(|plain| secrets.seal(&context(&id), &plain))
        .ok_or_else(|| DbError::Inconsistent("a letter cannot be sealed".to_owned()))?;
    queries::insert(tx, &id, &sealed, reader == Reader::Nobody, now_ms, expires_at).await
}

/// The letters that wait, newest first, for developers.
pub(crate) async fn waiting(app: &App) -> Result<Vec<Value>, DbError> {
    let rows = queries::newest(&mut *app.db.read().await?, SHOWN).await?;
    Ok(rows
        .into_iter()
        .filter_map(|(id, sealed, created_at)| {
            let letter = open(&app.secrets, &id, &sealed)?;
            Some(json!({
                "id": id,
                "to": letter.to,
                "subject": letter.subject,
                "text": letter.text,
                "html": letter.html,
                "links": letter.links,
                "created_at": rfc3339(created_at),
            }))
        })
        .collect())
}

/// Forgets letters that say nothing any more, a bounded number at a time.
pub(crate) async fn purge(conn: &mut Conn, now_ms: i64) -> Result<u64, DbError> {
    queries::purge(conn, now_ms).await
}

/// Takes every letter to the address out of the outbox.
pub(crate) async fn forget(tx: &mut Tx, secrets: &Secrets, to: &Address) -> Result<(), DbError> {
    for (id, sealed) in queries::all(tx).await? {
        let addressee = open(secrets, &id, &sealed).and_then(|letter| Address::parse(&letter.to));
        if addressee.is_some_and(|addressee| addressee.key() == to.key()) {
            queries::remove(tx, &id).await?;
        }
    }
    Ok(())
}

/// Seals every letter that waits under the secret in use; gives how many.
pub(crate) async fn seal_anew(tx: &mut Tx, secrets: &Secrets) -> Result<u64, DbError> {
    let mut count = 0;
    for (id, sealed) in queries::all(tx).await? {
        let context = context(&id);
        let anew = secrets.open_sealed(&context, &sealed).and_then(|plain| secrets.seal(&context, &plain));
        let anew = anew.ok_or_else(|| DbError::Inconsistent("a letter cannot be read".to_owned()))?;
        queries::set_sealed(tx, &id, &anew).await?;
        count += 1;
    }
    Ok(count)
}

fn open(secrets: &Secrets, id: &str, sealed: &str) -> Option<Letter> {
    serde_json::from_slice(&secrets.open_sealed(&context(id), sealed)?).ok()
}

fn context(id: &str) -> String {
    format!("mail {id}")
}

#[cfg(test)]
mod tests;
