//! Which tokens of an issuer are access tokens.
//!
//! An issuer signs other tokens with the same keys, for the same people and sometimes for the same audience: ID tokens
//! above all. They are told apart by the `typ` of the header (RFC 9068 §2.1, RFC 8725 §3.11), by claims that only an ID
//! token has (OpenID Connect Core §2, §3.1.3.6), and by what an issuer is known to write into access tokens only.

use crate::{
    VerifyError,
    VerifyErrorKind::WrongType,
    json::{Map, Value},
};

/// The values of the header's `typ` that access tokens may have: `at+jwt`, `JWT`, and none at all.
///
/// A `token_use` other than `access` is refused whatever the `typ`. Unless that is `at+jwt` alone, so is what marks ID tokens:
/// `nonce`, `at_hash` and `c_hash`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenTypes {
    access_token: bool,
    jwt: bool,
    absent: bool,
}

impl TokenTypes {
    /// `at+jwt` (RFC 9068 §2.1).
    pub const ACCESS_TOKEN: Self = Self { access_token: true, jwt: false, absent: false };
    /// `JWT` (RFC 7519 §5.1).
    pub const JWT: Self = Self { access_token: false, jwt: true, absent: false };
    /// No `typ`.
    pub const ABSENT: Self = Self { access_token: false, jwt: false, absent: true };
    /// All of them, as most issuers need.
    pub const ALL: Self = Self { access_token: true, jwt: true, absent: true };

    /// These, and those.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            access_token: self.access_token || other.access_token,
            jwt: self.jwt || other.jwt,
            absent: self.absent || other.absent,
        }
    }

    /// Judges the `typ` of a header, and what `claims`, which are not proven, say of the kind of their token.
    pub(crate) fn check(self, typ: Option<&str>, claims: &Map<'_>) -> Result<(), VerifyError> {
        let is = |short: &str, name: &str| short.eq_ignore_ascii_case(name);
        let fits = match typ.map(without_application) {
            None => self.absent,
            Some(short) => (self.access_token && is(short, "at+jwt")) || (self.jwt && is(short, "jwt")),
        };
        if let (false, Some(kind)) = (fits, typ.and_then(kind_by_typ)) {
            return Err(VerifyError::new(
                WrongType,
                format!("the `typ` of the token says that it is {kind}"),
            ));
        }
        if fits && self == Self::ACCESS_TOKEN {
            return check_use(claims, &["access"]);
        }
        // A token that does not fit is no access token anyway; what else it is helps whoever sent it.
        check_marks(claims, &["access"])?;
        if fits {
            return Ok(());
        }
        Err(VerifyError::new(WrongType, format!("the `typ` of the token is not {self}")))
    }
}

/// Refuses what only tokens have that are no access tokens; `access` is what `token_use` says of those.
pub(crate) fn check_marks(claims: &Map<'_>, access: &[&str]) -> Result<(), VerifyError> {
    check_use(claims, access)?;
    match ["nonce", "at_hash", "c_hash"].into_iter().find(|&name| claims.contains_key(name)) {
        Some(name) => Err(VerifyError::new(WrongType, format!("the token has `{name}`: it is an id token"))),
        None => Ok(()),
    }
}

/// A token that says itself what it is for is not for anything else.
fn check_use(claims: &Map<'_>, access: &[&str]) -> Result<(), VerifyError> {
    if let Some(usage) = claims.get("token_use") {
        let kind = match usage.as_text() {
            Some(usage) if access.contains(&usage) => None,
            Some("id") => Some("an id token"),
            Some("session") => Some("a session token"),
            Some("refresh") => Some("a refresh token"),
            _ => return Err(VerifyError::new(WrongType, "the `token_use` of the token is not `access`")),
        };
        if let Some(kind) = kind {
            let detail = format!("the `token_use` of the token says that it is {kind}");
            return Err(VerifyError::new(WrongType, detail));
        }
    }
    Ok(())
}

/// What a token is by a `typ` that other specifications gave it, in any case and with or without `application/`.
fn kind_by_typ(typ: &str) -> Option<&'static str> {
    let kinds = [
        ("id_token+jwt", "an id token"),
        ("id+jwt", "an id token"),
        ("session+jwt", "a session token"),
        ("rt+jwt", "a refresh token"),
        ("refresh+jwt", "a refresh token"),
        ("logout+jwt", "a logout token"),
        ("secevent+jwt", "a security event"),
        ("dpop+jwt", "a proof of possession"),
        ("oauth-authz-req+jwt", "an authorization request"),
        ("client-authentication+jwt", "the assertion of a client"),
        ("entity-statement+jwt", "a statement of a federation"),
        ("token-introspection+jwt", "the answer of an introspection"),
    ];
    let short = without_application(typ);
    kinds.into_iter().find_map(|(name, kind)| name.eq_ignore_ascii_case(short).then_some(kind))
}

/// A media type without its `application/` (RFC 7515 §4.1.9); in any case.
fn without_application(typ: &str) -> &str {
    match typ.get(..12) {
        Some(prefix) if prefix.eq_ignore_ascii_case("application/") => typ.get(12..).unwrap_or_default(),
        _ => typ,
    }
}

impl std::fmt::Display for TokenTypes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = [(self.access_token, "`at+jwt`"), (self.jwt, "`JWT`"), (self.absent, "absent")];
        let names: Vec<&str> = named.into_iter().filter_map(|(is, name)| is.then_some(name)).collect();
        f.write_str(&names.join(" or "))
    }
}

impl std::fmt::Debug for TokenTypes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenTypes({self})")
    }
}

/// What an issuer writes into every access token and into no other token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Telltale {
    /// The claim is one of these texts.
    Says(&'static str, &'static [&'static str]),
    /// The claim, where there is one, is one of these texts.
    SaysNothingElse(&'static str, &'static [&'static str]),
    /// One of these claims is there.
    HasOneOf(&'static [&'static str]),
}

impl Telltale {
    /// Refuses what does not show it. The claims are not proven.
    pub(crate) fn check(self, claims: &Map<'_>) -> Result<(), VerifyError> {
        let present = |name: &str| claims.get(name).filter(|value| **value != Value::Null);
        match self {
            Self::SaysNothingElse(claim, _) if present(claim).is_none() => Ok(()),
            Self::Says(claim, texts) | Self::SaysNothingElse(claim, texts) => {
                match present(claim).map(Value::as_text) {
                    Some(Some(text)) if texts.contains(&text) => Ok(()),
                    Some(_) => Err(VerifyError::new(
                        WrongType,
                        format!("the `{claim}` of the token is not {}", any(texts)),
                    )),
                    None => Err(VerifyError::new(
                        WrongType,
                        format!("the token has no `{claim}`, as access tokens of its issuer have"),
                    )),
                }
            }
            Self::HasOneOf(names) if names.iter().any(|name| present(name).is_some()) => Ok(()),
            Self::HasOneOf(names) => Err(VerifyError::new(
                WrongType,
                format!("the token has no {}, as access tokens of its issuer have", any(names)),
            )),
        }
    }
}

fn any(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse_object;

    #[test]
    fn exactly_the_types_of_the_set_are_accepted() {
        let (access, jwt, absent) = (TokenTypes::ACCESS_TOKEN, TokenTypes::JWT, TokenTypes::ABSENT);
        for (types, accepted) in [
            (access, &["at+jwt"][..]),
            (jwt, &["JWT"]),
            (absent, &[""]),
            (access.or(jwt), &["at+jwt", "JWT"]),
            (access.or(absent), &["at+jwt", ""]),
            (jwt.or(absent), &["JWT", ""]),
            (TokenTypes::ALL, &["at+jwt", "JWT", ""]),
        ] {
            for typ in ["at+jwt", "JWT", "", "id+jwt", "logout+jwt", "dpop+jwt", "at+jwt ", "text/at+jwt"] {
                let claims = parse_object(b"{}").unwrap();
                let result = types.check((!typ.is_empty()).then_some(typ), &claims);
                assert_eq!(result.is_ok(), accepted.contains(&typ), "{types:?} and {typ:?}");
                if let Err(error) = result {
                    assert_eq!(error.kind(), WrongType);
                }
            }
        }
        for typ in ["AT+JWT", "application/at+jwt", "Application/AT+JWT"] {
            assert!(access.check(Some(typ), &parse_object(b"{}").unwrap()).is_ok(), "{typ}");
        }
    }

    #[test]
    fn every_set_but_the_strict_one_looks_for_the_marks_of_id_tokens() {
        for claims in [r#"{"nonce":"n"}"#, r#"{"at_hash":1}"#, r#"{"c_hash":null}"#] {
            let claims = parse_object(claims.as_bytes()).unwrap();
            for (types, typ) in [
                (TokenTypes::JWT, Some("JWT")),
                (TokenTypes::ABSENT, None),
                (TokenTypes::ACCESS_TOKEN.or(TokenTypes::JWT), Some("at+jwt")),
            ] {
                assert_eq!(types.check(typ, &claims).unwrap_err().kind(), WrongType);
            }
            assert!(TokenTypes::ACCESS_TOKEN.check(Some("at+jwt"), &claims).is_ok());
        }
    }

    #[test]
    fn tokens_of_other_kinds_are_refused_by_their_name() {
        let says = |types: TokenTypes, typ: Option<&str>, claims: &str| {
            let claims = parse_object(claims.as_bytes()).unwrap();
            types.check(typ, &claims).unwrap_err().to_string()
        };
        let (strict, all) = (TokenTypes::ACCESS_TOKEN, TokenTypes::ALL);
        for types in [strict, all] {
            for (typ, kind) in [
                ("id+jwt", "an id token"),
                ("application/SESSION+jwt", "a session token"),
                ("refresh+jwt", "a refresh token"),
                ("Logout+JWT", "a logout token"),
                ("dpop+jwt", "a proof of possession"),
            ] {
                let expected = format!("the `typ` of the token says that it is {kind}");
                assert_eq!(says(types, Some(typ), "{}"), expected);
            }
            for (usage, kind) in [("id", "an id token"), ("session", "a session token")] {
                let claims = format!(r#"{{"token_use":"{usage}"}}"#);
                let expected = format!("the `token_use` of the token says that it is {kind}");
                assert_eq!(says(types, Some("JWT"), &claims), expected);
            }
            assert_eq!(
                says(types, Some("JWT"), r#"{"nonce":"n"}"#),
                "the token has `nonce`: it is an id token"
            );
        }
        assert_eq!(says(strict, Some("JWT"), "{}"), "the `typ` of the token is not `at+jwt`");
        assert_eq!(
            says(all, Some("JOSE"), "{}"),
            "the `typ` of the token is not `at+jwt` or `JWT` or absent"
        );
        assert_eq!(
            says(all, None, r#"{"token_use":["access"]}"#),
            "the `token_use` of the token is not `access`"
        );
    }

    #[test]
    fn a_telltale_must_show() {
        let says = Telltale::Says("token_use", &["access"]);
        let status = Telltale::SaysNothingElse("sts", &["active"]);
        let has = Telltale::HasOneOf(&["azp", "appid"]);
        for (telltale, claims, shows) in [
            (says, r#"{"token_use":"access"}"#, true),
            (says, r#"{"token_use":"id"}"#, false),
            (says, r#"{"token_use":["access"]}"#, false),
            (says, r#"{"token_use":null}"#, false),
            (says, "{}", false),
            (status, r#"{"sts":"active"}"#, true),
            (status, r#"{"sts":"pending"}"#, false),
            (status, r#"{"sts":true}"#, false),
            (status, "{}", true),
            (has, r#"{"azp":"a"}"#, true),
            (has, r#"{"appid":"a"}"#, true),
            (has, r#"{"azp":null}"#, false),
            (has, "{}", false),
        ] {
            let result = telltale.check(&parse_object(claims.as_bytes()).unwrap());
            assert_eq!(result.is_ok(), shows, "{telltale:?} in {claims}");
        }
    }
}
