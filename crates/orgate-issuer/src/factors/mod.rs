//! Second factors: an authenticator application, and the codes that help when it is lost.
//!
//! The application's secret is sealed; of recovery codes a code under the installation's secret is kept. A code of the
//! application is taken once, which one statement decides; a recovery code goes when it is used. Nobody has a second factor
//! before the first code was right, so that a slip while scanning shuts nobody out.

mod queries;
pub(crate) mod totp;

use self::totp::Secret;
use crate::{
    clock::seconds,
    db::{Conn, DbError, Tx},
    passkeys,
    secret::{NoRandomness, Secrets, random_bytes},
};

const RECOVERY_CODES: usize = 10;
/// What is kept of a recovery code begins with this and the name of the secret it was made under.
const RECOVERY: &str = "r1.";
/// How long a sign-in waits for its second factor.
const TICKET_MS: i64 = 10 * 60_000;
/// How often one sign-in may try.
const TICKET_ATTEMPTS: i64 = 5;

/// The classes that [`acr`] knows.
pub(crate) const ACR_VALUES: [&str; 2] = ["pwd", "mfa"];

/// The class of a proof by these methods (`acr`): `mfa` where two factors were shown, else `pwd`.
pub(crate) fn acr(amr: &[String]) -> &'static str {
    if amr.iter().any(|method| method == "mfa") { "mfa" } else { "pwd" }
}

/// Whether a proof of class `have` is one of class `wanted`.
pub(crate) fn is_at_least(have: &str, wanted: &str) -> bool {
    have == wanted || (have, wanted) == ("mfa", "pwd")
}

/// What a user has beside the password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) totp: bool,
    pub(crate) recovery_codes: i64,
    pub(crate) passkeys: usize,
}

impl Standing {
    /// Whether the user can show two factors.
    pub(crate) fn reaches_mfa(self) -> bool {
        self.totp || self.passkeys > 0
    }
}

pub(crate) async fn standing(conn: &mut Conn, user_id: &str) -> Result<Standing, DbError> {
    Ok(Standing {
        totp: queries::is_confirmed(conn, user_id).await?,
        recovery_codes: queries::count_recovery_codes(conn, user_id).await?,
        passkeys: passkeys::of_user(conn, user_id).await?.len(),
    })
}

/// Begins an enrolment, in place of one that was not finished; `false` if the user has an application already.
pub(crate) async fn begin_totp(
    tx: &mut Tx,
    secrets: &Secrets,
    user_id: &str,
    secret: &Secret,
    now_ms: i64,
) -> Result<bool, DbError> {
    let sealed = secrets
        .seal(&context(user_id), secret.bytes())
        .ok_or_else(|| DbError::Inconsistent("a secret cannot be sealed".to_owned()))?;
    queries::begin(tx, user_id, &sealed, now_ms).await
}

/// A new secret.
pub(crate) fn new_totp() -> Result<Secret, NoRandomness> {
    Secret::new()
}

/// The secret of an enrolment that is not finished.
pub(crate) async fn begun_totp(
    conn: &mut Conn,
    secrets: &Secrets,
    user_id: &str,
) -> Result<Option<Secret>, DbError> {
    let sealed = queries::totp(conn, user_id, false).await?;
    let opened = sealed.and_then(|sealed| secrets.open_sealed(&context(user_id), &sealed));
    Ok(opened.map(Secret::from_bytes))
}

/// Finishes the enrolment with the first code; `false` if it is wrong or there is none.
pub(crate) async fn confirm_totp(
    tx: &mut Tx,
    secrets: &Secrets,
    user_id: &str,
    code: &str,
    now_ms: i64,
) -> Result<bool, DbError> {
    match queries::totp(tx, user_id, false)
        .await?
        .and_then(|sealed| step(secrets, user_id, &sealed, code, now_ms))
    {
        Some(step) => queries::confirm(tx, user_id, step, now_ms).await,
        None => Ok(false),
    }
}

/// Ends the application and the recovery codes; `false` if there was none.
pub(crate) async fn remove_totp(tx: &mut Tx, user_id: &str) -> Result<bool, DbError> {
    queries::remove(tx, user_id).await
}

/// Uses a code of the application, or a recovery code, up.
pub(crate) async fn check(
    tx: &mut Tx,
    secrets: &Secrets,
    user_id: &str,
    code: &str,
    now_ms: i64,
) -> Result<bool, DbError> {
    let Some(sealed) = queries::totp(tx, user_id, true).await? else { return Ok(false) };
    if let Some(step) = step(secrets, user_id, &sealed, code, now_ms) {
        return queries::advance(tx, user_id, step).await;
    }
    let typed: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    let typed = typed.to_ascii_lowercase();
    for stored in queries::recovery_codes(tx, user_id).await? {
        let hash = stored.rsplit('.').next().unwrap_or_default();
        if secrets.is_pseudonym(&recovery(user_id), &typed, hash) {
            return queries::use_recovery_code(tx, user_id, &stored).await;
        }
    }
    Ok(false)
}

fn step(secrets: &Secrets, user_id: &str, sealed: &str, code: &str, now_ms: i64) -> Option<i64> {
    Secret::from_bytes(secrets.open_sealed(&context(user_id), sealed)?).step_of(code, seconds(now_ms))
}

/// New recovery codes, to be shown once.
pub(crate) fn new_recovery_codes() -> Result<Vec<String>, NoRandomness> {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    (0..RECOVERY_CODES)
        .map(|_| {
            let letters: String = random_bytes::<10>()?
                .iter()
                .map(|byte| char::from(ALPHABET.get(usize::from(byte % 32)).copied().unwrap_or(b'0')))
                .collect();
            let (first, second) = letters.split_at_checked(5).unwrap_or((&letters, ""));
            Ok(format!("{first}-{second}"))
        })
        .collect()
}

/// Stores recovery codes in place of those there were.
pub(crate) async fn set_recovery_codes(
    tx: &mut Tx,
    secrets: &Secrets,
    user_id: &str,
    codes: &[String],
    now_ms: i64,
) -> Result<(), DbError> {
    queries::remove_recovery_codes(tx, user_id).await?;
    for code in codes {
        let hash = secrets.pseudonym(&recovery(user_id), &code.replace('-', ""));
        let stored = format!("{RECOVERY}{}.{hash}", secrets.id());
        queries::insert_recovery_code(tx, user_id, &stored, now_ms).await?;
    }
    Ok(())
}

/// Seals what applications share with us under the secret in use; gives how many.
pub(crate) async fn seal_anew(tx: &mut Tx, secrets: &Secrets) -> Result<u64, DbError> {
    let mut count = 0;
    for (user_id, sealed) in queries::all_totp(tx).await? {
        let context = context(&user_id);
        let anew = secrets.open_sealed(&context, &sealed).and_then(|plain| secrets.seal(&context, &plain));
        let anew = anew.ok_or_else(|| {
            DbError::Inconsistent("the secret of an authenticator cannot be read".to_owned())
        })?;
        queries::set_sealed(tx, &user_id, &anew).await?;
        count += 1;
    }
    Ok(count)
}

/// How many recovery codes were made under another secret than the one in use.
pub(crate) async fn count_of_other_secrets(conn: &mut Conn, name: &str) -> Result<u64, DbError> {
    let count = queries::count_recovery_codes_unlike(conn, &format!("{RECOVERY}{name}.%")).await?;
    Ok(u64::try_from(count).unwrap_or_default())
}

fn context(user_id: &str) -> String {
    format!("totp {user_id}")
}

fn recovery(user_id: &str) -> String {
    format!("recovery code {user_id}")
}

/// A sign-in that waits for its second factor.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) user_id: String,
    /// What was shown so far.
    pub(crate) amr: Vec<String>,
}

/// Notes that a sign-in waits.
pub(crate) async fn wait(
    tx: &mut Tx,
    ticket_hash: &str,
    project_id: &str,
    waiting: &Waiting,
    now_ms: i64,
) -> Result<(), DbError> {
    queries::insert_ticket(tx, ticket_hash, project_id, waiting, (now_ms, now_ms + TICKET_MS)).await
}

/// The sign-in that waits under a ticket.
pub(crate) async fn waiting(
    conn: &mut Conn,
    project_id: &str,
    ticket_hash: &str,
    now_ms: i64,
) -> Result<Option<Waiting>, DbError> {
    queries::ticket(conn, project_id, ticket_hash, TICKET_ATTEMPTS, now_ms).await
}

/// Counts an attempt of a sign-in that waits; `false` if it does not wait any more.
pub(crate) async fn try_ticket(tx: &mut Tx, ticket_hash: &str, now_ms: i64) -> Result<bool, DbError> {
    queries::try_ticket(tx, ticket_hash, TICKET_ATTEMPTS, now_ms).await
}

/// The sign-in does not wait any more.
pub(crate) async fn end_ticket(tx: &mut Tx, ticket_hash: &str) -> Result<(), DbError> {
    queries::end_ticket(tx, ticket_hash).await
}

/// Ends every sign-in of a user that waits: what it rests on is not good any more.
pub(crate) async fn end_tickets(tx: &mut Tx, user_id: &str) -> Result<(), DbError> {
    queries::end_tickets(tx, user_id).await
}

/// Forgets sign-ins that nobody finished, a bounded number at a time.
pub(crate) async fn purge(conn: &mut Conn, now_ms: i64) -> Result<u64, DbError> {
    queries::purge(conn, now_ms).await
}
