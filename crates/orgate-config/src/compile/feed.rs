//! The change feed of an issuer: `feed:`, and beside it what holds when it cannot be read, `max_stale:` and `on_stale:`.

use std::{path::Path, time::Duration};

use orgate_claims::IssuerUrl;

use super::{
    address,
    profiles::Profile,
    secrets::{self, SecretSource},
};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{self, Key, MapReader, Node, Spanned},
    file::KeyLocation,
};

/// The change feed of an issuer (`docs/revocation.md`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeedSpec {
    /// Where the project key is by which it is read.
    pub key: SecretSource,
    /// How old what is known may become.
    pub max_stale: Duration,
    /// What then becomes of tokens.
    pub on_stale: OnStale,
}

/// What becomes of the tokens of an issuer whose change feed cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStale {
    /// They are believed until they end.
    #[default]
    Ttl,
    /// They are refused.
    Deny,
}

impl OnStale {
    /// The word for it in a policy file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ttl => "ttl",
            Self::Deny => "deny",
        }
    }
}

/// How old what is known may become, if nothing is said.
pub(super) const MAX_STALE: Duration = Duration::from_secs(30);
const CHOICES: [(&str, OnStale); 2] = [("ttl", OnStale::Ttl), ("deny", OnStale::Deny)];

/// What is written of it.
pub(super) struct Written<'n> {
    feed: Option<&'n Node>,
    max_stale: Option<Spanned<Duration>>,
    on_stale: Option<Spanned<OnStale>>,
}

impl<'n> Written<'n> {
    pub(super) fn of(map: &mut MapReader<'n, '_>) -> Self {
        Self {
            feed: map.optional("feed").node(),
            // The server says something each second.
            max_stale: map.optional("max_stale").duration(2..=3600),
            on_stale: map.optional("on_stale").one_of(&CHOICES),
        }
    }

    /// What is to be read; `None` if nothing is, or something is wrong.
    pub(super) fn read(
        self,
        (key, profile, keys): (&Key, Option<&Profile>, Option<&KeyLocation>),
        (url, path, directory): (Option<&Spanned<IssuerUrl>>, &str, &Path),
        diagnostics: &mut Diagnostics,
    ) -> Option<FeedSpec> {
        let path = format!("{path}.feed");
        let node = match self.feed {
            Some(node) if node.text() != Some("off") => node,
            written => {
                for span in
                    [self.max_stale.map(|d| d.span), self.on_stale.map(|o| o.span)].into_iter().flatten()
                {
                    let message = format!("`{path}` is off, so nothing can become stale");
                    let finding = Diagnostic::error(codes::BAD_VALUE, message).at(span);
                    diagnostics.push(finding.help("write `feed: {key: {env: NAME}}`, or leave it away"));
                }
                // Whoever is given keys by hand, or asks about every token, need not reach the issuer, or knows.
                let is_reached = matches!(keys, Some(KeyLocation::Discover | KeyLocation::JwksUri(_)));
                let has_feed = profile.is_some_and(|profile| profile.name == "orgate");
                if written.is_none() && is_reached && has_feed {
                    diagnostics.push(unread(key));
                }
                return None;
            }
        };
        if node.entries().is_none() {
            document::wrong_kind(node, &path, "`{key: {env: NAME}}` or `off`", diagnostics);
            return None;
        }
        let mut map = MapReader::new(node, &path, diagnostics)?;
        let secret = map.required("key").node();
        map.finish();
        let secret = secrets::source(secret?, &format!("{path}.key"), directory, diagnostics)?;
        if let Some(url) = url.filter(|url| address::check(url.value.as_str()).is_err()) {
            let message = format!("`{path}`: `{}` is no address where a feed could be read", url.value);
            let finding = Diagnostic::error(codes::BAD_VALUE, message).at(node.span);
            diagnostics.push(finding.help("leave it away: this issuer has no change feed"));
            return None;
        }
        Some(FeedSpec {
            key: secret,
            max_stale: self.max_stale.map_or(MAX_STALE, |limit| limit.value),
            on_stale: self.on_stale.map_or(OnStale::Ttl, |choice| choice.value),
        })
    }
}

/// The issuer has a feed, and nobody reads it.
fn unread(key: &Key) -> Diagnostic {
    let message = format!(
        "the change feed of `{}` is not read: whoever is removed keeps their rights until their token ends, 5 minutes by default",
        key.text
    );
    Diagnostic::warning(codes::FEED_UNREAD, message).at(key.span).help(
        "write `feed: {key: {env: NAME}}` with a project key of the scope `feed` (then it is a second), or `feed: off`",
    )
}
