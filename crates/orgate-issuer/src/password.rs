//! Passwords: argon2id, off the request threads, and never more at once than there are cores.
//!
//! One hash takes 19 MiB and tens of milliseconds on purpose, so a flood of sign-ins is a flood of work. At most as
//! many hashes run as the machine has cores, a bounded number waits, and whoever comes beyond is told to come back; of
//! those that wait only a few may come from one peer or concern one account, so that the others find a place too.
//! An unknown account costs exactly one hash, like a known one.
//!
//! Every password is brought into one form of Unicode before it is hashed (RFC 8265 §4.2): what looks the same is the
//! same, whatever keyboard it was typed on.

mod admission;
pub(crate) mod rules;

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use tokio::sync::Semaphore;

use self::admission::Admission;
pub(crate) use self::admission::For;
use crate::http::{Problem, problem::Code};

/// The longest password, in bytes. Longer ones are refused before any work, never cut.
pub(crate) const MAX_PASSWORD: usize = 1024;
/// The shortest new password, in characters.
pub(crate) const MIN_PASSWORD: usize = 8;

const WAITING_PER_CORE: usize = 32;
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Why a password was not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PasswordError {
    TooLong,
    /// Too many are waiting.
    Busy,
    /// Too many from this peer, or for this account, are waiting.
    RateLimited,
    /// The library or the machine failed.
    Failed,
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::TooLong => Self::new(Code::TooLarge).detail("a password has at most 1024 bytes"),
            PasswordError::Busy => Self::new(Code::Busy),
            PasswordError::RateLimited => Self::new(Code::RateLimited),
            PasswordError::Failed => Self::new(Code::Internal),
        }
    }
}

/// The outcome of a check.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    Right {
        /// The hash to store instead, if the stored one was made with other parameters.
        rehashed: Option<String>,
    },
    Wrong,
}

/// The place where hashing happens.
pub(crate) struct Passwords {
    admission: Admission,
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    /// How many hashes were made, or compared with: what a stranger could measure.
    #[cfg(test)]
    pub(crate) worked: AtomicUsize,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passwords")
    }
}

impl Passwords {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::with_room(cores, cores * WAITING_PER_CORE)
    }

    fn with_room(running: usize, most_waiting: usize) -> Self {
        Self {
            admission: Admission::default(),
            running: Arc::new(Semaphore::new(running)),
            waiting: AtomicUsize::new(0),
            most_waiting,
            #[cfg(test)]
            worked: AtomicUsize::new(0),
        }
    }

    /// The PHC string of a new password.
    pub(crate) async fn hash(&self, who: For<'_>, password: String) -> Result<String, PasswordError> {
        self.work(who, password, |password| hash(password).ok_or(PasswordError::Failed)).await?
    }

    /// Whether `password` is the one that `stored` was made from. Without a stored one the answer is `Wrong`, after
    /// the same work.
    pub(crate) async fn check(
        &self,
        who: For<'_>,
        password: String,
        stored: Option<String>,
    ) -> Result<Checked, PasswordError> {
        self.work(who, password, move |password| {
            let Some(stored) = stored else {
                let _ = hasher().verify_password(password.as_bytes(), dummy());
                return Checked::Wrong;
            };
            if hasher().verify_password(password.as_bytes(), stored.as_str()).is_err() {
                return Checked::Wrong;
            }
            let rehashed = if is_current(&stored) { None } else { hash(password) };
            Checked::Right { rehashed }
        })
        .await
    }

    /// Lets nobody be served until the answer is dropped.
    #[cfg(test)]
    pub(crate) async fn pause(&self) -> tokio::sync::OwnedSemaphorePermit {
        let all = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Arc::clone(&self.running).acquire_many_owned(u32::try_from(all).unwrap()).await.unwrap()
    }

    /// How many wait or are served.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// How many of them there may be.
    #[cfg(test)]
    pub(crate) fn most_waiting(&self) -> usize {
        self.most_waiting
    }

    async fn work<T: Send + 'static>(
        &self,
        who: For<'_>,
        password: String,
        task: impl FnOnce(&str) -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        if password.len() > MAX_PASSWORD {
            return Err(PasswordError::TooLong);
        }
        let password = rules::normalize(&password);
        let share = self.admission.enter(who).ok_or(PasswordError::RateLimited)?;
        let Some(_place) = Place::take(&self.waiting, self.most_waiting) else {
            return Err(PasswordError::Busy);
        };
        let permit = Arc::clone(&self.running).acquire_owned().await.map_err(|_| PasswordError::Failed)?;
        drop(share);
        #[cfg(test)]
        self.worked.fetch_add(1, Ordering::Relaxed);
        // The permit travels with the work: a caller that goes away does not make room for another hash.
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            task(&password)
        });
        task.await.map_err(|_| PasswordError::Failed)
    }
}

/// A place among those that wait or run.
struct Place<'w>(&'w AtomicUsize);

impl<'w> Place<'w> {
    fn take(waiting: &'w AtomicUsize, most: usize) -> Option<Self> {
        let before = waiting.fetch_add(1, Ordering::AcqRel);
        let place = Self(waiting);
        (before < most).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &str) -> Option<String> {
    hasher().hash_password(password.as_bytes()).ok().map(|hash| hash.to_string())
}

fn is_current(phc: &str) -> bool {
    phc.starts_with(&format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$"))
}

/// What an unknown account's password is compared with.
fn dummy() -> &'static str {
    static DUMMY: OnceLock<String> = OnceLock::new();
    DUMMY.get_or_init(|| hash("the password of nobody").unwrap_or_default())
}

/// Makes the comparison for unknown accounts ready, so that the first one is not slower.
pub(crate) fn prepare() {
    dummy();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_verifies_only_itself() {
        let passwords = Passwords::new();
        let phc = passwords.hash(For::Start, "correct horse".to_owned()).await.unwrap();
        assert!(is_current(&phc), "{phc}");
        let check = |password: &str, stored: Option<&str>| {
            passwords.check(For::Start, password.to_owned(), stored.map(str::to_owned))
        };
        assert_eq!(check("correct horse", Some(&phc)).await, Ok(Checked::Right { rehashed: None }));
        assert_eq!(check("correct hors", Some(&phc)).await, Ok(Checked::Wrong));
        assert_eq!(check("correct horse", None).await, Ok(Checked::Wrong));
        assert_eq!(check("correct horse", Some("nonsense")).await, Ok(Checked::Wrong));
    }

    #[tokio::test]
    async fn weaker_parameters_are_replaced_at_the_next_sign_in() {
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 1, 1, None).unwrap());
        let phc = weak.hash_password(b"correct horse").unwrap().to_string();
        let Ok(Checked::Right { rehashed: Some(phc) }) =
            Passwords::new().check(For::Start, "correct horse".to_owned(), Some(phc)).await
        else {
            panic!("not rehashed");
        };
        assert!(is_current(&phc));
    }

    #[tokio::test]
    async fn a_long_password_costs_no_work_and_is_not_cut() {
        let passwords = Passwords::with_room(0, 1);
        assert_eq!(passwords.check(For::Start, "x".repeat(1025), None).await, Err(PasswordError::TooLong));
    }

    #[tokio::test]
    async fn one_peer_does_not_fill_the_queue() {
        use std::task::{Context, Poll, Waker};
        let passwords = Passwords::with_room(0, 100);
        let wait = |peer: [u8; 4], account: &'static str| {
            let who = For::Request { peer: Some(peer.into()), realm: "proj_p", account };
            let mut work = Box::pin(passwords.check(who, "x".to_owned(), None));
            let answer = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            (answer, work)
        };
        let greedy: Vec<_> = ["a", "b", "c", "d"].map(|name| wait([192, 0, 2, 1], name)).into();
        assert!(greedy.iter().all(|(answer, _)| answer.is_pending()));
        assert_eq!(wait([192, 0, 2, 1], "e").0, Poll::Ready(Err(PasswordError::RateLimited)));
        assert!(wait([192, 0, 2, 2], "e").0.is_pending());
        drop(greedy);
        assert!(wait([192, 0, 2, 1], "e").0.is_pending(), "who goes away gives the share back");
        assert_eq!(passwords.admission.entries(), 0);
    }

    #[tokio::test]
    async fn who_is_at_work_does_not_wait() {
        let passwords = Passwords::with_room(1, 100);
        let who = For::Request { peer: None, realm: "proj_p", account: "a" };
        for _ in 0..6 {
            assert_eq!(passwords.check(who, "x".to_owned(), None).await, Ok(Checked::Wrong));
        }
        assert_eq!(passwords.admission.entries(), 0);
    }

    #[tokio::test]
    async fn beyond_the_queue_the_answer_is_busy() {
        let passwords = Passwords::with_room(1, 0);
        assert_eq!(passwords.check(For::Start, "x".to_owned(), None).await, Err(PasswordError::Busy));
        let passwords = Passwords::with_room(1, 1);
        assert_eq!(passwords.check(For::Start, "x".to_owned(), None).await, Ok(Checked::Wrong));
        assert_eq!(
            passwords.check(For::Start, "x".to_owned(), None).await,
            Ok(Checked::Wrong),
            "a place comes back"
        );
    }
}
