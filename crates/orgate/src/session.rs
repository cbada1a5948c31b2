//! `token.exchange`: callers whose browser carries an opaque session cookie, which a server changes for a token.
//!
//! 1. The cookie counts only where no other source has a token.
//! 2. What comes back is verified like every token of a request; only one that holds is kept, for at most the time that
//!    the policy says, and it is verified again whenever it is used.
//! 3. Where the server can be told, the token is for the organization that the rule binds, and not for the one that the session
//!    is about: two tabs share one session. The path chooses only among what the caller may choose anyway, since the server
//!    looks the membership up, and the token is bound to the path as every other. A token is kept for the cookie and the
//!    organization together.
//! 4. It is a cookie, so what may change something must come from a page that may call the application, as for every
//!    token in a cookie.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, header::COOKIE};
use moka::{Expiry, sync::Cache};

use orgate_claims::UnixTime;
use orgate_policy::RuleMatch;

use crate::{
    Code, Gate, Need, Rejection, RequestHead,
    credentials::{self, Presented, csrf},
    gate::GateParts,
    judge::Refusal,
    token_cache::VerifiedToken,
    tokens::Answers,
};

/// How much memory the tokens of sessions may take, about.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// The most bytes of cookies that are looked through.
const MAX_COOKIE_BYTES: usize = 32 * 1024;

/// What became of a session that was exchanged.
#[cfg_attr(not(feature = "remote"), allow(dead_code, reason = "nobody can be asked without the feature"))]
#[derive(Clone, Debug)]
pub(crate) enum Exchanged {
    /// A token, unproven.
    Token(Arc<str>),
    /// There is no such session.
    NoSession,
    /// Its user is no member of the organization.
    NoMember,
    /// The server could not be asked.
    Unavailable,
}

/// The value of the cookie `name`; `None` if there is none, or an empty one, which signing out leaves behind.
///
/// # Errors
/// If there are two of the name: a sibling domain may have planted one of them.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Rejection> {
    let mut found = None;
    let mut bytes = 0;
    for header in headers.get_all(COOKIE) {
        bytes += header.len();
        if bytes > MAX_COOKIE_BYTES {
            return Err(Rejection::unreadable_credential("the cookies of the request are too many"));
        }
        for pair in header.as_bytes().split(|byte| *byte == b';') {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let (Some(key), Some(value)) = (parts.next(), parts.next()) else { continue };
            if key.trim_ascii() == name.as_bytes() && found.replace(value.trim_ascii()).is_some() {
                return Err(Rejection::unreadable_credential("the request carries two session cookies"));
            }
        }
    }
    let Some(value) = found.filter(|value| !value.is_empty()) else { return Ok(None) };
    // RFC 6265 §4.1.1, so that nothing else can be written into the header that is sent on.
    let is_octet = |byte: &u8| byte.is_ascii_graphic() && !b"\",;\\".contains(byte);
    match std::str::from_utf8(value) {
        Ok(text) if value.iter().all(is_octet) => Ok(Some(text)),
        _ => Err(Rejection::unreadable_credential("the session cookie cannot be read")),
    }
}

/// The tokens of sessions, by a keyed hash of the cookie and the organization that was named.
pub(crate) struct Sessions {
    entries: Cache<u64, Arc<Entry>>,
    hasher: RandomState,
}

struct Entry {
    cookie: Box<str>,
    org: Option<Box<str>>,
    token: Arc<str>,
    lifetime: Duration,
}

impl Sessions {
    pub(crate) fn new() -> Self {
        let weigh = |_: &u64, entry: &Arc<Entry>| {
            let org = entry.org.as_ref().map_or(0, |org| org.len());
            u32::try_from(entry.cookie.len() + org + entry.token.len() + 256).unwrap_or(u32::MAX)
        };
        let entries =
            Cache::builder().max_capacity(CACHE_BYTES).weigher(weigh).expire_after(Lifetime).build();
        Self { entries, hasher: RandomState::new() }
    }

    pub(crate) fn get(&self, cookie: &str, org: Option<&str>) -> Option<Arc<str>> {
        let entry = self.entries.get(&self.hasher.hash_one((cookie, org)))?;
        // The index is only a hash: the bytes decide.
        (*entry.cookie == *cookie && entry.org.as_deref() == org).then(|| Arc::clone(&entry.token))
    }

    pub(crate) fn insert(&self, (cookie, org): (&str, Option<&str>), token: Arc<str>, lifetime: Duration) {
        if !lifetime.is_zero() {
            let entry = Entry { cookie: cookie.into(), org: org.map(Into::into), token, lifetime };
            self.entries.insert(self.hasher.hash_one((cookie, org)), Arc::new(entry));
        }
    }

    pub(crate) fn clear(&self) {
        self.entries.invalidate_all();
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").field("entries", &self.entries.entry_count()).finish_non_exhaustive()
    }
}

struct Lifetime;

impl Expiry<u64, Arc<Entry>> for Lifetime {
    fn expire_after_create(&self, _: &u64, entry: &Arc<Entry>, _: Instant) -> Option<Duration> {
        Some(entry.lifetime)
    }

    fn expire_after_update(
        &self,
        _: &u64,
        entry: &Arc<Entry>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.lifetime)
    }
}

impl Gate {
    /// The verified token of a request's session, for the organization that its rule binds where the server can be told; `None`
    /// if it has none, or the policy exchanges none.
    pub(crate) fn session(
        &self,
        parts: &GateParts,
        (head, rule): (&RequestHead<'_>, &RuleMatch<'_>),
        now: UnixTime,
        brought: Answers<'_>,
    ) -> Result<Option<Arc<VerifiedToken>>, Refusal> {
        let Some((name, lifetime)) = parts.exchanged_cookie() else { return Ok(None) };
        let Some(value) = cookie(head.headers, name)? else { return Ok(None) };
        csrf::check(head, &parts.token.trusted_origins)
            .map_err(|detail| Rejection::new(Code::Csrf).with_detail(detail))?;
        let org = parts.exchanged_org(rule);
        if let Some(token) = self.sessions().get(value, org) {
            match self.verified(parts, &token, now, brought.heard) {
                // The token has ended, the session perhaps not.
                Err(Refusal::Rejection(_)) => {}
                settled => return settled.map(Some),
            }
        }
        let (code, detail) = match brought.session {
            None => return Err(Refusal::Need(Need::Exchange)),
            Some(Exchanged::Token(token)) => {
                let verified = self.verified(parts, token, now, brought.heard)?;
                self.sessions().insert((value, org), Arc::clone(token), lifetime);
                return Ok(Some(verified));
            }
            // The binding would say the same of whatever token the session has.
            Some(Exchanged::NoMember) => {
                let rejection = Rejection::new(Code::OrganizationMismatch);
                let hides = parts.deny.hide || rule.hides();
                return Err(if hides { rejection.hide() } else { rejection }.into());
            }
            Some(Exchanged::NoSession) => (Code::InvalidToken, "the session has ended, or never was one"),
            Some(Exchanged::Unavailable) => {
                (Code::KeysUnavailable, "the session could not be looked up; try again")
            }
        };
        Err(Rejection::new(code).with_detail(detail).into())
    }

    /// The text of the token of a request: to ask its issuer about it.
    pub(crate) fn token_text(
        &self,
        parts: &GateParts,
        head: &RequestHead<'_>,
        brought: Option<&Exchanged>,
    ) -> Option<Arc<str>> {
        if let Ok(Some(Presented { credential: crate::Credential::Token(text), .. })) =
            credentials::extract(head, &parts.token)
        {
            return Some(text.as_str().into());
        }
        if let Some(Exchanged::Token(token)) = brought {
            return Some(Arc::clone(token));
        }
        let (name, _) = parts.exchanged_cookie()?;
        self.sessions().get(cookie(head.headers, name).ok()??, parts.org_of(head).as_deref())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn found(values: &[&'static str]) -> Result<Option<String>, Code> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(COOKIE, HeaderValue::from_static(value));
        }
        let read = cookie(&headers, "sid").map(|value| value.map(str::to_owned));
        read.map_err(|rejection| rejection.code())
    }

    #[test]
    fn the_session_is_read_in_one_way_or_refused() {
        for values in [&["a=1; sid=s1; b=2"][..], &["sid=s1"], &["a=1", "sid=s1"], &[" sid = s1 "]] {
            assert_eq!(found(values), Ok(Some("s1".to_owned())), "{values:?}");
        }
        for values in [&[][..], &["a=1"], &["SID=s1"], &["xsid=s1"], &["sid="], &["sid"], &["a=sid=s1"]] {
            assert_eq!(found(values), Ok(None), "{values:?}");
        }
        for values in
            [&["sid=s1; sid=s1"][..], &["sid=s1", "sid=s2"], &["sid=; sid=s1"], &["sid=a b"], &["sid=\"a\""]]
        {
            assert_eq!(found(values), Err(Code::BadRequest), "{values:?}");
        }
    }

    #[test]
    fn a_token_is_kept_for_its_very_cookie() {
        let sessions = Sessions::new();
        sessions.insert(("s1", None), "t1".into(), Duration::from_secs(60));
        sessions.insert(("s2", None), "t2".into(), Duration::ZERO);
        assert_eq!(sessions.get("s1", None).as_deref(), Some("t1"));
        assert_eq!(sessions.get("s2", None), None);
        // As if two cookies had one hash.
        let entry =
            Entry { cookie: "s1".into(), org: None, token: "t1".into(), lifetime: Duration::from_secs(60) };
        sessions.entries.insert(sessions.hasher.hash_one(("s3", None::<&str>)), Arc::new(entry));
        assert_eq!(sessions.get("s3", None), None);
        // One session, two organizations: each has its own token.
        sessions.insert(("s1", Some("acme")), "a".into(), Duration::from_secs(60));
        assert_eq!(sessions.get("s1", Some("acme")).as_deref(), Some("a"));
        assert_eq!(sessions.get("s1", Some("globex")), None);
        assert_eq!(sessions.get("s1", None).as_deref(), Some("t1"));
        sessions.clear();
        assert_eq!(sessions.get("s1", None), None);
    }
}
