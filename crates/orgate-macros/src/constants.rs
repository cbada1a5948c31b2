//! From a policy file to the text of a module.

use std::{fmt::Write as _, path::Path};

use orgate_config::{LoadError, load};

pub(crate) const USAGE: &str =
    "name the policy file, from the folder of Cargo.toml: `orgate::permissions!(\"orgate.yaml\")`";

/// The text of a string literal as it stands in the source. Paths need no escapes, so there is no reading of them.
pub(crate) fn text_of(literal: &str) -> Result<String, String> {
    let raw = literal.strip_prefix('r').map(|rest| rest.trim_matches('#'));
    let text = raw.unwrap_or(literal).strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match text {
        Some(text) if raw.is_some() || !text.contains('\\') => Ok(text.to_owned()),
        Some(_) => Err(format!("write the path without escapes; {USAGE}")),
        None => Err(USAGE.to_owned()),
    }
}

/// The module for the policy file at `path` in `directory`.
pub(crate) fn module(directory: &Path, path: &str) -> Result<String, String> {
    let file = directory.join(path);
    // Only what issuers are called may depend on a variable, never a permission; see `stand_in`.
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let loaded = load(&file, &|name| stand_in(&text, name)).map_err(|error| told(&error))?;
    let policy = &loaded.policy;
    let mut constants = Vec::new();
    for permission in policy.permissions() {
        let name = constant(permission);
        if let Some((_, other)) = constants.iter().find(|(taken, _)| *taken == name) {
            return Err(format!(
                "the permissions `{other}` and `{permission}` would both be `perm::{name}`\n  = help: rename one of them in `{path}`"
            ));
        }
        constants.push((name, permission));
    }
    let mut module = format!(
        "#[doc = {:?}]\n#[allow(dead_code, unreachable_pub, reason = \"a policy may know more than the code uses\")]\n\
         pub mod perm {{\n",
        format!("The permissions of `{path}`."),
    );
    for (name, permission) in &constants {
        let doc = format!("The permission `{permission}`.");
        let _ = writeln!(module, "#[doc = {doc:?}]\npub const {name}: &str = {permission:?};");
    }
    // Read by the compiler too, so that a change of one of the files builds the package anew.
    for source in loaded.sources() {
        let _ = writeln!(module, "const _: &str = ::core::include_str!({:?});", source.display().to_string());
    }
    module.push_str("}\n");
    Ok(module)
}

fn told(error: &LoadError) -> String {
    format!("the policy is wrong or missing\n\n{}", error.render(false).trim_end())
}

/// The name of a permission in upper snake case.
fn constant(permission: &str) -> String {
    let mut name = String::with_capacity(permission.len() + 1);
    let mut after_lower = false;
    for c in permission.chars() {
        if name.is_empty() && c.is_ascii_digit() || after_lower && c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
        after_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    name
}

/// Something that an environment variable could hold where it stands: a URL where a value starts with it, part of one
/// elsewhere. Nothing where the file has a default.
fn stand_in(policy: &str, name: &str) -> Option<String> {
    let variable = format!("${{{name}");
    let mut uses = policy.match_indices(&variable).map(|(at, found)| {
        let (before, rest) = policy.split_at(at);
        (before, rest.strip_prefix(found).unwrap_or_default())
    });
    let (before, after) = uses.find(|(_, after)| after.starts_with('}') || after.starts_with(":-"))?;
    let starts = before.ends_with(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '[' | ','));
    let value = if starts { "https://unset.example" } else { "unset.example" };
    after.starts_with('}').then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_read_without_escapes() {
        assert_eq!(text_of("\"a/b.yaml\"").as_deref(), Ok("a/b.yaml"));
        assert_eq!(text_of("r\"a\\b.yaml\"").as_deref(), Ok("a\\b.yaml"));
        assert_eq!(text_of("r##\"a.yaml\"##").as_deref(), Ok("a.yaml"));
        for wrong in ["\"a\\n\"", "7", "b\"a\"", "'a'", "c\"a\""] {
            assert!(text_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_become_upper_snake_case() {
        for (permission, expected) in [
            ("write", "WRITE"),
            ("delete_org", "DELETE_ORG"),
            ("billing:read", "BILLING_READ"),
            ("api/v1.users-list", "API_V1_USERS_LIST"),
            ("readAll", "READ_ALL"),
            ("2fa", "_2FA"),
            ("HTTPAdmin", "HTTPADMIN"),
        ] {
            assert_eq!(constant(permission), expected);
        }
    }

    #[test]
    fn variables_get_what_fits_where_they_stand() {
        let policy = "a: ${URL}\nb: \"${URL2}\"\nc: https://${HOST}/x\nd: https://${HOST_A:-h}/x\n";
        for (name, expected) in [
            ("URL", Some("https://unset.example")),
            ("URL2", Some("https://unset.example")),
            ("HOST", Some("unset.example")),
            ("HOST_A", None),
            ("NONE", None),
        ] {
            assert_eq!(stand_in(policy, name).as_deref(), expected, "{name}");
        }
    }

    /// The module for `policy` in a folder of its own.
    fn module_of(test: &str, policy: &str) -> Result<String, String> {
        let folder = std::env::temp_dir().join(format!("orgate-macros-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("orgate.yaml"), policy).unwrap();
        let module = module(&folder, "orgate.yaml");
        std::fs::remove_dir_all(&folder).unwrap();
        module
    }

    const START: &str =
        "version: 1\nissuers: {a: {issuer: https://a.example, audience: b, profile: auth0}}\n";

    #[test]
    fn names_that_would_become_one_are_refused() {
        let told = module_of("one", &format!("{START}permissions: [a.b, a-b]\nrules: {{GET /: a.b}}\n"))
            .unwrap_err();
        assert!(told.contains("`a.b` and `a-b` would both be `perm::A_B`"), "{told}");
    }

    #[test]
    fn every_finding_of_a_wrong_file_is_told() {
        let told = module_of(
            "wrong",
            &format!("{START}permissions: [read]\nrules:\n  GET /: raed\n  GET /x: red\n"),
        )
        .unwrap_err();
        assert!(told.matches("did you mean `read`?").count() == 2 && told.contains(":5:10"), "{told}");
    }

    #[test]
    fn a_missing_file_is_told_with_its_path() {
        let told = module(Path::new("no-such-folder"), "orgate.yaml").unwrap_err();
        assert!(told.contains("cannot read `no-such-folder/orgate.yaml`"), "{told}");
    }
}
