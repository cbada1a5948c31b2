//! Rights that died before the token did.
//!
//! The marks of one issuer's change feed, compared with a principal: "no token of this subject in this organization
//! below version n", a session that was signed out, a key that was withdrawn. The gate asks for each request with a token of that
//! issuer, cached or not, after the token was verified and before the policy decides.
//!
//! * A value is a snapshot: whoever holds one reads it without a lock, and the next one shares with it all that did not change.
//! * What a mark names is kept as a keyed hash of 64 bits. Should two ever have the same, one token too many is refused for
//!   some minutes, and none too many is let in: the marks are merged into the farther-reaching one.
//! * A mark that has expired is about tokens that have ended, so it makes no difference whether it is still here;
//!   [`prune`](Marks::prune) gives its memory back.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
    sync::Arc,
};

use orgate_claims::{Principal, UnixTime};

use crate::TrustedIssuer;

/// One entry of a change feed: which tokens are refused from now on.
///
/// `min` is of the organization's change counter, the claim `org_ver`; a token without it counts as older than any. `before`
/// is in seconds since 1970 and is compared with `iat`, likewise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
    /// Tokens of a subject in an organization, of a version below `min`.
    Member {
        /// `sub`.
        subject: Box<str>,
        /// `org_id`.
        organization: Box<str>,
        /// The first version that stands.
        min: u64,
    },
    /// Tokens with a role in an organization, of a version below `min`.
    RoleIn {
        /// `org_role`.
        role: Box<str>,
        /// `org_id`.
        organization: Box<str>,
        /// The first version that stands.
        min: u64,
    },
    /// Tokens with a role in one organization, or in whichever, from before a time.
    Role {
        /// `org_role`.
        role: Box<str>,
        /// `org_id`.
        organization: Option<Box<str>>,
        /// The first second whose tokens stand.
        before: u64,
    },
    /// Tokens in an organization, of a version below `min`, or all of them.
    Organization {
        /// `org_id`.
        organization: Box<str>,
        /// The first version that stands; `None` if none does.
        min: Option<u64>,
    },
    /// Tokens in one organization, or in any, from before a time.
    Organizations {
        /// `org_id`.
        organization: Option<Box<str>>,
        /// The first second whose tokens stand.
        before: u64,
    },
    /// Tokens of a session (`sid`).
    Session(Box<str>),
    /// Tokens of a refresh family: of their `jti`, what is behind the first full stop.
    Family(Box<str>),
    /// Tokens of a subject, from before a time.
    Subject {
        /// `sub`.
        subject: Box<str>,
        /// The first second whose tokens stand.
        before: u64,
    },
    /// One token (`jti`).
    Token(Box<str>),
    /// Tokens of a client, from before a time.
    Client {
        /// `client_id`.
        client: Box<str>,
        /// The first second whose tokens stand.
        before: u64,
    },
    /// Tokens that were signed with a key (`kid`).
    Key(Box<str>),
}

/// The mark that stands against a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MarkHit {
    /// The membership is another, or has ended.
    Member,
    /// The role grants something else.
    Role,
    /// The organization is another, or has ended.
    Organization,
    /// The session has ended.
    Session,
    /// The subject was signed out everywhere, or suspended.
    Subject,
    /// This very token was revoked.
    Token,
    /// The sign-in that the token came of was revoked.
    Family,
    /// The client was signed out everywhere, or has ended.
    Client,
    /// The key was withdrawn.
    Key,
}

impl fmt::Display for MarkHit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Member => "the caller's membership was changed or ended after the token was issued",
            Self::Role => "the caller's role was changed after the token was issued",
            Self::Organization => "the organization was changed or ended after the token was issued",
            Self::Session => "the session of the token was ended",
            Self::Subject => "the tokens of the caller were ended after this one was issued",
            Self::Token => "the token was revoked",
            Self::Family => "what the token came of was revoked",
            Self::Client => "the tokens of the client were ended after this one was issued",
            Self::Key => "the key that signed the token was withdrawn",
        })
    }
}

impl std::error::Error for MarkHit {}

/// More marks than [`Marks::MOST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyMarks;

impl fmt::Display for TooManyMarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} marks are in force", Marks::MOST)
    }
}

impl std::error::Error for TooManyMarks {}

/// The kinds of marks, as they are hashed and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Member,
    RoleIn,
    Role,
    Organization,
    Organizations,
    Session,
    Family,
    Subject,
    Token,
    Client,
    Key,
}

const KINDS: usize = 11;
/// The parts of a snapshot: what changes one mark copies one part of so many.
const PARTS: usize = 64;
/// The bound of a mark that no version and no time outlives.
const EVERYTHING: u64 = u64::MAX;

/// What is known to have been revoked by one issuer. Cheap to clone; see the source file for how.
#[derive(Clone)]
pub struct Marks {
    hasher: RandomState,
    parts: Box<[Arc<Part>]>,
    /// How many there are of each kind, so that what nobody named costs nothing.
    counts: [usize; KINDS],
}

#[derive(Clone, Default)]
struct Part {
    entries: HashMap<u64, Entry, BuildHasherDefault<AsItIs>>,
    /// Nothing in here expires before.
    earliest: Option<i64>,
}

#[derive(Clone, Copy)]
struct Entry {
    kind: Kind,
    /// Tokens below this are refused.
    below: u64,
    expires_at: i64,
}

impl Marks {
    /// The most marks of one issuer: about 10 MB.
    pub const MOST: usize = 200_000;

    /// No marks.
    #[must_use]
    pub fn new() -> Self {
        let parts = std::iter::repeat_with(Arc::<Part>::default).take(PARTS).collect();
        Self { hasher: RandomState::new(), parts, counts: [0; KINDS] }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// Adds a mark. Of two that name the same, what reaches farther and what lasts longer holds.
    ///
    /// # Errors
    /// [`TooManyMarks`] if there is no room; nothing was added then, and what the mark is about may be let in.
    pub fn insert(&mut self, mark: &Mark, expires_at: UnixTime) -> Result<(), TooManyMarks> {
        let (kind, first, second, below) = mark.parts();
        let key = self.key(kind, first, second);
        let expires_at = expires_at.seconds();
        let is_full = self.len() >= Self::MOST;
        let Some(part) = self.parts.get_mut(part_of(key)) else { return Err(TooManyMarks) };
        let known = part.entries.get(&key);
        if known.is_some_and(|known| known.below >= below && known.expires_at >= expires_at) {
            return Ok(());
        }
        if known.is_none() {
            if is_full {
                return Err(TooManyMarks);
            }
            if let Some(count) = self.counts.get_mut(kind as usize) {
                *count = count.saturating_add(1);
            }
        }
        let part = Arc::make_mut(part);
        let entry = part.entries.entry(key).or_insert(Entry { kind, below, expires_at });
        (entry.below, entry.expires_at) = (entry.below.max(below), entry.expires_at.max(expires_at));
        part.earliest = Some(part.earliest.map_or(expires_at, |earliest| earliest.min(expires_at)));
        Ok(())
    }

    /// Drops what has expired, and the longest leeway besides, within which a token is believed after its end. Says whether
    /// there was anything.
    pub fn prune(&mut self, now: UnixTime) -> bool {
        let over = now.seconds().saturating_sub(i64::from(TrustedIssuer::MAX_LEEWAY));
        let mut dropped = false;
        for part in &mut self.parts {
            if part.earliest.is_none_or(|earliest| earliest > over) {
                continue;
            }
            let part = Arc::make_mut(part);
            let counts = &mut self.counts;
            part.entries.retain(|_, entry| {
                let stays = entry.expires_at > over;
                if let (false, Some(count)) = (stays, counts.get_mut(entry.kind as usize)) {
                    *count = count.saturating_sub(1);
                    dropped = true;
                }
                stays
            });
            part.earliest = part.entries.values().map(|entry| entry.expires_at).min();
        }
        dropped
    }

    /// Whether `principal` still stands, whose token was signed with the key `kid`. Takes no lock and allocates nothing.
    ///
    /// # Errors
    /// A mark that is against it.
    pub fn check(&self, principal: &Principal, kid: Option<&str>) -> Result<(), MarkHit> {
        if self.is_empty() {
            return Ok(());
        }
        let version = principal.org_ver().unwrap_or(0);
        let issued = principal.issued_at().map_or(0, |at| u64::try_from(at.seconds()).unwrap_or(0));
        let subject = principal.subject().as_str();
        let refuse = |is_refused: bool, hit: MarkHit| if is_refused { Err(hit) } else { Ok(()) };
        if let Some(kid) = kid {
            refuse(self.refuses(Kind::Key, kid, "", 0), MarkHit::Key)?;
        }
        if let Some(id) = principal.token_id() {
            refuse(self.refuses(Kind::Token, id.as_str(), "", 0), MarkHit::Token)?;
            if let Some((_, family)) = id.as_str().split_once('.') {
                refuse(self.refuses(Kind::Family, family, "", 0), MarkHit::Family)?;
            }
        }
        if let Some(session) = principal.session() {
            refuse(self.refuses(Kind::Session, session.as_str(), "", 0), MarkHit::Session)?;
        }
        refuse(self.refuses(Kind::Subject, subject, "", issued), MarkHit::Subject)?;
        if let Some(client) = principal.client() {
            refuse(self.refuses(Kind::Client, client.as_str(), "", issued), MarkHit::Client)?;
        }
        let organization = principal.organization().map(|organization| organization.id.as_str());
        if let Some(organization) = organization {
            refuse(self.refuses(Kind::Organization, organization, "", version), MarkHit::Organization)?;
            refuse(self.refuses(Kind::Member, subject, organization, version), MarkHit::Member)?;
            let ended = self.refuses(Kind::Organizations, organization, "", issued)
                || self.refuses(Kind::Organizations, "", "", issued);
            refuse(ended, MarkHit::Organization)?;
        }
        for role in principal.roles() {
            let role = role.as_str();
            let here = organization.is_some_and(|id| {
                self.refuses(Kind::RoleIn, role, id, version) || self.refuses(Kind::Role, role, id, issued)
            });
            refuse(here || self.refuses(Kind::Role, role, "", issued), MarkHit::Role)?;
        }
        Ok(())
    }

    fn refuses(&self, kind: Kind, first: &str, second: &str, value: u64) -> bool {
        if self.counts.get(kind as usize).is_none_or(|count| *count == 0) {
            return false;
        }
        let key = self.key(kind, first, second);
        let entry = self.parts.get(part_of(key)).and_then(|part| part.entries.get(&key));
        entry.is_some_and(|entry| value < entry.below || entry.below == EVERYTHING)
    }

    fn key(&self, kind: Kind, first: &str, second: &str) -> u64 {
        self.hasher.hash_one((kind, first, second))
    }
}

impl Mark {
    /// What it is known by, and the bound.
    fn parts(&self) -> (Kind, &str, &str, u64) {
        match self {
            Self::Member { subject, organization, min } => (Kind::Member, subject, organization, *min),
            Self::RoleIn { role, organization, min } => (Kind::RoleIn, role, organization, *min),
            Self::Role { role, organization, before } => {
                (Kind::Role, role, organization.as_deref().unwrap_or_default(), *before)
            }
            Self::Organizations { organization, before } => {
                (Kind::Organizations, organization.as_deref().unwrap_or_default(), "", *before)
            }
            Self::Family(id) => (Kind::Family, id, "", EVERYTHING),
            Self::Organization { organization, min } => {
                (Kind::Organization, organization, "", min.unwrap_or(EVERYTHING))
            }
            Self::Session(id) => (Kind::Session, id, "", EVERYTHING),
            Self::Subject { subject, before } => (Kind::Subject, subject, "", *before),
            Self::Token(id) => (Kind::Token, id, "", EVERYTHING),
            Self::Client { client, before } => (Kind::Client, client, "", *before),
            Self::Key(id) => (Kind::Key, id, "", EVERYTHING),
        }
    }
}

/// By other bits than those by which a map finds its place.
fn part_of(key: u64) -> usize {
    usize::try_from(key >> 32).unwrap_or(0) % PARTS
}

impl Default for Marks {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Marks").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The keys are keyed hashes already.
#[derive(Clone, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |state, byte| state.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

#[cfg(test)]
mod tests;
