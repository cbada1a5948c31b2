//! What a client can be: one judgement for the bootstrap file and for the operators' API.
//!
//! Both name its members alike, and so do the mistakes; the file has a place for each, the API a field. What needs the
//! database, an organization and its own roles, is for whoever asks.

use orgate_config::document::closest;

use super::{ClientKind, DEVICE_CODE, GRANTS, TOKEN_EXCHANGE, redirect_uri};
use crate::roles;

/// The short names that people may write beside the long ones.
const SHORT: [(&str, &str); 2] = [("token_exchange", TOKEN_EXCHANGE), ("device_code", DEVICE_CODE)];
const REDIRECT: &str = "such as `https://app.example.com/callback`, or `http://127.0.0.1:3000/callback`";

/// A client as somebody describes it; what is not said is absent or empty.
#[derive(Clone, Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) kind: ClientKind,
    pub(crate) redirect_uris: Vec<&'a str>,
    pub(crate) post_logout_redirect_uris: Vec<&'a str>,
    pub(crate) grants: Option<Vec<&'a str>>,
    pub(crate) require_pkce: Option<bool>,
    pub(crate) org: Option<&'a str>,
    pub(crate) role: Option<&'a str>,
    /// Whether `role` is one that the organization has made.
    pub(crate) role_is_own: bool,
    pub(crate) audiences: Vec<&'a str>,
    pub(crate) scopes: Vec<&'a str>,
    pub(crate) backchannel_logout_uri: Option<&'a str>,
}

/// What cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The member it is about, and which entry of it where that is a list.
    pub(crate) field: &'static str,
    pub(crate) entry: usize,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Mistake {
    fn of(field: &'static str, entry: usize, message: impl Into<String>) -> Self {
        Self { field, entry, message: message.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl<'a> Draft<'a> {
    /// A client of which only the kind is said.
    pub(crate) fn new(kind: ClientKind) -> Self {
        Self {
            kind,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            grants: None,
            require_pkce: None,
            org: None,
            role: None,
            role_is_own: false,
            audiences: Vec::new(),
            scopes: Vec::new(),
            backchannel_logout_uri: None,
        }
    }

    /// The grants by their long names; those that are usual for the kind where none are said.
    pub(crate) fn grants(&self) -> Vec<String> {
        let usual: &[&str] = match self.kind {
            ClientKind::Machine => &["client_credentials"],
            ClientKind::Confidential | ClientKind::Public => &["authorization_code", "refresh_token"],
        };
        let grants = self.grants.as_deref().unwrap_or(usual);
        grants.iter().map(|grant| long(grant).to_owned()).collect()
    }

    /// Everything that cannot be.
    pub(crate) fn mistakes(&self) -> Vec<Mistake> {
        let mut found = Vec::new();
        if self.kind == ClientKind::Public && self.require_pkce == Some(false) {
            found.push(Mistake::of("require_pkce", 0, "a public client always needs a proof key"));
        }
        if self.kind == ClientKind::Machine && !self.redirect_uris.is_empty() {
            let message = "nobody signs in to a machine, so it has no redirect URI";
            found.push(Mistake::of("redirect_uris", 0, message));
        }
        let grants = self.grants.iter().flatten().enumerate();
        found.extend(grants.filter_map(|(at, grant)| self.grant_mistake(at, grant)));
        found.extend(self.post_mistake());
        for (field, uris) in [
            ("redirect_uris", &self.redirect_uris),
            ("post_logout_redirect_uris", &self.post_logout_redirect_uris),
        ] {
            found
                .extend(uris.iter().enumerate().filter_map(|(at, uri)| redirect_uri_mistake(field, at, uri)));
        }
        for (field, what, words) in
            [("audiences", "an audience", &self.audiences), ("scopes", "a scope", &self.scopes)]
        {
            let unfit = words.iter().enumerate().filter(|(_, word)| !is_word(word));
            found
                .extend(unfit.map(|(at, word)| Mistake::of(field, at, format!("`{word}` cannot be {what}"))));
        }
        found.extend(self.logout_mistake());
        found
    }

    fn grant_mistake(&self, at: usize, grant: &str) -> Option<Mistake> {
        let long = long(grant);
        if !GRANTS.contains(&long) {
            let names = GRANTS.iter().copied().chain(SHORT.iter().map(|(short, _)| *short));
            let mistake = Mistake::of("grants", at, format!("there is no grant `{grant}`"));
            return Some(mistake.help(did_you_mean(grant, names)));
        }
        let fits = match self.kind {
            ClientKind::Machine => ["client_credentials", TOKEN_EXCHANGE].contains(&long),
            ClientKind::Public => long != "client_credentials",
            ClientKind::Confidential => true,
        };
        let message = || format!("a client of this kind cannot use `{grant}`");
        (!fits).then(|| Mistake::of("grants", at, message()))
    }

    /// The organization that a machine works in; whether there is one is not judged here.
    fn post_mistake(&self) -> Option<Mistake> {
        let role = match (self.org, self.role) {
            (None, None) => return None,
            (Some(_), Some(role)) => role,
            (Some(_), None) => return Some(Mistake::of("org", 0, "`org` and `role` belong together")),
            (None, Some(_)) => return Some(Mistake::of("role", 0, "`org` and `role` belong together")),
        };
        if self.kind == ClientKind::Public {
            let message = "only what can keep a secret acts for an organization by itself";
            return Some(Mistake::of("org", 0, message));
        }
        if role != roles::OWNER && (roles::exists(role) || self.role_is_own) {
            return None;
        }
        let names = roles::names().into_iter().filter(|name| *name != roles::OWNER);
        let mistake = Mistake::of("role", 0, format!("a machine cannot have the role `{role}`"));
        Some(mistake.help(did_you_mean(role, names)))
    }

    /// Where an application hears of a sign-out: https, or this machine.
    fn logout_mistake(&self) -> Option<Mistake> {
        let uri = self.backchannel_logout_uri?;
        if redirect_uri::check(uri).is_ok() && uri.starts_with("http") {
            return None;
        }
        let mistake = Mistake::of("backchannel_logout_uri", 0, format!("nothing can be sent to `{uri}`"));
        Some(mistake.help("such as `https://app.example.com/logout`"))
    }
}

/// What is wrong with a redirect URI, if anything is.
pub(crate) fn redirect_uri_mistake(field: &'static str, entry: usize, uri: &str) -> Option<Mistake> {
    let redirect_uri::Unfit(why) = redirect_uri::check(uri).err()?;
    Some(Mistake::of(field, entry, format!("the redirect URI `{uri}` {why}")).help(REDIRECT))
}

/// What was probably meant, or what there is.
pub(crate) fn did_you_mean<'c>(word: &str, candidates: impl Iterator<Item = &'c str> + Clone) -> String {
    match closest(word, candidates.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known: {}", candidates.take(12).collect::<Vec<_>>().join(", ")),
    }
}

fn long(grant: &str) -> &str {
    SHORT.iter().find(|(short, _)| *short == grant).map_or(grant, |(_, long)| long)
}

/// A name without spaces in it: RFC 6749 §3.3 for scopes; nothing else stands in an audience that people chose.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
}
