//! The cases of `tests/corpus`, read with the reader of policy files.

use std::{fs, path::Path};

use orgate_config::document::{self, Node, Value};

/// A file of the corpus.
pub(crate) struct Chapter {
    /// Its name, without the ending.
    pub(crate) name: String,
    /// The policy, whole.
    pub(crate) policy: String,
    /// The requests and what they are answered.
    pub(crate) cases: Vec<Case>,
}

/// A request by a caller, and the verdict.
pub(crate) struct Case {
    /// Where it stands.
    pub(crate) line: u32,
    pub(crate) method: String,
    pub(crate) target: String,
    /// The host it names; the door's own address where there is none.
    pub(crate) host: Option<String>,
    /// Header fields besides those of the caller.
    pub(crate) headers: Vec<(String, String)>,
    /// A name of `callers`.
    pub(crate) caller: String,
    pub(crate) verdict: Verdict,
}

/// What a request is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The application gets it.
    Allow,
    /// It is refused with this status and code.
    Refuse(u16, String),
}

/// The issuer of every policy that has none of its own.
pub(crate) const ISSUER: &str = "https://id.example.com/p/proj_demo";

/// Every file, by name.
pub(crate) fn chapters() -> Vec<Chapter> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    files.iter().map(|file| chapter(file)).collect()
}

fn chapter(file: &Path) -> Chapter {
    let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
    let text = fs::read_to_string(file).unwrap();
    let document = document::parse(&name, &text).unwrap_or_else(|findings| panic!("{name}: {findings:?}"));
    let root = document.root();
    for (key, _) in root.entries().unwrap() {
        assert!(["about", "policy", "cases"].contains(&&*key.text), "{name}: an unknown key `{}`", key.text);
    }
    let part = root.get("policy").and_then(Node::text).unwrap_or_else(|| panic!("{name}: no policy"));
    let cases = root.get("cases").and_then(Node::entries).unwrap_or_else(|| panic!("{name}: no cases"));
    let cases = cases.iter().flat_map(|(key, node)| cases_of(&name, &key.text, node)).collect();
    Chapter { policy: whole(part), cases, name }
}

/// What a policy needs that nothing here is about.
fn whole(part: &str) -> String {
    format!(
        "version: 1\nissuers:\n  main: {{issuer: \"{ISSUER}\", audience: demo-api, profile: orgate, keys: {{file: keys.json}}}}\n{part}"
    )
}

fn cases_of(file: &str, request: &str, node: &Node) -> Vec<Case> {
    match &node.value {
        Value::List(nodes) => nodes.iter().flat_map(|node| cases_of(file, request, node)).collect(),
        Value::Map(entries) => {
            let (method, target) = request.split_once(' ').unwrap();
            let headers: Vec<(String, String)> = match node.get("headers").map(|node| &node.value) {
                Some(Value::List(fields)) => {
                    fields.iter().map(|field| field_of(field.text().unwrap())).collect()
                }
                Some(_) => panic!("{file}: `headers` is a list"),
                None => Vec::new(),
            };
            let host = node.get("host").map(|host| host.text().unwrap().to_owned());
            let callers = entries.iter().filter(|(key, _)| !["headers", "host"].contains(&&*key.text));
            callers
                .map(|(caller, verdict)| Case {
                    line: caller.span.line,
                    method: method.to_owned(),
                    target: target.to_owned(),
                    host: host.clone(),
                    headers: headers.clone(),
                    caller: caller.text.clone(),
                    verdict: verdict_of(verdict.text().unwrap()),
                })
                .collect()
        }
        other => panic!("{file}: {request}: expected callers, found {}", other.kind()),
    }
}

fn field_of(text: &str) -> (String, String) {
    let (name, value) = text.split_once(':').unwrap();
    (name.to_owned(), value.trim_start().to_owned())
}

fn verdict_of(text: &str) -> Verdict {
    if text == "allow" {
        return Verdict::Allow;
    }
    let (status, code) = text.split_once(' ').unwrap_or_else(|| panic!("`{text}` is no verdict"));
    Verdict::Refuse(status.parse().unwrap(), code.to_owned())
}
