//! An explanation for people.

use std::borrow::Cow;

use orgate_claims::{Principal, RoleName};
use orgate_config::PolicyFile;
use orgate_policy::{Access, Explanation, Found, MethodFit, RequestTarget, RuleMatch};

use super::{Answer, Question};
use crate::Code;

/// How many of the rules that were not used are shown.
const MOST_UNUSED: usize = 8;

/// The lines below the decision: a label, what there is to say, and a remark in a column of its own.
#[derive(Default)]
struct Rows(Vec<(&'static str, String, String)>);

impl Rows {
    fn add(&mut self, label: &'static str, text: impl Into<String>, remark: impl Into<String>) {
        self.0.push((label, text.into(), remark.into()));
    }

    fn render(&self) -> String {
        let width = |text: &str| text.chars().count();
        let labels = self.0.iter().map(|(label, ..)| width(label)).max().unwrap_or_default();
        let with_remark = self.0.iter().filter(|(.., remark)| !remark.is_empty());
        let texts = with_remark.map(|(_, text, _)| width(text)).filter(|width| *width <= 72).max();
        let texts = texts.unwrap_or_default();
        let line = |(label, text, remark): &(&str, String, String)| {
            format!("  {label:labels$}  {text:texts$}  {remark}").trim_end().to_owned() + "\n"
        };
        self.0.iter().map(line).collect()
    }
}

/// The whole explanation of one request; `color` is for terminals.
#[must_use]
pub fn told(file: &PolicyFile, question: &Question<'_>, color: bool) -> String {
    let answer = Answer::of(file, question);
    let mut rows = Rows::default();
    let normal = file.policy.normalized(question.path);
    if let Ok(Cow::Owned(normal)) = &normal {
        rows.add("sent", printable(question.path), "");
        rows.add("forwarded", printable(normal), "");
    }
    let question = &question.in_form(&normal);
    let Question { method, path, .. } = *question;
    match normal.as_ref().map_err(|error| *error).and_then(|_| question.target(file)) {
        Err(error) => {
            rows.add("path", printable(path), "");
            rows.add("refused", error.to_string(), "");
        }
        Ok(target) => match file.policy.find(&target) {
            Found::Rule(found) => matched(&mut rows, file, question, (&target, &found)),
            Found::NoRule => rows.add("path", printable(path), "no rule has this path"),
            Found::MethodNotCovered => {
                rows.add("path", printable(path), "");
                rows.add("method", printable(method), "no rule with this path covers it");
                for rule in file.policy.rules_on(&target).iter().take(MOST_UNUSED) {
                    rows.add("not used", rule.key, file.position(rule.place));
                }
            }
        },
    }
    let roles = answer.rule.as_ref().map(|rule| rule.allowed_roles.as_slice()).unwrap_or_default();
    let mut text = headline(&answer, color) + &rows.render();
    if !answer.allowed && !roles.is_empty() {
        let elsewhere =
            matches!(answer.reason, Some(Code::OrganizationMismatch | Code::NoActiveOrganization));
        let where_ = if elsewhere { ", in their own organization" } else { "" };
        text.push_str(&format!("  would be allowed for roles: {}{where_}\n", roles.join(", ")));
    } else if !answer.allowed && answer.rule.is_some() && file.policy.table_roles().next().is_some() {
        text.push_str("  no role would be allowed\n");
    }
    if let Some(reason) = answer.hidden_reason() {
        text.push_str(&format!("  the reason is {reason}; the client is not told\n"));
    }
    if let Some(challenge) = &answer.challenge {
        text.push_str(&format!("  the client gets WWW-Authenticate: {challenge}\n"));
    }
    text
}

fn headline(answer: &Answer, color: bool) -> String {
    let (word, number) = if answer.allowed { ("ALLOW", 32) } else { ("DENY", 31) };
    // Bold, in green or red (ECMA-48 §8.3.117).
    let word = if color { format!("\u{1b}[1;{number}m{word}\u{1b}[0m") } else { word.to_owned() };
    match answer.code {
        Some(code) => format!("{word} {} {}\n", answer.status, Code::as_str(code)),
        None => format!("{word}\n"),
    }
}

fn matched(
    rows: &mut Rows,
    file: &PolicyFile,
    question: &Question<'_>,
    (target, found): (&RequestTarget<'_>, &RuleMatch<'_>),
) {
    let Question { method, path, principal, .. } = *question;
    let authenticator = match found.access() {
        Access::Authenticator(name) => Some(name),
        _ => None,
    };
    let subject = question.subject(file, authenticator);
    let headers = question.given_headers();
    let explanation = found.explain(subject.as_ref(), &question.facts(&headers));
    let parameters: Vec<String> =
        found.parameters().map(|(name, value)| format!("{name} = {value:?}")).collect();
    let parameters =
        if parameters.is_empty() { String::new() } else { format!("  ({})", parameters.join(", ")) };
    let line = format!("{} -> {}{parameters}", printable(path), found.pattern());
    rows.add("path", line, file.position(found.place()));
    unused(rows, file, target, found);
    let fit = match explanation.method {
        MethodFit::Named => format!("{method} named"),
        MethodFit::GetForHead => format!("{method} answered by GET"),
        MethodFit::Any => format!("{} covered by ANY", printable(method)),
    };
    rows.add("method", fit, "ok");
    match (authenticator, question.via) {
        (Some(name), Some(via)) if name == via => rows.add("who", format!("authenticated by {name}"), ""),
        _ => match question.refused {
            Some((_, detail)) => rows.add("token", printable(detail), "REFUSED"),
            None => who(rows, file, principal),
        },
    }
    if matches!(found.access(), Access::Credential | Access::Optional | Access::Authenticator(_)) {
        bindings(rows, &explanation, subject.is_some());
    }
    for compared in &explanation.compared {
        let remark = if compared.holds { "ok" } else { "DOES NOT HOLD" };
        rows.add("compare", compared.text.as_str(), remark);
    }
    rows.add("require", found.requirement(), requirement(found.access(), &explanation, principal));
    if let Some(limit) = found.limit() {
        rows.add("limit", limit.to_string(), "not counted here");
    }
}

fn unused(rows: &mut Rows, file: &PolicyFile, target: &RequestTarget<'_>, found: &RuleMatch<'_>) {
    let others: Vec<_> = file
        .policy
        .rules_on(target)
        .into_iter()
        .filter(|rule| rule.covers_method && (rule.key != found.rule() || rule.place != found.place()))
        .collect();
    for rule in others.iter().take(MOST_UNUSED) {
        rows.add("not used", format!("{}  broader", rule.key), file.position(rule.place));
    }
    if let Some(more) = others.len().checked_sub(MOST_UNUSED).filter(|more| *more > 0) {
        rows.add("not used", format!("and {more} more"), "");
    }
}

fn who(rows: &mut Rows, file: &PolicyFile, principal: Option<&Principal>) {
    let Some(principal) = principal else {
        rows.add("who", "anonymous, no credential", "");
        return;
    };
    let mut text = printable(principal.subject().as_str());
    match principal.organization() {
        Some(organization) => text.push_str(&format!(" in {}", printable(organization.id.as_str()))),
        None => text.push_str(", no active organization"),
    }
    let roles: Vec<String> = principal.roles().iter().map(RoleName::as_str).map(printable).collect();
    if !roles.is_empty() {
        text.push_str(&format!(", role {}", roles.join(", ")));
    }
    rows.add("who", text, "");
    let subject = file.subject(principal);
    let held = file.policy.effective_permissions(&subject);
    let held = if held.is_empty() { "no permission that a rule knows".to_owned() } else { held.join(" ") };
    rows.add("holds", held, "");
}

fn bindings(rows: &mut Rows, explanation: &Explanation<'_>, has_credential: bool) {
    for binding in &explanation.bindings {
        let targets = binding.targets.iter().map(|(target, value)| match value {
            Some(value) => format!("{target} {value:?}"),
            None => format!("{target} (absent)"),
        });
        let targets = targets.collect::<Vec<_>>().join(" or ");
        let sign = if binding.holds { "==" } else { "!=" };
        let value = binding.value.as_deref().map_or("(several)".to_owned(), |value| format!("{value:?}"));
        let text = format!("{} {value} {sign} {targets}", binding.parameter);
        let remark = match (binding.holds, has_credential) {
            (true, _) => "ok",
            (false, true) => "MISMATCH",
            (false, false) => "NO CREDENTIAL",
        };
        rows.add("bind", text, remark);
    }
}

fn requirement(access: Access<'_>, explanation: &Explanation<'_>, principal: Option<&Principal>) -> String {
    match access {
        Access::Public => "ok, anybody".to_owned(),
        Access::Nobody => "NOBODY".to_owned(),
        Access::Optional => "ok, with or without a credential".to_owned(),
        Access::Credential if explanation.holds => "ok".to_owned(),
        Access::Credential if principal.is_none() => "NO CREDENTIAL".to_owned(),
        Access::Authenticator(name) if explanation.holds => format!("ok, authenticated by {name}"),
        Access::Authenticator(name) => format!("AUTHENTICATED BY {name} ONLY"),
        Access::Credential if explanation.missing.is_empty() => "DOES NOT HOLD".to_owned(),
        Access::Credential => format!("MISSING {}", explanation.missing.join(", ")),
    }
}

/// Text of the command line or of a path, without what could drive a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
