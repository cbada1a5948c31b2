//! The parameters of a request to an endpoint of OAuth: a form (RFC 6749 §3.2) or JSON with the same names.
//!
//! Each name comes at most once; only `resource` and `audience` may come several times (RFC 8707 §2, RFC 8693 §2.1).

use axum::{
    body::Bytes,
    extract::rejection::BytesRejection,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use super::TokenError;
use crate::http::body::{MAX_FIELDS, Object, media_type};

/// Every parameter that some endpoint knows; JSON gives them as texts.
const KNOWN: [&str; 27] = [
    "grant_type",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "scope",
    "client_id",
    "client_secret",
    "org_id",
    "organization_id",
    "organization",
    "resource",
    "audience",
    "subject_token",
    "subject_token_type",
    "actor_token",
    "actor_token_type",
    "requested_token_type",
    "device_code",
    "token",
    "token_type_hint",
    "response_type",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "login_hint",
];

/// What may come several times.
const REPEATED: [&str; 2] = ["resource", "audience"];

/// How many times.
const MOST_REPEATED: usize = 8;

/// The parameters of a request. Unknown ones are kept and never looked at (RFC 6749 §3.2).
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a body that came or did not.
    pub(crate) fn of_body(
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<Self, TokenError> {
        Self::read(headers, &body?)
    }

    /// Reads a form; nothing else will do.
    pub(crate) fn of_form_body(
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<Self, TokenError> {
        let body = body?;
        match media_type(headers).as_deref() {
            Some("application/x-www-form-urlencoded") => Self::of_form(&body),
            _ => Err(TokenError::InvalidRequest("the body must be a form")),
        }
    }

    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, TokenError> {
        match media_type(headers).as_deref() {
            Some("application/x-www-form-urlencoded") => Self::of_form(body),
            Some("application/json") => Self::of_json(body),
            _ => Err(TokenError::InvalidRequest("the body must be a form or JSON")),
        }
    }

    /// Reads a form or a query.
    pub(crate) fn of_form(text: &[u8]) -> Result<Self, TokenError> {
        const TWICE: TokenError =
            TokenError::InvalidRequest("a parameter appears twice, or there are too many");
        let mut fields = Self(Vec::new());
        for (name, value) in form_urlencoded::parse(text) {
            let before = fields.all(&name).count();
            let most = if REPEATED.contains(&&*name) { MOST_REPEATED } else { 1 };
            if fields.0.len() == MAX_FIELDS || before >= most {
                return Err(TWICE);
            }
            fields.0.push((name.into_owned(), value.into_owned()));
        }
        Ok(fields)
    }

    fn of_json(body: &[u8]) -> Result<Self, TokenError> {
        const NO_TEXT: TokenError = TokenError::InvalidRequest("a parameter is not a text");
        let object = Object::parse(body).map_err(|_| {
            TokenError::InvalidRequest(
                "the body is not one JSON object with each name once and at most 64 names",
            )
        })?;
        let mut fields = Vec::new();
        for (name, value) in object.into_members() {
            match value {
                Value::String(text) => fields.push((name, text)),
                Value::Null => {}
                Value::Array(values)
                    if REPEATED.contains(&name.as_str()) && values.len() <= MOST_REPEATED =>
                {
                    for value in values {
                        let Value::String(text) = value else { return Err(NO_TEXT) };
                        fields.push((name.clone(), text));
                    }
                }
                _ if !KNOWN.contains(&name.as_str()) => {}
                _ => return Err(NO_TEXT),
            }
        }
        Ok(Self(fields))
    }

    /// The parameters as a query, without the secret of the client.
    pub(crate) fn to_query(&self) -> String {
        let kept = self.0.iter().filter(|(name, _)| name != "client_secret");
        form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish()
    }

    /// A parameter as it came.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter; "Parameters sent without a value MUST be treated as if they were omitted" (RFC 6749 §3.2).
    pub(crate) fn take(&self, name: &str) -> Option<String> {
        self.get(name).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// A parameter that must be there.
    pub(crate) fn required(&self, name: &str, missing: &'static str) -> Result<String, TokenError> {
        self.take(name).ok_or(TokenError::InvalidRequest(missing))
    }

    /// All values of a parameter that may be repeated.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whom the token is for: `resource` and `audience` are two names of the same thing here.
    pub(crate) fn resources(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for value in REPEATED.into_iter().flat_map(|name| self.all(name)).filter(|value| !value.is_empty()) {
            if !found.iter().any(|known| known == value) {
                found.push(value.to_owned());
            }
        }
        found
    }

    /// `org_id` under whichever name clients know it by; here an empty value means something: no organization. The scope
    /// `org:<id>` says the same.
    pub(crate) fn organization(&self) -> Result<Option<String>, TokenError> {
        let scoped = self.get("scope").into_iter().flat_map(|scope| scope.split(' '));
        let scoped = scoped.filter_map(|word| word.strip_prefix("org:")).filter(|org| !org.is_empty());
        let mut named = ["org_id", "organization_id", "organization"]
            .into_iter()
            .filter_map(|name| self.get(name))
            .chain(scoped);
        let org = named.next();
        if named.any(|other| Some(other) != org) {
            return Err(TokenError::InvalidRequest("the request names two organizations"));
        }
        Ok(org.map(str::to_owned))
    }
}

/// An answer in JSON that nobody may keep.
pub(crate) fn no_store(body: Value) -> Response {
    let mut response = axum::Json(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
