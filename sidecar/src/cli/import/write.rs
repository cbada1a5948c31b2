//! The text of a policy.

use std::fmt::Write as _;

use orgate_policy::Requirement;

use super::{
    openapi::Api,
    rules::{BOUND, Rule, Rules, is_role},
};
use crate::cli::Failure;

/// A whole policy. `name` is the document it was made from.
pub(super) fn policy(name: &str, api: &Api, rules: &Rules) -> String {
    let mut text =
        format!("# From {}. Lines with `# decide:` need a person.\nversion: 1\n", name.replace('\n', " "));
    let needs_issuer = rules.rules.iter().any(|rule| !matches!(rule.requirement.as_str(), "public" | "deny"));
    if needs_issuer {
        let url = api.issuer.as_deref().filter(|url| url.starts_with("https://"));
        let comment = if url.is_some() { "the audience" } else { "who issues the tokens, and for whom" };
        let _ = write!(
            text,
            "issuers:\n  main: {{issuer: {}, audience: my-api}}    # decide: {comment}\n",
            quoted(url.unwrap_or("https://auth.example.com")),
        );
    }
    if !rules.permissions.is_empty() {
        text.push_str("permissions:\n");
        for permission in &rules.permissions {
            let about = api.scopes.iter().find(|(name, _)| name == permission).map(|(_, about)| about.trim());
            let about = about.filter(|about| !about.is_empty()).map_or("null".to_owned(), quoted);
            let _ = writeln!(text, "  {}: {about}", quoted(permission));
        }
    }
    if !rules.roles.is_empty() {
        text.push_str("roles:    # decide: what they grant\n");
        for role in rules.roles.iter().filter(|role| is_role(role)) {
            let _ = writeln!(text, "  {}: {{}}", quoted(role));
        }
    }
    text.push_str("rules:\n");
    lines(&rules.rules, 2, &mut text);
    text
}

/// A policy with further rules. `known` are the permissions that it declares.
pub(super) fn merged(name: &str, written: &str, known: &[&str], rules: &Rules) -> Result<String, Failure> {
    if rules.rules.is_empty() {
        return Ok(written.to_owned());
    }
    let lines_of = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let mut all = lines_of(written);
    let (at, indent) = end_of(&all, "rules").ok_or_else(|| {
        Failure::could_not_run("the rules of the policy are not a block of lines, so none can be added")
    })?;
    let mut more = format!("{}# From {}.\n", " ".repeat(indent), name.replace('\n', " "));
    lines(&rules.rules, indent, &mut more);
    all.splice(at..at, lines_of(&more));
    let missing: Vec<&String> =
        rules.permissions.iter().filter(|name| !known.contains(&name.as_str())).collect();
    if !missing.is_empty() {
        let line = |indent: usize| {
            let line = move |name: &&String| format!("{}{}: null", " ".repeat(indent), quoted(name));
            missing.iter().map(line).collect::<Vec<_>>()
        };
        let has = all.iter().any(|line| line.starts_with("permissions:"));
        match end_of(&all, "permissions") {
            Some((at, indent)) if !all.iter().take(at).any(|line| line.trim_start().starts_with("- ")) => {
                all.splice(at..at, line(indent));
            }
            _ if has => {
                let names: Vec<&str> = missing.iter().map(|name| name.as_str()).collect();
                return Err(Failure::could_not_run(format!(
                    "the permissions of the policy are not a block of lines\nhelp: declare these yourself: {}",
                    names.join(", ")
                )));
            }
            _ => {
                let rules = all.iter().position(|line| line.starts_with("rules:")).unwrap_or(all.len());
                let section = std::iter::once("permissions:".to_owned()).chain(line(2));
                all.splice(rules..rules, section.collect::<Vec<_>>());
            }
        }
    }
    Ok(all.join("\n") + "\n")
}

/// The line behind the last entry of a section that is written as a block, and how far its entries are indented.
fn end_of(lines: &[String], section: &str) -> Option<(usize, usize)> {
    let start = lines.iter().position(|line| {
        let rest = line.strip_prefix(section).and_then(|rest| rest.strip_prefix(':'));
        rest.is_some_and(|rest| rest.trim().is_empty() || rest.trim().starts_with('#'))
    })?;
    let inside = |line: &&String| line.trim().is_empty() || line.starts_with(' ') || line.starts_with('#');
    let body: Vec<&String> = lines.iter().skip(start + 1).take_while(inside).collect();
    let is_entry = |line: &&&String| line.starts_with(' ') && !line.trim_start().starts_with('#');
    let indent = body.iter().find(is_entry).map(|line| line.len() - line.trim_start().len())?;
    let last = body.iter().rposition(|line| line.starts_with(' ') && !line.trim().is_empty())?;
    Some((start + 1 + last + 1, indent))
}

fn lines(rules: &[Rule], indent: usize, text: &mut String) {
    for rule in rules {
        let key = quoted(&format!("{} {}", rule.methods.join("|"), rule.pattern));
        let bound: Vec<&str> =
            rule.pattern.parameters().map(|(name, _)| name).filter(|name| BOUND.contains(name)).collect();
        let requirement = quoted(&rule.requirement);
        let requirement = match Requirement::parse(&rule.requirement) {
            // Anybody may see every organization there; that has to be said.
            Ok(_) if rule.requirement == "public" && !bound.is_empty() => {
                format!("{{require: public, unbound: [{}]}}", bound.join(", "))
            }
            _ => requirement,
        };
        let comment = rule.comment.as_ref().map(|comment| format!("    # {}", comment.replace('\n', " ")));
        let indent = " ".repeat(indent);
        let _ = writeln!(text, "{indent}{key}: {requirement}{}", comment.unwrap_or_default());
    }
}

/// A text as YAML reads it: plain where that is safe.
fn quoted(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || " /{}*|_-.~(),:".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '(');
    let colon = text.contains(": ") || text.ends_with(':');
    let word = matches!(text.to_ascii_lowercase().as_str(), "null" | "true" | "false");
    if starts && !word && !colon && text.chars().all(safe) && !text.ends_with(' ') && !text.contains("  ") {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
