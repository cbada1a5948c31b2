//! What is mailed to a user and works once: links with 256 random bits, codes of eight digits.
//!
//! A link's hash is all that is stored of it; of a code, which could be guessed, a code under the installation's secret,
//! and wrong attempts are counted. Each is bound to the address it was sent to and dies when it is used, when it expires,
//! and when the password or the address changes.

mod queries;

use crate::{
    db::{Conn, DbError, Tx},
    ids::Kind,
    secret::{NoRandomness, Secrets, fingerprint, random_code, random_token},
};

/// How often a code may be tried.
pub(crate) const ATTEMPTS: i64 = 10;

/// What a secret is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Showing that the address is one's own.
    Email,
    /// A new password.
    Password,
    /// Signing in.
    Magic,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Password => "password",
            Self::Magic => "magic",
        }
    }

    /// How long it may wait.
    pub(crate) const fn life_ms(self) -> i64 {
        match self {
            Self::Email => 24 * 3_600_000,
            Self::Password => 3_600_000,
            Self::Magic => 15 * 60_000,
        }
    }
}

/// A new secret, as it goes into the letter.
#[derive(Clone)]
pub(crate) struct Fresh {
    pub(crate) id: String,
    pub(crate) link: String,
    pub(crate) code: String,
}

impl Fresh {
    pub(crate) fn new(now_ms: i64) -> Result<Self, NoRandomness> {
        Ok(Self { id: Kind::Secret.new_id(now_ms), link: random_token()?, code: random_code()? })
    }

    /// What is kept of its code, for the row `id`.
    pub(crate) fn code_hash_for(&self, secrets: &Secrets, id: &str) -> String {
        secrets.pseudonym(&place(id), &self.code)
    }
}

/// Whether `code` is the one of the secret `id`. Spaces and dashes that people put between digits do not count.
pub(crate) fn is_code(secrets: &Secrets, id: &str, code: &str, stored: &str) -> bool {
    let digits: String = code.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    secrets.is_pseudonym(&place(id), &digits, stored)
}

fn place(id: &str) -> String {
    format!("code {id}")
}

/// Whom a secret is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder<'a> {
    pub(crate) project_id: &'a str,
    /// `None` where the address is nobody's: the row costs the same work and opens nothing.
    pub(crate) user_id: Option<&'a str>,
    pub(crate) email_norm: &'a str,
}

/// Stores a secret.
pub(crate) async fn store(
    tx: &mut Tx,
    secrets: &Secrets,
    fresh: &Fresh,
    holder: Holder<'_>,
    purpose: Purpose,
    now_ms: i64,
) -> Result<(), DbError> {
    let row = queries::NewRow {
        id: &fresh.id,
        holder,
        purpose: purpose.as_str(),
        link_hash: &fingerprint(&fresh.link),
        code_hash: Some(fresh.code_hash_for(secrets, &fresh.id)).filter(|_| purpose == Purpose::Email),
        now_ms,
        expires_at: now_ms + purpose.life_ms(),
    };
    queries::insert(tx, &row).await
}

/// Whose link this is; it is not used up.
pub(crate) async fn look(
    conn: &mut Conn,
    project_id: &str,
    purpose: Purpose,
    link: &str,
    now_ms: i64,
) -> Result<Option<String>, DbError> {
    queries::look(conn, project_id, purpose.as_str(), &fingerprint(link), now_ms).await
}

/// Uses the link up and says whose it was.
pub(crate) async fn redeem(
    tx: &mut Tx,
    project_id: &str,
    purpose: Purpose,
    link: &str,
    now_ms: i64,
) -> Result<Option<String>, DbError> {
    queries::redeem(tx, project_id, purpose.as_str(), &fingerprint(link), now_ms).await
}

/// Uses the code of a user's address up; a wrong one counts.
pub(crate) async fn redeem_code(
    tx: &mut Tx,
    secrets: &Secrets,
    user_id: &str,
    code: &str,
    now_ms: i64,
) -> Result<bool, DbError> {
    for (id, stored) in queries::try_codes(tx, user_id, ATTEMPTS, now_ms).await? {
        if is_code(secrets, &id, code, &stored) {
            return queries::remove(tx, &id).await;
        }
    }
    Ok(false)
}

/// Ends every secret of a user: another password, or another address.
pub(crate) async fn end_all(tx: &mut Tx, user_id: &str) -> Result<(), DbError> {
    queries::end_all(tx, user_id).await
}

/// Forgets what has expired, a bounded number at a time.
pub(crate) async fn purge(conn: &mut Conn, now_ms: i64) -> Result<u64, DbError> {
    queries::purge(conn, now_ms).await
}
