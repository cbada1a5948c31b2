//! The issuer of a developer's own machine, which no policy file names.

use std::path::Path;

use super::issuers::{self, Issuers};
use crate::{diagnostic::Diagnostics, document, file::KeyLocation};

/// Who vouches for development tokens. `.invalid` is nobody's (RFC 2606).
pub const ISSUER: &str = "https://dev.orgate.invalid";
/// For whom they are.
pub const AUDIENCE: &str = "orgate-dev";

/// Believes tokens of the development issuer by the key set `jwks`. Their claims are those of the companion issuer; names
/// that the profile brings elsewhere do not come with it, so that the policy says what it says without.
pub(super) fn add(read: &mut Issuers, jwks: &str) {
    let text = format!(
        "development: {{issuer: \"{ISSUER}\", audience: {AUDIENCE}, profile: orgate, algorithms: [ES256], \
         keys: {{jwks_uri: \"{ISSUER}/jwks.json\"}}}}"
    );
    // Its places are in no file of the policy, and there is nothing to find.
    let mut findings = Diagnostics::new();
    let Some(root) = document::read("development", text.as_bytes(), &mut findings) else { return };
    let brings_names = read.brings_names;
    for (key, node) in root.entries().unwrap_or_default() {
        if let Some((mut spec, _)) = issuers::issuer(key, node, Path::new(""), &|_| None, read, &mut findings)
        {
            spec.keys = KeyLocation::Known(jwks.to_owned());
            read.issuers.push(spec);
        }
    }
    read.brings_names = brings_names;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{compile, compile_for_development};

    const POLICY: &str = "version: 1
issuers: {main: {issuer: \"https://i.example\", audience: a}}
permissions: [docs:read]
rules:
  GET /docs: docs:read and claims.plan == \"pro\"
";

    #[test]
    fn it_stands_beside_the_issuers_of_the_file_and_changes_nothing_else() {
        let plain = compile("orgate.yaml", POLICY.as_bytes(), &|_| None).unwrap();
        let file = compile_for_development("orgate.yaml", POLICY.as_bytes(), &|_| None, "{}").unwrap();
        let names: Vec<&str> = file.issuers.iter().map(|issuer| issuer.trust.url().as_str()).collect();
        assert_eq!(names, ["https://i.example", ISSUER]);
        assert_eq!(file.issuers[1].keys, KeyLocation::Known("{}".to_owned()));
        assert_eq!(file.digest, plain.digest);
        assert_eq!(file.policy.permissions().collect::<Vec<_>>(), ["docs:read"]);
        assert_eq!(file.sources().count(), 1);
        // Claims that rules compare are read from its tokens, too.
        let claims = r#"{"sub": "u", "org_id": "o", "org_permissions": ["docs:read"], "plan": "pro"}"#;
        let principal = crate::caller::from_claims(&file, claims, Some(ISSUER), None).unwrap();
        assert_eq!(principal.claims().count(), 1);
    }

    #[test]
    fn findings_never_show_the_value_of_a_variable() {
        let env = |name: &str| (name == "WHERE").then(|| "http://hush-hush.example".to_owned());
        for place in [
            "issuer: \"${WHERE}\", audience: a",
            "issuer: \"https://i\", audience: a, keys: {jwks_uri: \"${WHERE}\"}",
        ] {
            let text = format!("version: 1\nissuers: {{main: {{{place}}}}}\nrules: {{GET /a: public}}\n");
            let findings = compile("orgate.yaml", text.as_bytes(), &env).unwrap_err();
            let told = findings.render(false);
            assert!(!told.contains("hush") && told.contains("${WHERE}"), "{told}");
        }
    }
}
