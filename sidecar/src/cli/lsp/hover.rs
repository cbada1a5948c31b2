//! What is told of a rule or a name under the cursor: who gets in.

use orgate_claims::UnixTime;
use orgate_config::PolicyFile;
use orgate_policy::{Access, Cell, Facts, Found, Pattern, RequestTarget, RuleKey};

use super::complete::holders;

/// A rule, in Markdown.
pub(super) fn rule(file: &PolicyFile, key: &str) -> Option<String> {
    let roles: Vec<&str> = file.policy.table_roles().collect();
    let matrix = file.policy.matrix(&roles);
    let row = matrix.rows.iter().find(|row| row.rule == key)?;
    let mut text = format!("**{}** requires `{}`\n\n", code(key), row.requirement.replace('`', "'"));
    if let Some(meaning) = meaning(row.requirement) {
        text.push_str(&format!("{meaning}.\n\n"));
    }
    let mut lines = Vec::new();
    for (cell, words) in
        [(Cell::Yes, "get in"), (Cell::Own, "get in, in their own organization"), (Cell::No, "do not get in")]
    {
        let of_cell = matrix.roles.iter().zip(&row.cells).filter(|(_, own)| **own == cell);
        let names: Vec<String> = of_cell.map(|(role, _)| code(role)).collect();
        if !names.is_empty() {
            lines.push(format!("- {}: {words}", names.join(", ")));
        }
    }
    lines.extend(bindings(file, key));
    text.push_str(&lines.join("\n"));
    Some(text)
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'"))
}

/// Requirements that are one word are explained.
fn meaning(requirement: &str) -> Option<&'static str> {
    match requirement {
        "public" => Some("Anybody; credentials are not looked at"),
        "optional" => Some("Anybody; a token that is sent must be valid"),
        "authenticated" => Some("Whoever has a valid token"),
        "org" => Some("Whoever has a valid token with an active organization"),
        "deny" => Some("Nobody"),
        _ => None,
    }
}

/// What the parameters of a rule must equal, found by asking about a request that it wins.
fn bindings(file: &PolicyFile, key: &str) -> Vec<String> {
    let Ok(parsed) = RuleKey::parse_with(key, file.policy.paths()) else { return Vec::new() };
    let (path, method) = (witness(parsed.pattern()), method(key));
    let Ok(target) = RequestTarget::parse(&method, &path) else { return Vec::new() };
    let Found::Rule(found) = file.policy.find(&target) else { return Vec::new() };
    if found.rule() != key || matches!(found.access(), Access::Public | Access::Nobody) {
        return Vec::new();
    }
    let explanation = found.explain(None, &Facts::at(UnixTime::from_seconds(0)));
    let bound = explanation.bindings.iter().map(|binding| {
        let targets: Vec<String> =
            binding.targets.iter().map(|(target, _)| code(&target.to_string())).collect();
        format!("- `{{{}}}` must be the caller's {}", binding.parameter, targets.join(" or "))
    });
    bound.collect()
}

/// A path that the pattern has; its parameters are words that no literal is likely to be.
fn witness(pattern: &Pattern) -> String {
    let text = pattern.to_string();
    let segments = text.split('/').filter(|segment| !segment.is_empty() && *segment != "**");
    let filled = segments.map(|segment| if segment.starts_with(['{', '*']) { "zz-any" } else { segment });
    let slash = if text.len() > 1 && text.ends_with('/') { "/" } else { "" };
    format!("/{}{slash}", filled.collect::<Vec<_>>().join("/"))
}

fn method(key: &str) -> String {
    let first = key.split([' ', '|']).next().unwrap_or_default();
    if first == "ANY" { "X-ANY".to_owned() } else { first.to_owned() }
}

/// A permission or a role, in Markdown.
pub(super) fn name(file: &PolicyFile, name: &str, description: Option<&str>) -> Option<String> {
    if file.policy.permissions().any(|known| known == name) {
        let described = description.map(|text| format!("{text}\n\n")).unwrap_or_default();
        return Some(format!("permission {}\n\n{described}{}", code(name), holders(file, name)));
    }
    if file.policy.roles().any(|known| known == name) {
        let held: Vec<String> = file.policy.table_permissions([name]).into_iter().map(code).collect();
        let held = if held.is_empty() { "nothing that the policy says".to_owned() } else { held.join(", ") };
        return Some(format!("role {}\n\nholds {held}", code(name)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> PolicyFile {
        let text = "version: 1\nissuers:\n  main: {issuer: \"https://i.example\", audience: a, profile: orgate}\nrules:\n  GET /h: public\n  DELETE|PUT /orgs/{org_id}/x/**: delete_org\n  ANY /y: deny\n  GET /u/{id}: {require: write}\n";
        orgate_config::compile("orgate.yaml", text.as_bytes(), &|_| None).unwrap()
    }

    #[test]
    fn a_rule_says_who_gets_in() {
        assert_eq!(
            rule(&file(), "DELETE|PUT /orgs/{org_id}/x/**").unwrap(),
            "**`DELETE|PUT /orgs/{org_id}/x/**`** requires `delete_org`\n\n- `owner`: get in, in their own organization\n- `anonymous`, `viewer`, `member`, `admin`: do not get in\n- `{org_id}` must be the caller's `org.id`"
        );
        let public = rule(&file(), "GET /h").unwrap();
        assert!(
            public.contains("Anybody; credentials are not looked at.")
                && public.contains("`anonymous`, `viewer`"),
            "{public}"
        );
        assert!(rule(&file(), "ANY /y").unwrap().contains("Nobody"));
        assert!(!rule(&file(), "GET /u/{id}").unwrap().contains("must be"));
        assert_eq!(rule(&file(), "GET /none"), None);
    }

    #[test]
    fn a_name_says_who_holds_it_and_what_it_holds() {
        let file = file();
        assert_eq!(
            name(&file, "write", Some("To write")).unwrap(),
            "permission `write`\n\nTo write\n\nheld by member, admin, owner"
        );
        assert_eq!(name(&file, "member", None).unwrap(), "role `member`\n\nholds `read`, `write`");
        assert_eq!(name(&file, "GET", None), None);
    }
}
