//! The changes as text, as Markdown and as annotations.

use orgate_config::diff::SettingChange;
use orgate_policy::{Change, ChangeKind, Counterexample};

use super::Shown;
use crate::cli::check::github;

/// One line of the answer.
struct Line {
    kind: String,
    route: String,
    who: String,
    what: String,
    place: String,
}

pub(super) fn text(shown: &Shown) -> String {
    let lines = lines(shown, &|text| text.to_owned());
    let width =
        |of: &dyn Fn(&Line) -> &str| lines.iter().map(|line| of(line).chars().count()).max().unwrap_or(0);
    let (kind, route, who) =
        (width(&|line| &line.kind), width(&|line| &line.route), width(&|line| &line.who));
    let what = width(&|line| &line.what);
    let mut text = String::new();
    for line in &lines {
        let Line { kind: a, route: b, who: c, what: d, place } = line;
        let row = format!("{a:kind$}  {b:route$}  {c:who$}  {d:what$}  {place}");
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text.push_str(&summary(shown));
    text.push('\n');
    text
}

pub(super) fn markdown(shown: &Shown) -> String {
    let code = |text: &str| format!("`{}`", text.replace('|', "\\|"));
    let mut text = String::from("### Who may do what\n\n");
    let lines = lines(shown, &code);
    if !lines.is_empty() {
        text.push_str("| | Route | Who | Requires | Rule |\n|---|---|---|---|---|\n");
    }
    for line in lines {
        let mark = match line.kind.as_str() {
            "PUBLIC" => "🔴",
            "TIGHTENED" => "🟢",
            _ => "🟠",
        };
        let Line { kind, route, who, what, place } = line;
        text.push_str(&format!("| {mark} {} | {route} | {who} | {what} | {place} |\n", kind.to_lowercase()));
    }
    if !text.ends_with("\n\n") {
        text.push('\n');
    }
    text.push_str(&summary(shown));
    text.push('\n');
    text
}

/// An annotation at the line of each rule that wins now; what counts for the exit code is an error.
pub(super) fn github(shown: &Shown) -> String {
    let plain = |text: &str| format!("`{text}`");
    let mut text = String::new();
    for change in &shown.changes {
        let line = line(shown, change, &plain);
        let command = match (shown.counts(change), change.kind) {
            (true, _) => "error",
            (false, ChangeKind::Tightened) => "notice",
            (false, _) => "warning",
        };
        let mut properties = Vec::new();
        if let (Some(place), _) = (change.new_place, ()) {
            properties.push(format!("file={}", github::property(shown.new.file_name(place))));
            properties.push(format!("line={}", place.line));
        }
        properties.push(format!("title={}", github::property(&format!("{} {}", line.kind, line.route))));
        let message = github::data(&format!("{}: {}", line.who, line.what));
        text.push_str(&format!("::{command} {}::{message}\n", properties.join(",")));
    }
    for change in &shown.issuers {
        let command = if shown.counts_issuer(change) { "error" } else { "warning" };
        let title = github::property(&format!("MAPPING issuer {}", change.issuer));
        let message = github::data(&step(&change.before, &change.after, &plain));
        text.push_str(&format!("::{command} title={title}::{message}\n"));
    }
    for change in &shown.settings {
        let command = if shown.counts_setting(change) { "error" } else { "warning" };
        let title = github::property(&format!("MAPPING {}", change.setting));
        let opens = if change.public { "opens to anonymous: " } else { "" };
        let message = github::data(&format!("{opens}{}", setting(change, &plain)));
        text.push_str(&format!("::{command} title={title}::{message}\n"));
    }
    text.push_str(&summary(shown));
    text.push('\n');
    text
}

fn setting(change: &SettingChange, code: &dyn Fn(&str) -> String) -> String {
    format!("{} -> {}", code(&change.before), code(&change.after))
}

fn lines(shown: &Shown, code: &dyn Fn(&str) -> String) -> Vec<Line> {
    let of_rules = shown.changes.iter().map(|change| line(shown, change, code));
    let of_issuers = shown.issuers.iter().map(|change| Line {
        kind: "MAPPING".to_owned(),
        route: format!("issuer {}", code(&change.issuer)),
        who: if change.widens { "may widen" } else { "narrows" }.to_owned(),
        what: step(&change.before, &change.after, code),
        place: String::new(),
    });
    let of_settings = shown.settings.iter().map(|change| Line {
        kind: "MAPPING".to_owned(),
        route: code(&change.setting),
        who: match (change.public, change.widens) {
            (true, _) => "opens to anonymous",
            (false, true) => "may widen",
            (false, false) => "narrows",
        }
        .to_owned(),
        what: setting(change, code),
        place: String::new(),
    });
    of_rules.chain(of_issuers).chain(of_settings).collect()
}

fn line(shown: &Shown, change: &Change, code: &dyn Fn(&str) -> String) -> Line {
    let verb = match change.kind {
        ChangeKind::Tightened if change.who.len() > 1 => "lose",
        ChangeKind::Tightened => "loses",
        _ if change.who.len() > 1 => "gain",
        _ => "gains",
    };
    let mut who = match (&change.counterexample, change.who.as_slice()) {
        (Some(token), _) => format!("no role; {} {verb}", token_text(token, code)),
        (None, who) => format!("{} {verb}", listed(who)),
    };
    if let Some(token) = &change.also {
        let verb = if change.kind == ChangeKind::Tightened { "gains" } else { "loses" };
        who.push_str(&format!("; {} {verb}", token_text(token, code)));
    }
    let mut what = step(&change.before, &change.after, code);
    if !change.unbound.is_empty() {
        what.push_str(&format!("; org check removed: {}", change.unbound.join(", ")));
    }
    let place = match shown.place(change) {
        Some((file, place)) if change.new_place.is_some() => file.position(place),
        Some((file, place)) => format!("was {}", file.position(place)),
        None => String::new(),
    };
    let route = code(&format!("{} {}", change.methods.join("|"), change.path));
    Line { kind: change.kind.as_str().to_uppercase(), route, who, what, place }
}

/// `a, b and c`.
fn listed(names: &[String]) -> String {
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        Some((only, _)) => only.clone(),
        None => String::new(),
    }
}

fn token_text(token: &Counterexample, code: &dyn Fn(&str) -> String) -> String {
    let mut parts = Vec::new();
    if !token.permissions.is_empty() {
        parts.push(format!("with only {}", code(&token.permissions.join(" "))));
    }
    if !token.roles.is_empty() {
        parts.push(format!("with the role {}", code(&token.roles.join(" "))));
    }
    if token.permissions.is_empty() && token.roles.is_empty() {
        parts.push("without permissions".to_owned());
    }
    if token.organization == Some(false) {
        parts.push("without an organization".to_owned());
    }
    if token.own == Some(false) {
        parts.push("of another organization".to_owned());
    }
    if !token.conditions.is_empty() {
        parts.push(format!("where {}", code(&token.conditions.join(" and "))));
    }
    format!("a token {}", parts.join(" "))
}

fn step(before: &Option<String>, after: &Option<String>, code: &dyn Fn(&str) -> String) -> String {
    let shown = |text: &Option<String>| text.as_deref().map_or_else(|| "no rule".to_owned(), code);
    if before == after {
        return shown(after);
    }
    format!("{} -> {}", shown(before), shown(after))
}

/// `3 loosened, 1 tightened, 96 unchanged`.
fn summary(shown: &Shown) -> String {
    let kinds = [ChangeKind::Public, ChangeKind::Unbound, ChangeKind::Loosened, ChangeKind::Tightened];
    let mut parts: Vec<String> = kinds
        .iter()
        .map(|kind| (kind.as_str(), shown.changes.iter().filter(|change| change.kind == *kind).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let mappings = shown.issuers.len() + shown.settings.len();
    if mappings > 0 {
        parts.push(format!("{mappings} mapping"));
    }
    if shown.by_reading > 0 {
        let routes = if shown.by_reading == 1 { "route" } else { "routes" };
        parts.push(format!("{} {routes} read tokens otherwise", shown.by_reading));
    }
    parts.push(format!("{} unchanged", shown.unchanged));
    parts.join(", ")
}
