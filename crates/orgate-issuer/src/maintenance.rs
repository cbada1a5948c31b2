//! What is done to an installation as a whole, beside or instead of running it: bringing the schema up to date, copying
//! to another database, backup, export, a new secret.
//!
//! Every function says in its error what kept it from its work and what would help; none leaves anything half done.

mod audit;
mod signing_keys;

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use self::{
    audit::{AuditReport, AuditScope, verify_audit},
    signing_keys::Maintenance,
};
use crate::{
    StartError, clients,
    db::{
        DatabaseUrl, Db,
        whole::{self, Access, copy::CopyError, export::ExportError},
    },
    factors, keys, mail,
    secret::{self, Secrets},
    webhooks,
};

fn failed(error: impl std::fmt::Display) -> StartError {
    StartError::could_not_run(error.to_string())
}

fn parse(database: &str) -> Result<DatabaseUrl, StartError> {
    DatabaseUrl::parse(database).map_err(StartError::could_not_run)
}

/// Brings the schema of `database` up to date; gives the steps that were applied.
///
/// # Errors
/// If the database cannot be opened, or a newer program has written it.
pub async fn migrate(database: &str, now_ms: i64) -> Result<Vec<String>, StartError> {
    let url = parse(database)?;
    let (db, applied) = Db::open_migrated(&url, now_ms).await.map_err(failed)?;
    db.close().await;
    Ok(applied)
}

/// The steps that are missing in `database`, which is only looked at.
///
/// # Errors
/// If it cannot be opened, or a newer program has written it.
pub async fn pending(database: &str) -> Result<Vec<String>, StartError> {
    let mut conn = whole::connect(&parse(database)?, Access::Read).await.map_err(failed)?;
    let pending = whole::pending(&mut conn).await.map_err(failed);
    conn.close().await;
    pending
}

/// One table that was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// Its name.
    pub table: String,
    /// How many rows it has.
    pub rows: u64,
    /// The sum of the hashes of its rows: equal, if and only if the two tables hold the same.
    pub hash: String,
}

fn copied(sums: Vec<(String, whole::Sum)>) -> Vec<Copied> {
    sums.into_iter().map(|(table, sum)| Copied { table, rows: sum.rows, hash: sum.hash() }).collect()
}

/// Copies everything in the database `from` into the empty database `to`, and reads it back to compare.
///
/// # Errors
/// If one of them is in use, the target is not empty, or anything differs; then the target is as it was.
pub async fn copy(from: &str, to: &str, now_ms: i64) -> Result<Vec<Copied>, StartError> {
    let (from, to) = (parse(from)?, parse(to)?);
    let mut source = whole::connect(&from, Access::Alone { make: false }).await.map_err(failed)?;
    if !whole::pending(&mut source).await.map_err(failed)?.is_empty() {
        return Err(failed(
            "the database to be copied has an older schema\nhelp: bring it up to date with `orgate issuer migrate`",
        ));
    }
    let mut target = whole::connect(&to, Access::Alone { make: true }).await.map_err(failed)?;
    whole::prepare(&mut target, now_ms).await.map_err(failed)?;
    let done = whole::copy::run(&mut source, &mut target).await;
    source.close().await;
    target.close().await;
    done.map(copied).map_err(|error| match error {
        CopyError::Db(error) => failed(error),
        CopyError::NotEmpty(table) => failed(format!(
            "the target is not empty: `{table}` has rows\nhelp: copy into a database that was just made"
        )),
        CopyError::Differs(table) => {
            failed(format!("`{table}` is not the same in the target; nothing was copied"))
        }
    })
}

/// Writes a copy of the SQLite database `database` into `file`, also while an issuer runs. The secret is not in it.
///
/// # Errors
/// If the database is no file of SQLite, or `file` is there already.
pub async fn backup(database: &str, file: &Path) -> Result<(), StartError> {
    match parse(database)? {
        DatabaseUrl::SqliteFile(source) => crate::db::backup(&source, file).await.map_err(failed),
        DatabaseUrl::Postgres(_) => {
            Err(failed("this is PostgreSQL\nhelp: use `pg_dump`, which is made for it"))
        }
        DatabaseUrl::SqliteMemory => Err(failed("a database in memory cannot be backed up from outside")),
    }
}

/// Writes everything in the database to `out` as lines of JSON; gives how many rows there were.
///
/// # Errors
/// If the database cannot be read or `out` not be written.
pub async fn export(
    database: &str,
    with_secrets: bool,
    out: &mut (dyn Write + Send),
) -> Result<u64, StartError> {
    let mut conn = whole::connect(&parse(database)?, Access::Read).await.map_err(failed)?;
    if !whole::pending(&mut conn).await.map_err(failed)?.is_empty() {
        return Err(failed(
            "the database has an older schema\nhelp: bring it up to date with `orgate issuer migrate`",
        ));
    }
    let written = whole::export::run(&mut conn, with_secrets, out).await;
    conn.close().await;
    written.map_err(|error| match error {
        ExportError::Db(error) => failed(error),
        ExportError::Write(error) => failed(format!("cannot write the export: {error}")),
    })
}

/// What a new secret changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rotated {
    /// So many signing keys were sealed anew.
    pub keys: u64,
    /// So many secrets of authenticators.
    pub authenticators: u64,
    /// So many letters that wait.
    pub letters: u64,
    /// So many endpoints of webhooks, whose own secrets stay.
    pub webhooks: u64,
    /// So many client secrets can be checked only with an older line.
    pub clients: u64,
    /// So many recovery codes.
    pub recovery_codes: u64,
}

/// Puts a new secret above the others in the file, and seals with it what is sealed.
///
/// # Errors
/// If the file does not belong to the database, or cannot be written.
pub async fn rotate_secret(
    database: &str,
    secret_file: Option<&Path>,
    now_ms: i64,
) -> Result<Rotated, StartError> {
    let url = parse(database)?;
    let path = secret_path(&url, secret_file)?;
    let db = Db::open(&url, now_ms).await.map_err(failed)?;
    let done = rotate(&db, &path).await;
    db.close().await;
    done
}

async fn rotate(db: &Db, path: &Path) -> Result<Rotated, StartError> {
    let old = Secrets::open(path, true).map_err(failed)?;
    let before = db.secret_name().await.map_err(failed)?;
    if before.as_ref().is_some_and(|name| !old.knows(name)) {
        return Err(failed(format!("the secret in `{}` is not the one of this database", path.display())));
    }
    let new = Arc::new(secret::add_line(path).map_err(failed)?);
    // If this is interrupted, everything is still readable with the second line, and can be done again.
    let (secrets, name) = (Arc::clone(&new), new.id().to_owned());
    let rotated = db
        .write::<_, keys::KeyError>(move |tx| {
            Box::pin(async move {
                Ok(Rotated {
                    keys: keys::seal_anew(tx, &secrets).await?,
                    authenticators: factors::seal_anew(tx, &secrets).await?,
                    letters: mail::seal_anew(tx, &secrets).await?,
                    webhooks: webhooks::seal_anew(tx, &secrets).await?,
                    clients: clients::count_of_other_secrets(tx, &name).await?,
                    recovery_codes: factors::count_of_other_secrets(tx, &name).await?,
                })
            })
        })
        .await
        .map_err(failed)?;
    db.claim_secret(before.as_deref(), new.id()).await.map_err(failed)?;
    Ok(rotated)
}

/// The file with the secret of the database at `url`.
pub(crate) fn secret_path(url: &DatabaseUrl, named: Option<&Path>) -> Result<PathBuf, StartError> {
    match (named, url) {
        (Some(path), _) => Ok(path.to_owned()),
        (None, DatabaseUrl::SqliteFile(database)) => {
            let mut path = database.as_os_str().to_owned();
            path.push(".secret");
            Ok(path.into())
        }
        (None, DatabaseUrl::Postgres(_)) => Err(failed(
            "PostgreSQL is given, and no file with the secret\nhelp: name one with `--secret FILE`, the same on every \
             machine that uses this database; it is made at the first start",
        )),
        (None, DatabaseUrl::SqliteMemory) => Err(failed("a database in memory has no secret of its own")),
    }
}
