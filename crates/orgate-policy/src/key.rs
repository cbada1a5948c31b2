//! Rule keys: `GET|HEAD /orgs/{org_id}`, `GET admin.example.com/metrics`.

use std::fmt;

use crate::{HostPattern, PathOptions, Pattern, SyntaxError, closest};

/// Which requests a rule speaks of: a request line without the version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleKey {
    methods: Methods,
    host: Option<HostPattern>,
    pattern: Pattern,
    /// How the pattern was read.
    paths: PathOptions,
    text: Box<str>,
}

/// The methods of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Methods {
    /// `ANY`: every method that no other rule of the same path names.
    Any,
    /// These, in the order written.
    Named(Vec<MethodName>),
}

/// The name of a method: upper-case letters and `-`, case-sensitive (RFC 9110 §9.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MethodName(Box<str>);

impl MethodName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Methods of RFC 9110 §9.3 and RFC 5789, for suggestions.
const COMMON: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "ANY"];

impl RuleKey {
    /// Reads a key: methods joined by `|`, one space, a path pattern, before it perhaps a host.
    ///
    /// # Errors
    /// [`SyntaxError`] with the byte offset in `text`.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        Self::parse_with(text, PathOptions::default())
    }

    /// Reads a key of a policy with these options.
    ///
    /// # Errors
    /// [`SyntaxError`] with the byte offset in `text`.
    pub fn parse_with(text: &str, paths: PathOptions) -> Result<Self, SyntaxError> {
        let example = "write it as a request line: `GET /projects/{id}`";
        let Some((methods, path)) = text.split_once(' ') else {
            let error = if text.starts_with('/') {
                SyntaxError::new(0, text.len(), "the rule has no method")
                    .help(format!("write `GET {text}` or `ANY {text}`"))
            } else {
                SyntaxError::new(0, text.len(), "a rule's key is a method and a path").help(example)
            };
            return Err(error);
        };
        let at = methods.len() + 1;
        let trimmed = path.trim_start_matches(' ');
        let at = at + (path.len() - trimmed.len());
        let (host, path) = match trimmed.find('/') {
            None | Some(0) => ("", trimmed),
            Some(slash) => trimmed.split_at(slash),
        };
        let beyond = |at: usize| move |error: SyntaxError| SyntaxError { at: error.at + at, ..error };
        let pattern = Pattern::parse_with(path, paths).map_err(beyond(at + host.len()))?;
        let host = (!host.is_empty()).then(|| HostPattern::parse(host).map_err(beyond(at))).transpose()?;
        if let Some(name) = host.as_ref().and_then(HostPattern::parameter)
            && pattern.parameters().any(|(parameter, _)| parameter == name)
        {
            let message = format!("the parameter `{name}` stands in the host and in the path");
            return Err(SyntaxError::new(at, name.len() + 2, message));
        }
        Ok(Self { methods: parse_methods(methods)?, host, pattern, paths, text: text.into() })
    }

    /// The methods.
    #[must_use]
    pub fn methods(&self) -> &Methods {
        &self.methods
    }

    /// The hosts it speaks of; `None` for every request, also one without a host.
    #[must_use]
    pub fn host(&self) -> Option<&HostPattern> {
        self.host.as_ref()
    }

    /// The path pattern.
    #[must_use]
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// How the path pattern was read.
    #[must_use]
    pub fn read_by(&self) -> PathOptions {
        self.paths
    }

    /// Host and path, as they stand behind the method.
    pub(crate) fn paths(&self) -> String {
        self.paths_of(&self.pattern)
    }

    /// The same host with another path.
    pub(crate) fn paths_of(&self, pattern: &Pattern) -> String {
        self.host.as_ref().map_or_else(|| pattern.to_string(), |host| format!("{host}{pattern}"))
    }

    /// The key as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn parse_methods(text: &str) -> Result<Methods, SyntaxError> {
    let mut named: Vec<MethodName> = Vec::new();
    let mut at = 0;
    for part in text.split('|') {
        let error = |message: String| SyntaxError::new(at, part.len().max(1), message);
        if part == "ANY" {
            if text != "ANY" {
                return Err(error("`ANY` stands alone; it already covers the other methods".into()));
            }
            return Ok(Methods::Any);
        }
        if part == "TRACE" || part == "CONNECT" {
            return Err(error(format!("{part} is never served, so no rule can speak of it")));
        }
        if part.is_empty()
            || !part.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
            || part.len() > 32
        {
            let error = error(format!("`{part}` is no method: methods are upper-case letters"));
            return Err(match closest(&part.to_ascii_uppercase(), COMMON) {
                Some(method) => error.help(format!("did you mean `{method}`?")),
                None => error.help("name the methods, joined by `|`, or write `ANY`"),
            });
        }
        let name = MethodName(part.into());
        if named.contains(&name) {
            return Err(error(format!("{part} stands twice")));
        }
        if !COMMON.contains(&part)
            && let Some(meant) = closest(part, COMMON)
        {
            return Err(error(format!("`{part}` is no method that is in use"))
                .help(format!("did you mean `{meant}`?")));
        }
        named.push(name);
        at += part.len() + 1;
    }
    Ok(Methods::Named(named))
}

impl fmt::Display for RuleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_request_lines() {
        let key = RuleKey::parse("POST|PUT|PATCH /projects/**").unwrap();
        assert_eq!(key.pattern().to_string(), "/projects/**");
        let Methods::Named(names) = key.methods() else { panic!("named") };
        assert_eq!(names.iter().map(MethodName::as_str).collect::<Vec<_>>(), ["POST", "PUT", "PATCH"]);
        assert_eq!(RuleKey::parse("ANY /").unwrap().methods(), &Methods::Any);
        assert!(RuleKey::parse("PURGE /cache/**").is_ok());
        let key = RuleKey::parse("GET {tenant}.example.com/orgs/{id}").unwrap();
        assert_eq!(key.host().and_then(HostPattern::parameter), Some("tenant"));
        assert_eq!(key.pattern().to_string(), "/orgs/{id}");
        assert_eq!(RuleKey::parse("GET /a.example/x").unwrap().host(), None);
    }

    const LAST_SLASH: &str = "leave the last `/` away; a request with and without it is the same, unless `paths:` says \
                              `trailing_slash: distinct`";

    #[test]
    fn what_is_no_key_is_explained() {
        for (text, at, help) in [
            ("/healthz", 0, "write `GET /healthz` or `ANY /healthz`"),
            ("healthz", 0, "write it as a request line: `GET /projects/{id}`"),
            ("get /x", 0, "did you mean `GET`?"),
            ("GET|DELET /x", 4, "did you mean `DELETE`?"),
            (
                "GET admin.example.com:80/x",
                4,
                "write `admin.example.com`; requests are compared without their port",
            ),
            ("GET  *.Example.com/x", 7, "write `example.com`"),
            ("GET projects/{id}", 4, "write `/projects/…`; a host in a rule is `localhost` or has a dot"),
            ("GET a.example/x/", 15, LAST_SLASH),
            ("GET /x/", 6, LAST_SLASH),
        ] {
            let error = RuleKey::parse(text).unwrap_err();
            assert_eq!((error.at, error.help.as_deref()), (at, Some(help)), "{text}: {}", error.message);
        }
        for text in [
            "GET|ANY /x",
            "TRACE /x",
            "GET|GET /x",
            "| /x",
            "GET x",
            "GET a.example",
            "GET {a}.example/{a}",
            "GET {a}/x",
        ] {
            assert!(RuleKey::parse(text).is_err(), "{text}");
        }
    }
}
