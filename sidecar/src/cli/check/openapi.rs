//! The rules of a policy beside what an application really has: operations of an OpenAPI document, or a list of routes.

use std::path::Path;

use orgate_config::{
    PolicyFile, codes,
    diagnostic::{Diagnostic, Diagnostics, FileId, Span},
};
use orgate_policy::{Found, Methods, Pattern, Place, Relation, RequestTarget, RuleKey, Segment};

use crate::cli::{
    Failure,
    import::{
        openapi::{self, Operation},
        rules,
    },
};

/// Something that the application answers.
struct Route {
    method: String,
    /// As written, for people.
    path: String,
    pattern: Pattern,
    span: Span,
}

/// Adds what differs to `findings`, which know the files of the policy.
pub(super) fn compare(
    policy: &PolicyFile,
    document: Option<&Path>,
    list: Option<&Path>,
    findings: &mut Diagnostics,
) -> Result<(), Failure> {
    for (path, is_document) in
        document.map(|path| (path, true)).into_iter().chain(list.map(|path| (path, false)))
    {
        let before = findings.errors();
        let routes: Vec<Route> = match is_document {
            true => openapi::load(path, findings)?.operations.iter().filter_map(route).collect(),
            false => listed(path, findings)?,
        };
        if findings.errors() > before {
            continue; // what could not be read would be told as missing
        }
        let name = path.display().to_string();
        findings_of(policy, &name, &routes, findings);
    }
    Ok(())
}

fn route(operation: &Operation) -> Option<Route> {
    let (pattern, _) = rules::pattern(&operation.path)?;
    let Operation { method, path, span, .. } = operation;
    Some(Route { method: method.clone(), path: path.clone(), pattern, span: *span })
}

/// Routes as frameworks list them: `GET /orgs/{id}`, `/orgs/:id` or `/orgs/<int:id>`.
fn listed(path: &Path, findings: &mut Diagnostics) -> Result<Vec<Route>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::could_not_run(format!("cannot read `{}`: {error}", path.display())))?;
    let file = findings.add_source(path.display().to_string(), text.clone());
    let mut routes = Vec::new();
    for (number, line) in (1u32..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let span = Span::point(file, number, 1);
        let mut words = line.split_whitespace();
        let found = words.next().zip(words.next()).filter(|(_, path)| path.starts_with('/'));
        let Some((methods, path)) = found else {
            let finding = Diagnostic::error(codes::RULE_KEY, format!("`{line}` is no route"));
            findings.push(finding.at(span).help("write `GET /orgs/{id}`, one route a line"));
            continue;
        };
        let template: Vec<String> = path.split('/').map(parameter).collect();
        let Some((pattern, _)) = rules::pattern(&template.join("/")) else { continue };
        for method in methods.split(['|', ',']) {
            let (path, pattern) = (path.to_owned(), pattern.clone());
            routes.push(Route { method: method.to_ascii_uppercase(), path, pattern, span });
        }
    }
    Ok(routes)
}

fn parameter(segment: &str) -> String {
    let angle = segment.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    let name =
        angle.map(|name| name.rsplit(':').next().unwrap_or(name)).or_else(|| segment.strip_prefix(':'));
    name.map_or_else(|| segment.to_owned(), |name| format!("{{{name}}}"))
}

fn findings_of(policy: &PolicyFile, name: &str, routes: &[Route], findings: &mut Diagnostics) {
    let keys: Vec<RuleKey> = policy.policy.keys().cloned().collect();
    let requests = Requests::new(&keys);
    let allows = |rule: Place, code: &str| policy.lints.allows(rule, code);
    for route in routes {
        let problem = match requests.winner(policy, route) {
            None => "matched by no rule",
            Some((key, place)) if key.pattern().has_rest() && !allows(place, codes::DRIFT) => {
                "matched only by a catch-all"
            }
            Some(_) => continue,
        };
        let Route { method, path, pattern, span } = route;
        let message = format!("in {name} but {problem}: {method} {path}");
        let finding = Diagnostic::warning(codes::DRIFT, message).at(*span);
        findings.push(finding.help(format!("give it a rule: `{method} {pattern}: …`")));
    }
    let paths = policy.policy.paths();
    for rule in policy.policy.entries() {
        let Ok(key) = RuleKey::parse_with(rule.key, paths) else { continue };
        let about = |route: &&Route| {
            let covers = match key.methods() {
                Methods::Any => true,
                Methods::Named(names) => {
                    let named = |method: &str| names.iter().any(|name| name.as_str() == method);
                    named(&route.method)
                        || route.method == "HEAD" && named("GET")
                        || route.method == "GET" && named("HEAD")
                }
            };
            covers
                && key.pattern().relation(&route.pattern.under(paths, route.path.ends_with('/')))
                    != Relation::Disjoint
        };
        if !routes.iter().any(|route| about(&route)) && !allows(rule.place, codes::NO_OPERATION) {
            let message = format!("`{}` matches no operation of {name}", rule.key);
            let place = Span::point(FileId(rule.place.file), rule.place.line, rule.place.column);
            findings.push(Diagnostic::warning(codes::NO_OPERATION, message).at(place));
        }
    }
}

/// How requests are made whose variable parts no rule knows.
struct Requests {
    word: String,
    /// No host, and one for each that rules speak of.
    hosts: Vec<Option<String>>,
}

impl Requests {
    fn new(keys: &[RuleKey]) -> Self {
        let known = |word: &String| keys.iter().any(|key| key.as_str().contains(word.as_str()));
        let word = (0u32..).map(|at| format!("w{at}")).find(|word| !known(word)).unwrap_or_default();
        let mut hosts = vec![None];
        for host in keys.iter().filter_map(RuleKey::host) {
            let text = host.to_string();
            let exact = match text.split_once('.') {
                Some((first, suffix)) if first.starts_with(['*', '{']) => format!("{word}.{suffix}"),
                _ => text,
            };
            if !hosts.contains(&Some(exact.clone())) {
                hosts.push(Some(exact));
            }
        }
        Self { word, hosts }
    }

    /// The rule that wins requests to a route at one of the hosts; one without `**` if there is any.
    fn winner(&self, policy: &PolicyFile, route: &Route) -> Option<(RuleKey, Place)> {
        let segments = route.pattern.segments().iter().map(|segment| match segment {
            Segment::Literal(text) => encoded(text),
            Segment::Parameter(_) | Segment::Any => self.word.clone(),
        });
        let slash = if route.path.ends_with('/') && route.path.len() > 1 { "/" } else { "" };
        let path = format!("/{}{slash}", segments.collect::<Vec<_>>().join("/"));
        let winners = self.hosts.iter().filter_map(|host| {
            let target = RequestTarget::parse(&route.method, &path).ok()?.at_host(host.as_deref()).ok()?;
            match policy.policy.find(&target) {
                Found::Rule(found) => {
                    Some((RuleKey::parse_with(found.rule(), policy.policy.paths()).ok()?, found.place()))
                }
                Found::NoRule | Found::MethodNotCovered => None,
            }
        });
        winners.min_by_key(|(key, _)| key.pattern().has_rest())
    }
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        0x21..=0x7e => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "\
version: 1
rules:
  GET /a/{id}: public
  ANY /files/**: public
  POST /gone: public
  HEAD /only: public
  POST /hook: {require: public, allow: W032, note: called from a plugin}
";

    fn told(routes: &str) -> Vec<String> {
        let policy = orgate_config::compile("orgate.yaml", POLICY.as_bytes(), &|_| None).unwrap();
        let path = std::env::temp_dir().join(format!("orgate-routes-{}", std::process::id()));
        std::fs::write(&path, routes).unwrap();
        let mut findings = policy.warnings.clone();
        let routes = listed(&path, &mut findings).unwrap();
        std::fs::remove_file(&path).unwrap();
        findings_of(&policy, "routes", &routes, &mut findings);
        let drift =
            findings.iter().filter(|finding| finding.code.starts_with("W03") || finding.code == "E020");
        drift.map(|f| format!("{} {} {}", f.code, f.span.unwrap().line, f.message)).collect()
    }

    #[test]
    fn what_has_no_counterpart_is_told_on_either_side() {
        assert_eq!(
            told("# routes\nGET|PUT /a/:id\nGET /files/<path:name>\nPOST /gone/\nGET /only\nHEAD /a/{x}\n"),
            [
                "W031 2 in routes but matched by no rule: PUT /a/:id",
                "W031 3 in routes but matched only by a catch-all: GET /files/<path:name>",
                "W031 5 in routes but matched by no rule: GET /only",
            ]
        );
        assert_eq!(
            told("GET /files/x\nnonsense\n"),
            [
                "E020 2 `nonsense` is no route",
                "W031 1 in routes but matched only by a catch-all: GET /files/x",
                "W032 3 `GET /a/{id}` matches no operation of routes",
                "W032 5 `POST /gone` matches no operation of routes",
                "W032 6 `HEAD /only` matches no operation of routes",
            ]
        );
    }
}
