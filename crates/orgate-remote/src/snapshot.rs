//! The last good set of an issuer, kept on disk for the next start.
//!
//! A gate that starts while its issuer is out of reach can verify with what it knew. The file holds public keys, so it is
//! no secret; but whoever can write it can make tokens that the gate believes. So it is believed only if
//!
//! 1. folder and file belong to this process's user or to root, and nobody else may write them;
//! 2. the digest over all of it holds, so that it is what was written, to the last byte;
//! 3. it says that it is of this very issuer, from this very place;
//! 4. it is younger than the limit for a set that cannot be renewed. Time spent on disk counts.
//!
//! The digest finds accidents, not attackers: those are kept out by the first rule. What fails a rule is ignored and told.
//! A file is replaced as a whole: written beside it, synced, and renamed. Nothing waits for that, and a disk that is full
//! costs the snapshot and nothing else.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use orgate_claims::{IssuerUrl, UnixTime};
use orgate_verify::KeySet;
use serde::{Deserialize, Serialize};

/// Where the last good set of one issuer is kept.
#[derive(Debug)]
pub(crate) struct Snapshot {
    folder: PathBuf,
    file: PathBuf,
    issuer: IssuerUrl,
    location: String,
    /// What the file holds, as far as this process knows, and of when.
    saved: Mutex<Option<(Bytes, UnixTime)>>,
}

/// What was found on disk.
#[derive(Debug, PartialEq)]
pub(crate) struct Restored {
    pub(crate) text: Bytes,
    /// How long ago the issuer said so.
    pub(crate) age: Duration,
}

/// The second line of the file.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Head {
    issuer: String,
    keys: String,
    fetched_at: i64,
}

impl Snapshot {
    /// The snapshot in `folder` of the keys that `issuer` has at `location`.
    pub(crate) fn new(folder: &Path, issuer: IssuerUrl, location: String) -> Self {
        let name = hex(digest(&SHA256, format!("{issuer}\n{location}").as_bytes()).as_ref());
        let file = folder.join(format!("{}.keys", name.get(..32).unwrap_or(&name)));
        Self { folder: folder.to_owned(), file, issuer, location, saved: Mutex::default() }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.file
    }

    /// What is on disk, if it may be believed at `now`. Nothing there is no error.
    pub(crate) fn load(&self, now: UnixTime, limit: Duration) -> Result<Option<Restored>, String> {
        let absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let kind = match fs::symlink_metadata(&self.file) {
            Err(error) if absent(&error) => return Ok(None),
            found => found.map_err(|error| error.to_string())?,
        };
        if !kind.is_file() {
            return Err("it is not a regular file".to_owned());
        }
        permissions::check_folder(&self.folder)?;
        let file = File::open(&self.file).map_err(|error| error.to_string())?;
        // Of what was opened, not of what the name leads to by now.
        permissions::check(&file.metadata().map_err(|error| error.to_string())?, "it")?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err("it is too large".to_owned());
        }
        self.believe(&bytes, now, limit).map(Some)
    }

    fn believe(&self, bytes: &[u8], now: UnixTime, limit: Duration) -> Result<Restored, String> {
        let damaged = || "it is damaged".to_owned();
        let (first, rest) = line(bytes).ok_or_else(damaged)?;
        let expected = first_line(rest);
        if first != expected.as_bytes() {
            return Err(damaged());
        }
        let (head, text) = line(rest).ok_or_else(damaged)?;
        let head: Head = serde_json::from_slice(head).map_err(|_| damaged())?;
        if head.issuer != self.issuer.as_str() || head.keys != self.location {
            return Err("it is of another issuer, or of another place of its keys".to_owned());
        }
        let age = u64::try_from(now.seconds().saturating_sub(head.fetched_at))
            .map_err(|_| "it is of the future; is the clock right".to_owned())?;
        let age = Duration::from_secs(age);
        if age >= limit {
            return Err(format!(
                "it is {} s old, and keys are trusted for {} s",
                age.as_secs(),
                limit.as_secs()
            ));
        }
        Ok(Restored { text: Bytes::copy_from_slice(text), age })
    }

    /// Keeps `text`, which the issuer published at `now`, unless that is on disk already and not much older.
    pub(crate) fn save(&self, text: &Bytes, now: UnixTime) -> Result<(), String> {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let known = saved.as_ref().filter(|(known, _)| known == text);
        if known.is_some_and(|(_, at)| (0..SAVE_EVERY).contains(&now.seconds().saturating_sub(at.seconds())))
        {
            return Ok(());
        }
        permissions::make_folder(&self.folder)?;
        permissions::check_folder(&self.folder)?;
        self.write(text, now).map_err(|error| error.to_string())?;
        *saved = Some((text.clone(), now));
        Ok(())
    }

    fn write(&self, text: &[u8], now: UnixTime) -> io::Result<()> {
        let head = Head {
            issuer: self.issuer.as_str().to_owned(),
            keys: self.location.clone(),
            fetched_at: now.seconds(),
        };
        let mut rest = serde_json::to_vec(&head)?;
        rest.push(b'\n');
        rest.extend_from_slice(text);
        let mut bytes = first_line(&rest).into_bytes();
        bytes.push(b'\n');
        bytes.extend_from_slice(&rest);

        // A name of this process, so that two that share a folder do not write into one file.
        let beside = self.file.with_extension(format!("{}.new", std::process::id()));
        let result = replace(&beside, &self.file, &bytes);
        if result.is_err() {
            let _ = fs::remove_file(&beside);
        }
        result
    }

    /// Takes it off the disk: the issuer has withdrawn what is in it.
    pub(crate) fn forget(&self) -> Result<(), String> {
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = None;
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.to_string()),
            _ => Ok(()),
        }
    }
}

fn replace(beside: &Path, file: &Path, bytes: &[u8]) -> io::Result<()> {
    // What a process of the same number left behind; a link planted there would be removed, not followed.
    let _ = fs::remove_file(beside);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    permissions::for_us_alone(&mut options);
    let mut new = options.open(beside)?;
    new.write_all(bytes)?;
    new.sync_all()?;
    fs::rename(beside, file)?;
    // The name is on disk only once its folder is. Where folders cannot be synced, the old snapshot may come back.
    if let Some(folder) = file.parent() {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(())
}

/// The bytes up to the first line break, and those behind it.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == b'\n')?;
    bytes.split_at_checked(at).and_then(|(line, rest)| Some((line, rest.get(1..)?)))
}

fn first_line(rest: &[u8]) -> String {
    format!("orgate-keys 1 {}", hex(digest(&SHA256, rest).as_ref()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The largest file that is read: the largest set, and what stands before it.
const MAX_BYTES: u64 = KeySet::MAX_BYTES as u64 + 8 * 1024;
/// How old a snapshot of the same set becomes before it is written again, in seconds.
const SAVE_EVERY: i64 = 5 * 60;

/// Who may write, where the system can tell.
#[cfg(unix)]
mod permissions {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};

    use super::*;

    pub(super) fn for_us_alone(options: &mut OpenOptions) {
        options.mode(0o600);
    }

    pub(super) fn make_folder(folder: &Path) -> Result<(), String> {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(format!("its folder cannot be made: {error}"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn check_folder(folder: &Path) -> Result<(), String> {
        let found = fs::metadata(folder).map_err(|error| format!("its folder: {error}"))?;
        check(&found, "its folder")
    }

    pub(super) fn check(found: &fs::Metadata, what: &str) -> Result<(), String> {
        let ours = rustix::process::geteuid().as_raw();
        if found.uid() != 0 && found.uid() != ours {
            return Err(format!("{what} belongs to another user"));
        }
        if found.mode() & 0o022 != 0 {
            return Err(format!("{what} can be written by others; take that right away"));
        }
        Ok(())
    }
}

/// Elsewhere the folder's own protection has to do.
#[cfg(not(unix))]
mod permissions {
    use super::*;

    pub(super) fn for_us_alone(_: &mut OpenOptions) {}

    pub(super) fn make_folder(folder: &Path) -> Result<(), String> {
        match DirBuilder::new().create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    pub(super) fn check_folder(_: &Path) -> Result<(), String> {
        Ok(())
    }

    pub(super) fn check(_: &fs::Metadata, _: &str) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
