//! How a policy reads request targets: as [`RequestTarget::parse`] does, and where it says so, a little more.

use std::borrow::Cow;

use crate::{Found, Policy, RequestTarget, RuleId, TargetError, target::normalized};

impl Policy {
    /// Whether paths are brought into their one form, and go on so.
    #[must_use]
    pub fn normalizes(&self) -> bool {
        self.normalize
    }

    /// The one form of a path as this policy judges it; what was received, unless the policy says `normalize: true`. What
    /// is judged is what must be forwarded.
    ///
    /// # Errors
    /// [`TargetError`] if there is none.
    pub fn normalized<'r>(&self, path_and_query: &'r str) -> Result<Cow<'r, str>, TargetError> {
        if self.normalize { normalized(path_and_query) } else { Ok(Cow::Borrowed(path_and_query)) }
    }

    /// Reads a request target at a host, as [`RequestTarget::parse`] and [`RequestTarget::at_host`] do. Besides, `%2F` is
    /// accepted where the rule that wins says `allow_encoded_slash`, within what its final `**` stands for.
    ///
    /// # Errors
    /// [`TargetError`] if it could be read in two ways.
    #[inline]
    pub fn target<'r>(
        &self,
        method: &'r str,
        host: Option<&'r str>,
        path_and_query: &'r str,
    ) -> Result<RequestTarget<'r>, TargetError> {
        let target = RequestTarget::read(method, path_and_query, self.encoded_slashes)?.at_host(host)?;
        match target.encoded_slash() {
            None => Ok(target),
            Some(first) => self.settled(target, first),
        }
    }

    /// A target whose segment `first` holds an encoded slash, if that makes no difference.
    #[cold]
    fn settled<'r>(&self, target: RequestTarget<'r>, first: usize) -> Result<RequestTarget<'r>, TargetError> {
        // SECURITY: some applications decode a path before they look for a route. Whatever they then find must be what
        // this very rule speaks of, or `/files/admin%2Fx` would be a way around a rule for `/files/admin/**`.
        let split = target.split_at_slashes()?;
        let accepts = |found: Found<'_>| match found {
            Found::Rule(found) if found.rule.encoded_slash && first >= found.pattern().segments().len() => {
                Some(found.id())
            }
            _ => None,
        };
        let (sent, decoded): (Option<RuleId>, _) = (accepts(self.find(&target)), accepts(self.find(&split)));
        if sent.is_some() && sent == decoded { Ok(target) } else { Err(TargetError::EncodedSlash) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;
    use crate::{PathOptions, Place, PolicySpec, Requirement, RuleKey, RuleSpec};

    /// A rule for each key; those that end in `+` accept encoded slashes.
    fn policy(keys: &[&str], paths: PathOptions) -> Policy {
        let rules = keys.iter().map(|text| {
            let key = RuleKey::parse_with(text.trim_end_matches('+'), paths).unwrap();
            let mut rule = RuleSpec::new(key, Requirement::parse("public").unwrap(), Place::default());
            rule.encoded_slash = text.ends_with('+');
            rule
        });
        Policy::compile(PolicySpec { rules: rules.collect(), paths, ..PolicySpec::default() }).unwrap()
    }

    fn read(policy: &Policy, method: &str, path: &str) -> Result<Option<String>, TargetError> {
        let target = policy.target(method, None, path)?;
        Ok(match policy.find(&target) {
            Found::Rule(found) => Some(found.rule().to_owned()),
            _ => None,
        })
    }

    #[test]
    fn an_encoded_slash_is_read_where_the_rule_allows_it_and_nowhere_else() {
        use TargetError::{DotSegment, EmptySegment, EncodedSlash, HiddenCharacter, SpaceAtEnd, TooLong};
        let policy = policy(
            &[
                "GET /files/**+",
                "GET /files/admin/**",
                "GET /files/{id}/meta",
                "GET /other/**",
                "GET /other/{id}",
                "DELETE /files/admin/**",
                "DELETE /files/**+",
                "PUT /files/**+",
            ],
            PathOptions::default(),
        );
        let files = |method: &str| Ok(Some(format!("{method} /files/**")));
        for (request, expected) in [
            ("GET /files/a%2Fb", files("GET")),
            ("GET /files/a%2fb/c%2Fd", files("GET")),
            ("GET /files/a/b%2Fc?x=%2F", files("GET")),
            ("GET /files/a%2F", files("GET")),
            ("GET /files/a%20b%2Fc", files("GET")),
            ("PUT /files/admin%2Fx", files("PUT")),
            // Decoded it is the path of another rule.
            ("GET /files/admin%2Fx", Err(EncodedSlash)),
            ("DELETE /files/admin%2Fx", Err(EncodedSlash)),
            ("GET /files/a%2Fmeta", Err(EncodedSlash)),
            ("GET /files%2Fa", Err(EncodedSlash)),
            ("GET /other%2F..", Err(DotSegment)),
            // As sent it is the path of another rule, which would hold it in a parameter.
            ("GET /files/a%2Fb/meta", Err(EncodedSlash)),
            ("GET /files/admin/a%2Fb", Err(EncodedSlash)),
            ("GET /other/a%2Fb", Err(EncodedSlash)),
            ("GET /other/x/a%2Fb", Err(EncodedSlash)),
            ("GET /nothing/a%2Fb", Err(EncodedSlash)),
            ("POST /files/a%2Fb", Err(EncodedSlash)),
            // Decoded it could be read in two ways.
            ("GET /files/..%2Fadmin", Err(DotSegment)),
            ("GET /files/a%2F..%2Fadmin%2Fx", Err(DotSegment)),
            ("GET /files/a%2F.", Err(DotSegment)),
            ("GET /files/%2Fadmin", Err(EmptySegment)),
            ("GET /files/a%2F%2Fb", Err(EmptySegment)),
            ("GET /files/a%2F/b", Err(EmptySegment)),
            ("GET /files/a%20%2Fb", Err(SpaceAtEnd)),
            ("GET /files/a%252Fb", Err(HiddenCharacter)),
            ("GET /files/a%5Cb", Err(HiddenCharacter)),
            ("GET /files/a%2Fb%00", Err(HiddenCharacter)),
        ] {
            let (method, path) = request.split_once(' ').unwrap();
            assert_eq!(read(&policy, method, path), expected, "{request}");
        }
        let long = format!("/files{}", "/a%2Fb".repeat(16));
        assert_eq!(read(&policy, "GET", &long), Err(TooLong), "decoded it has 33 segments");
    }

    #[test]
    fn without_such_a_rule_nothing_is_read_otherwise() {
        let policy = policy(&["GET /files/**"], PathOptions::default());
        assert_eq!(read(&policy, "GET", "/files/a%2Fb"), Err(TargetError::HiddenCharacter));
        assert_eq!(read(&policy, "GET", "/files/a"), Ok(Some("GET /files/**".to_owned())));
    }

    #[test]
    fn where_slashes_at_the_end_count_a_decoded_one_does() {
        let paths = PathOptions { distinct_slash: true, ..PathOptions::default() };
        let policy = policy(&["GET /files/**+", "GET /files/a/"], paths);
        assert_eq!(read(&policy, "GET", "/files/a%2F"), Err(TargetError::EncodedSlash));
        assert_eq!(read(&policy, "GET", "/files/b%2F"), Ok(Some("GET /files/**".to_owned())));
    }

    proptest! {
        /// Whoever decodes the slashes, none or all of them, finds the rule that was found here; and no parameter of it
        /// holds one.
        #[test]
        fn no_reading_of_an_encoded_slash_leads_to_another_rule(
            keys in vec((vec(select(vec!["a", "b", "*", "{x}"]), 0..3), any::<bool>(), any::<bool>()), 1..6),
            path in vec((select(vec!["a", "b", "c"]), select(vec!["/", "%2F", "%2f"])), 1..5),
        ) {
            let keys: Vec<String> = keys
                .iter()
                .map(|(segments, rest, accepts)| {
                    let path: String = segments.iter().map(|segment| format!("/{segment}")).collect();
                    match (rest, accepts) {
                        (true, true) => format!("GET {path}/**+"),
                        (true, false) => format!("GET {path}/**"),
                        (false, _) => format!("GET {}", if path.is_empty() { "/" } else { &path }),
                    }
                })
                .collect();
            let rules = keys.iter().map(|text| {
                let key = RuleKey::parse(text.trim_end_matches('+')).ok()?;
                let mut rule = RuleSpec::new(key, Requirement::parse("public").unwrap(), Place::default());
                rule.encoded_slash = text.ends_with('+');
                Some(rule)
            });
            let Some(rules) = rules.collect::<Option<Vec<_>>>() else { return Ok(()) };
            let Ok(policy) = Policy::compile(PolicySpec { rules, ..PolicySpec::default() }) else { return Ok(()) };
            let sent: String = path.iter().map(|(segment, slash)| format!("{slash}{segment}")).collect();
            let sent = format!("/a{sent}");
            let decoded = sent.replace("%2F", "/").replace("%2f", "/");
            let Ok(target) = policy.target("GET", None, &sent) else { return Ok(()) };
            let plain = RequestTarget::parse("GET", &decoded).unwrap();
            let (Found::Rule(here), Found::Rule(there)) = (policy.find(&target), policy.find(&plain)) else {
                prop_assert!(!sent.contains('%'));
                return Ok(());
            };
            prop_assert_eq!(here.id(), there.id());
            prop_assert!(here.parameters().eq(there.parameters()));
            prop_assert!(here.parameters().all(|(_, value)| !value.contains('%')));
        }
    }
}
