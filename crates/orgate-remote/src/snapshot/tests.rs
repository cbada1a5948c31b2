use std::sync::atomic::{AtomicUsize, Ordering};

use orgate_testkit::{TestKey, jwks};
use orgate_verify::KeySource;

use super::*;
use crate::{HttpClient, KeySettings, Location, RemoteKeys, Timing};

const ISSUER: &str = "https://issuer.example";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

/// A folder of the test's own, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("orgate-snapshot-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    fn snapshot(&self) -> Snapshot {
        self.of(ISSUER, "https://issuer.example/jwks.json")
    }

    fn of(&self, issuer: &str, location: &str) -> Snapshot {
        Snapshot::new(&self.0, IssuerUrl::parse(issuer).unwrap(), location.to_owned())
    }

    /// With one set in it, saved at `NOW`.
    fn saved(&self) -> Snapshot {
        self.snapshot().save(&text(), NOW).unwrap();
        self.snapshot()
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text() -> Bytes {
    jwks([TestKey::es256()]).into()
}

#[track_caller]
fn refused(snapshot: &Snapshot, why: &str) {
    let told = snapshot.load(NOW, DAY).unwrap_err();
    assert!(told.contains(why), "{told}");
}

#[test]
fn what_was_saved_is_found_again_and_is_as_old_as_it_is() {
    let folder = Folder::new();
    assert_eq!(folder.snapshot().load(NOW, DAY), Ok(None), "nothing there is no error");
    let snapshot = folder.saved();
    let found = snapshot.load(NOW.plus(3_600), DAY).unwrap().unwrap();
    assert_eq!(found, Restored { text: text(), age: Duration::from_secs(3_600) });
    assert_eq!(folder.names().len(), 1, "and nothing beside it");
}

#[test]
fn a_snapshot_is_not_believed_beyond_its_limit() {
    let folder = Folder::new();
    let snapshot = folder.saved();
    assert!(snapshot.load(NOW.plus(86_399), DAY).is_ok());
    assert!(snapshot.load(NOW.plus(86_400), DAY).unwrap_err().contains("86400 s old"));
    assert!(snapshot.load(NOW, Duration::ZERO).is_err());
    assert!(snapshot.load(NOW.plus(-1), DAY).unwrap_err().contains("future"));
}

#[test]
fn a_snapshot_that_is_damaged_anywhere_is_ignored() {
    let folder = Folder::new();
    let snapshot = folder.saved();
    let good = fs::read(snapshot.path()).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(snapshot.believe(&bad, NOW, DAY).is_err(), "a flipped bit at {at}");
        assert!(snapshot.believe(&good[..at], NOW, DAY).is_err(), "cut off at {at}");
    }
    assert!(snapshot.believe(&[&good[..], b" "].concat(), NOW, DAY).is_err());
    assert!(snapshot.believe(&good, NOW, DAY).is_ok());
    fs::write(snapshot.path(), &good[..good.len() - 1]).unwrap();
    refused(&snapshot, "damaged");
    fs::write(snapshot.path(), vec![b' '; KeySet::MAX_BYTES + 10_000]).unwrap();
    refused(&snapshot, "too large");
}

#[test]
fn a_snapshot_of_another_issuer_or_place_is_ignored() {
    let folder = Folder::new();
    let ours = folder.saved();
    for (issuer, location) in [
        ("https://other.example", "https://issuer.example/jwks.json"),
        (ISSUER, "https://issuer.example/other.json"),
    ] {
        let theirs = folder.of(issuer, location);
        assert_ne!(theirs.path(), ours.path());
        fs::copy(ours.path(), theirs.path()).unwrap();
        refused(&theirs, "another issuer");
    }
}

#[cfg(unix)]
#[test]
fn a_snapshot_that_others_can_write_is_ignored() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let folder = Folder::new();
    let snapshot = folder.saved();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(fs::metadata(snapshot.path()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&folder.0).unwrap().permissions().mode() & 0o777, 0o700);
    for open in [0o620, 0o602, 0o666] {
        mode(snapshot.path(), open);
        refused(&snapshot, "it can be written by others");
    }
    mode(snapshot.path(), 0o644);
    assert!(snapshot.load(NOW, DAY).unwrap().is_some(), "to be read by others is no harm");
    for open in [0o720, 0o702, 0o777] {
        mode(&folder.0, open);
        refused(&snapshot, "its folder can be written by others");
        assert!(folder.snapshot().save(&text(), NOW).unwrap_err().contains("written by others"));
    }
    mode(&folder.0, 0o700);
    let elsewhere = folder.0.join("elsewhere");
    fs::rename(snapshot.path(), &elsewhere).unwrap();
    symlink(&elsewhere, snapshot.path()).unwrap();
    refused(&snapshot, "not a regular file");
    if rustix::process::geteuid().is_root() {
        fs::remove_file(snapshot.path()).unwrap();
        fs::rename(&elsewhere, snapshot.path()).unwrap();
        std::os::unix::fs::chown(snapshot.path(), Some(12_345), None).unwrap();
        refused(&snapshot, "it belongs to another user");
        std::os::unix::fs::chown(snapshot.path(), Some(0), None).unwrap();
        std::os::unix::fs::chown(&folder.0, Some(12_345), None).unwrap();
        refused(&snapshot, "its folder belongs to another user");
    }
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_leaves_the_old_snapshot_whole() {
    let folder = Folder::new();
    let snapshot = folder.saved();
    // The name that is written first leads to a device without space: a file cannot be made there.
    let beside = snapshot.file.with_extension(format!("{}.new", std::process::id()));
    fs::create_dir(&beside).unwrap();
    fs::write(beside.join("occupied"), "").unwrap();
    let newer: Bytes = jwks([TestKey::eddsa()]).into();
    assert!(folder.snapshot().save(&newer, NOW.plus(600)).is_err());
    assert_eq!(snapshot.load(NOW, DAY).unwrap().unwrap().text, text());
    fs::remove_dir_all(&beside).unwrap();
    assert_eq!(folder.snapshot().save(&newer, NOW.plus(600)), Ok(()));
    assert_eq!(snapshot.load(NOW.plus(600), DAY).unwrap().unwrap().text, newer);
}

#[test]
fn the_same_set_is_written_again_only_when_the_snapshot_has_aged() {
    let folder = Folder::new();
    let snapshot = folder.snapshot();
    let age_at = |at: i64| snapshot.load(NOW.plus(at), DAY).unwrap().unwrap().age.as_secs();
    snapshot.save(&text(), NOW).unwrap();
    snapshot.save(&text(), NOW.plus(299)).unwrap();
    assert_eq!(age_at(300), 300);
    snapshot.save(&text(), NOW.plus(300)).unwrap();
    assert_eq!(age_at(300), 0);
    snapshot.save(&jwks([TestKey::eddsa()]).into(), NOW.plus(301)).unwrap();
    assert_eq!(age_at(301), 0, "another set is kept at once");
    snapshot.forget().unwrap();
    assert_eq!(snapshot.load(NOW, DAY), Ok(None));
    snapshot.forget().unwrap();
}

/// The keys that a gate would start with, its issuer out of reach.
fn started_with(folder: &Folder, limit: Duration) -> Option<usize> {
    let place = Location::JwksUri("https://issuer.example/jwks.json".to_owned());
    let settings = KeySettings::new(IssuerUrl::parse(ISSUER).unwrap(), place)
        .timing(Timing::default().stale_limit(limit))
        .snapshots(Some(folder.0.clone()));
    RemoteKeys::new(settings, HttpClient::new()).unwrap().current().map(|keys| keys.len())
}

#[tokio::test(start_paused = true)]
async fn time_on_disk_counts_towards_the_limit() {
    let folder = Folder::new();
    let hour_ago = crate::clock::now().plus(-3_600);
    folder.snapshot().save(&text(), hour_ago).unwrap();
    assert_eq!(started_with(&folder, Duration::from_secs(2 * 3_600)), Some(1));
    assert_eq!(started_with(&folder, Duration::from_secs(3_600)), None);

    let place = Location::JwksUri("https://issuer.example/jwks.json".to_owned());
    let settings = KeySettings::new(IssuerUrl::parse(ISSUER).unwrap(), place)
        .timing(Timing::default().stale_limit(Duration::from_secs(2 * 3_600)))
        .snapshots(Some(folder.0.clone()));
    let keys = RemoteKeys::new(settings, HttpClient::new()).unwrap();
    assert!(keys.status().figures.age.unwrap() >= Duration::from_secs(3_600));
    tokio::time::advance(Duration::from_secs(3_000)).await;
    assert!(keys.current().is_some());
    tokio::time::advance(Duration::from_secs(601)).await;
    assert!(keys.current().is_none(), "an hour on disk and an hour in memory");
}

#[tokio::test]
async fn a_snapshot_without_a_usable_key_is_none() {
    let folder = Folder::new();
    folder.snapshot().save(&Bytes::from_static(b"{\"keys\":[]}"), crate::clock::now()).unwrap();
    assert_eq!(started_with(&folder, DAY), None);
}
