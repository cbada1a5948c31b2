//! `include:` — the files of a policy besides its own.
//!
//! A fragment holds permissions, conditions and rules of one part of the application. Its `base` stands before every path,
//! so that it cannot speak of anything else; what concerns the whole (issuers, roles, bindings, …) stays in the policy
//! file. Patterns reach only below the policy's directory, fragments include nothing, and their order means nothing: what
//! is written twice is an error, wherever it stands. The fragments become part of the tree of the policy, in which every
//! part still knows its own file.

mod contents;
mod watch;

use std::{
    collections::{BTreeMap, HashMap},
    io,
};

use orgate_policy::Pattern;

pub use self::watch::included;
use super::{environment, limits::Bounds};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics, Span},
    document::{self, Key, MapReader, Node, Spanned, Value},
    files::Files,
};

/// The most files that one policy includes.
const MAX_FILES: usize = 64;
/// The most bytes of a pattern.
const MAX_PATTERN: usize = 1_024;

/// Where a policy is and what it is called.
pub(super) struct Surroundings<'f> {
    /// What findings call the policy file.
    pub(super) name: &'f str,
    pub(super) files: &'f dyn Files,
}

/// The policy of so many bytes with everything that it includes; `None` if that is too much to be read.
pub(super) fn resolve(
    mut root: Node,
    around: &Surroundings<'_>,
    (bytes, bounds): (usize, &mut Bounds),
    diagnostics: &mut Diagnostics,
) -> Option<Node> {
    let Value::Map(entries) = &mut root.value else { return Some(root) };
    let Some(at) = entries.iter().position(|(key, _)| key.text == "include") else { return Some(root) };
    let (key, node) = entries.remove(at);
    let mut patterns = document::Field::of(&node, "include", diagnostics).list().unwrap_or_default();
    if let Some(more) = patterns.get(MAX_FILES) {
        // Each of them would be looked for in the file system.
        let message = format!("`include` has {} patterns; at most {MAX_FILES} are allowed", patterns.len());
        diagnostics.push(Diagnostic::error(codes::TOO_MANY, message).at(more.span));
        patterns.clear();
    }
    let mut merged = Merged { entries, key: &key };
    let paths = matching(&patterns, around, diagnostics);
    for (path, bytes) in contents::of(paths, around, bytes, diagnostics)? {
        let read = fragment(&path, &bytes, (around, bounds), diagnostics);
        // What is too large in one file is not made better by the next.
        let is_too_large =
            |finding: &Diagnostic| finding.code == codes::LIMIT || finding.code == codes::TOO_MANY;
        if diagnostics.is_enough() || diagnostics.iter().any(is_too_large) {
            return None;
        }
        read.into_iter().for_each(|fragment| merged.add(fragment, diagnostics));
    }
    Some(root)
}

/// The files that the patterns match, each with the place of its first pattern.
fn matching(
    patterns: &[Spanned<&str>],
    around: &Surroundings<'_>,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<String, Span> {
    let own = around.name.rsplit(['/', std::path::MAIN_SEPARATOR]).next().unwrap_or_default();
    let mut found = BTreeMap::new();
    for pattern in patterns {
        let refuse = |code, message: String, help: &str| {
            let finding = Diagnostic::error(code, message).at(pattern.span);
            if help.is_empty() { finding } else { finding.help(help) }
        };
        let text = pattern.value;
        if text.len() > MAX_PATTERN {
            let message = format!("a pattern has at most {MAX_PATTERN} bytes");
            diagnostics.push(refuse(codes::INCLUDE, message, ""));
            continue;
        }
        let segments: Vec<&str> = text.split('/').collect();
        if let Some((message, help)) = not_a_pattern(text, &segments) {
            diagnostics.push(refuse(codes::INCLUDE, message, help));
            continue;
        }
        let mut paths = Vec::new();
        if let Err((path, error)) = walk(String::new(), &segments, around.files, &mut paths) {
            let path = if path.is_empty() { "." } else { &path };
            diagnostics.push(refuse(codes::INCLUDE, format!("cannot read `{path}`: {error}"), ""));
            continue;
        }
        if paths.is_empty() {
            let help = "patterns start at the directory of the policy file";
            diagnostics.push(refuse(codes::INCLUDE, format!("`{text}` matches no file"), help));
        }
        for path in paths {
            if path == own {
                let message = format!("`{text}` matches the policy file itself");
                diagnostics.push(refuse(
                    codes::INCLUDE,
                    message,
                    "keep fragments in a directory of their own",
                ));
            } else {
                found.entry(path).or_insert(pattern.span);
            }
        }
        if found.len() > MAX_FILES {
            let message = format!("the policy includes more than {MAX_FILES} files");
            diagnostics.push(refuse(codes::TOO_MANY, message, ""));
            return BTreeMap::new();
        }
    }
    found
}

fn not_a_pattern(text: &str, segments: &[&str]) -> Option<(String, &'static str)> {
    let below = "name files below the directory of the policy file, such as `policies/*.orgate.yaml`";
    if text.starts_with('/') || text.contains(['\\', ':']) || segments.contains(&"..") {
        return Some((format!("`{text}` leads out of the policy's directory"), below));
    }
    if text.contains(['?', '[', ']', '{', '}']) || segments.contains(&"**") {
        let help = "`*` stands for any part of one name; nothing else is special";
        return Some((format!("`{text}` is no pattern of file names"), help));
    }
    if segments.iter().any(|segment| segment.is_empty() || *segment == ".") || segments.len() > 8 {
        return Some((format!("`{text}` is no pattern of file names"), below));
    }
    None
}

/// Collects the files below `directory` that the rest of a pattern matches.
fn walk(
    directory: String,
    segments: &[&str],
    files: &dyn Files,
    found: &mut Vec<String>,
) -> Result<(), (String, io::Error)> {
    let Some((segment, rest)) = segments.split_first() else { return Ok(()) };
    let mut entries = match files.entries(&directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| (directory.clone(), error))?,
    };
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    for entry in entries.iter().filter(|entry| fits(segment, &entry.name)) {
        let path = match directory.as_str() {
            "" => entry.name.clone(),
            directory => format!("{directory}/{}", entry.name),
        };
        match (rest.is_empty(), entry.is_directory) {
            (true, false) if found.len() <= MAX_FILES => found.push(path),
            (false, true) => walk(path, rest, files, found)?,
            _ => {}
        }
    }
    Ok(())
}

/// Whether a name is one that `pattern` stands for. As in a shell, `*` does not match a name that starts with a dot.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    if start.is_empty() && name.starts_with('.') {
        return false;
    }
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        // The first place is as good as any: what is left for the next parts is longest.
        let Some(at) = name.find(part) else { return false };
        name = name.get(at + part.len()..).unwrap_or_default();
    }
    name.ends_with(last)
}

/// What a fragment brings, with its base before every path.
struct Fragment {
    sections: Vec<(Key, Node)>,
}

fn fragment(
    path: &str,
    bytes: &[u8],
    (around, bounds): (&Surroundings<'_>, &mut Bounds),
    diagnostics: &mut Diagnostics,
) -> Option<Fragment> {
    let name = match around.name.rfind(['/', std::path::MAIN_SEPARATOR]) {
        Some(at) => format!("{}/{path}", around.name.get(..at).unwrap_or_default()),
        None => path.to_owned(),
    };
    let root = bounds.read(&name, bytes, diagnostics)?;
    environment::check_places(&root, diagnostics);
    let mut map = MapReader::new(&root, "", diagnostics)?;
    for (key, place) in NOT_HERE {
        if let Some((found, _)) = map.entry(key) {
            let message = format!("`{key}` cannot stand in a file that is included");
            let finding = Diagnostic::error(codes::FRAGMENT, message);
            map.diagnostics().push(finding.at(found.span).help(place));
        }
    }
    let version = map.optional("version").node();
    let base = map.optional("base").entry();
    let start = map.span();
    let sections: Vec<_> =
        ["permissions", "conditions", "rules"].iter().filter_map(|key| map.optional(key).entry()).collect();
    map.finish();
    if let Some(node) = version.filter(|node| node.value != Value::Integer(1)) {
        let finding =
            Diagnostic::error(codes::UNSUPPORTED, "the version of a fragment is that of its policy");
        diagnostics.push(finding.at(node.span).help("write `version: 1`, or leave it away"));
    }
    let base = match base {
        Some((_, node)) => self::base(node, diagnostics)?,
        None => {
            let start = Span { end_line: start.line, end_column: start.column, ..start };
            let finding = Diagnostic::error(codes::MISSING_KEY, "the fragment has no `base`").at(start);
            diagnostics
                .push(finding.help("say which part of the application it speaks of: `base: /billing`"));
            return None;
        }
    };
    let sections = sections.into_iter().map(|(key, node)| match key.text.as_str() {
        "rules" => (key.clone(), below(base, node, diagnostics)),
        _ => (key.clone(), node.clone()),
    });
    Some(Fragment { sections: sections.collect() })
}

/// Keys of a policy that a fragment cannot have, and where they belong.
const NOT_HERE: [(&str, &str); 15] = [
    ("include", "files that are included include nothing; name the file in the policy"),
    ("issuers", BELONGS),
    ("token", BELONGS),
    ("permissions_from", BELONGS),
    ("roles", BELONGS),
    ("authenticators", BELONGS),
    ("bind", BELONGS),
    ("paths", BELONGS),
    ("cors", BELONGS),
    ("identity", BELONGS),
    ("deny", BELONGS),
    ("mode", BELONGS),
    ("until", BELONGS),
    ("lint", BELONGS),
    ("min_orgate", BELONGS),
];
const BELONGS: &str = "it concerns the whole application; write it in the policy file";

fn base<'n>(node: &'n Node, diagnostics: &mut Diagnostics) -> Option<&'n str> {
    let text = document::Field::of(node, "base", diagnostics).text()?;
    if text.value.contains("${") {
        return None; // reported by `environment`
    }
    let help = "write the path below which all of its rules are, such as `/billing`";
    let finding = match Pattern::parse(text.value) {
        Ok(pattern) if pattern.has_rest() => {
            Diagnostic::error(codes::FRAGMENT, "the base cannot end in `**`").at(text.span)
        }
        Ok(pattern) if pattern.segments().is_empty() => {
            let message = "the base `/` is the whole application";
            Diagnostic::error(codes::FRAGMENT, message).at(text.span)
        }
        Ok(_) => return Some(text.value),
        Err(error) => {
            let span = node.span_within(error.at, error.len);
            Diagnostic::error(codes::FRAGMENT, format!("`base`: {}", error.message)).at(span)
        }
    };
    diagnostics.push(finding.help(help));
    None
}

/// The rules of a fragment as the policy would write them.
fn below(base: &str, rules: &Node, diagnostics: &mut Diagnostics) -> Node {
    let Some(entries) = rules.entries() else { return rules.clone() };
    let mut prefixed = Vec::with_capacity(entries.len());
    for (key, node) in entries {
        let path = key.text.find(' ').map(|space| {
            let rest = key.text.get(space..).unwrap_or_default();
            space + (rest.len() - rest.trim_start_matches(' ').len())
        });
        let key = match path.and_then(|at| Some((at, key.text.get(at..)?))) {
            Some((at, "/")) => key.with_inserted(at, base.trim_end_matches('/'), 1),
            Some((at, path)) if path.starts_with('/') => key.with_inserted(at, base, 0),
            Some((at, path)) if path.contains('/') => {
                let host = path.split('/').next().unwrap_or_default();
                let finding = Diagnostic::error(codes::FRAGMENT, "a rule of a fragment cannot name a host");
                let finding = finding.at(key.span_within(at, host.len()));
                diagnostics.push(finding.help("leave the host away, or write the rule in the policy file"));
                continue;
            }
            // Whoever reads the rules says what is wrong with it.
            _ => key.clone(),
        };
        prefixed.push((key, node.clone()));
    }
    Node::new(Value::Map(prefixed), rules.span)
}

/// The sections of the policy, while fragments are added to them.
struct Merged<'r> {
    entries: &'r mut Vec<(Key, Node)>,
    /// The key `include`, in whose place stands what only fragments have.
    key: &'r Key,
}

impl Merged<'_> {
    fn add(&mut self, fragment: Fragment, diagnostics: &mut Diagnostics) {
        for (key, node) in fragment.sections {
            let node = if key.text == "permissions" { as_map(node, diagnostics) } else { node };
            let Value::Map(new) = node.value else {
                document::wrong_kind(&node, &key.text, "a map", diagnostics);
                continue;
            };
            let own = match self.entries.iter().position(|(own, _)| own.text == key.text) {
                Some(at) => at,
                None => {
                    let empty = Node::new(Value::Map(Vec::new()), self.key.span);
                    self.entries.push((Key::new(key.text.clone(), self.key.span, None), empty));
                    self.entries.len() - 1
                }
            };
            let Some((_, own)) = self.entries.get_mut(own) else { continue };
            if key.text == "permissions" && matches!(own.value, Value::List(_)) {
                *own = as_map(std::mem::replace(own, Node::new(Value::Null, key.span)), diagnostics);
            }
            // What is no map is reported by the reader of the section.
            let Value::Map(old) = &mut own.value else { continue };
            if key.text == "conditions" {
                report_twice(old, &new, diagnostics);
            }
            old.extend(new);
        }
    }
}

/// Two conditions of one name would be two readings of a rule.
fn report_twice(old: &[(Key, Node)], new: &[(Key, Node)], diagnostics: &mut Diagnostics) {
    let known: HashMap<&str, &Key> = old.iter().map(|(key, _)| (key.text.as_str(), key)).collect();
    for (key, _) in new {
        if let Some(first) = known.get(key.text.as_str()) {
            let message = format!("the condition `{}` is written twice", key.text);
            let finding = Diagnostic::error(codes::DUPLICATE, message).at(key.span);
            diagnostics.push(finding.related(first.span, "first written here").help("keep one of them"));
        }
    }
}

/// A list of names as a map without descriptions.
fn as_map(node: Node, diagnostics: &mut Diagnostics) -> Node {
    let Value::List(items) = node.value else { return node };
    let mut entries = Vec::with_capacity(items.len());
    for item in items {
        match item.as_key() {
            Some(key) => entries.push((key, Node::new(Value::Null, item.span))),
            None => document::wrong_kind(&item, "permissions", "a text", diagnostics),
        }
    }
    Node::new(Value::Map(entries), node.span)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_any_part_of_a_name() {
        for (pattern, name) in [
            ("a.yaml", "a.yaml"),
            ("*.yaml", "a.yaml"),
            ("*", "a"),
            ("a*b*c", "axbybc"),
            ("*a*", "a"),
            ("a**b", "ab"),
            (".*", ".x"),
            ("*.orgate.*", "a.b.orgate.yaml"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("a.yaml", "b.yaml"),
            ("*.yaml", ".yaml"),
            ("*", ".git"),
            ("a*b*c", "abab"),
            ("a*a", "a"),
            ("*ab*ab", "ab"),
            ("*.yaml", "a.yaml~"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
