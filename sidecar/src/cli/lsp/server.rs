//! The server without its input and output: a message in, messages out (JSON-RPC 2.0; LSP 3.17).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use orgate::Code;
use orgate_config::{PolicyFile, cases, compile, diagnostic::Diagnostics, document};
use serde_json::{Value, json};

use super::{
    complete,
    findings::{self, Read},
    frame::Frame,
    hover,
    kind::{self, Kind},
    symbols,
    text::Text,
    uri,
};
use crate::cli::{fmt, policy_file::environment};

const PARSE_ERROR: i32 = -32_700;
const INVALID_REQUEST: i32 = -32_600;
const METHOD_NOT_FOUND: i32 = -32_601;
const INVALID_PARAMS: i32 = -32_602;
const NOT_INITIALIZED: i32 = -32_002;
const REQUEST_FAILED: i32 = -32_803;

/// An open document.
struct Document {
    text: Text,
    version: Value,
    /// What was compiled of it when it was last without errors.
    policy: Option<PolicyFile>,
    /// Whether its diagnostics are behind its text.
    is_stale: bool,
}

/// Everything that the server knows.
#[derive(Default)]
pub(super) struct Server {
    is_initialized: bool,
    was_shut_down: bool,
    documents: BTreeMap<String, Document>,
    /// The files for which each document had diagnostics last.
    published: BTreeMap<String, BTreeSet<String>>,
}

/// What follows from a message.
#[derive(Debug)]
pub(super) enum Next {
    Send(Vec<Value>),
    /// The end, with this exit code.
    Exit(u8),
}

/// Why a request is not answered.
type Refused = (i32, String);

impl Server {
    /// Whether everything was done as the protocol wants it, should the input end now.
    pub(super) fn was_shut_down(&self) -> bool {
        self.was_shut_down
    }

    pub(super) fn take(&mut self, frame: Frame) -> Next {
        let message = match frame {
            Frame::Message(message) => message,
            Frame::Malformed(reason) => return Next::Send(vec![failed(&Value::Null, (PARSE_ERROR, reason))]),
        };
        let id = message.get("id").filter(|id| id.is_string() || id.is_number());
        let Some(method) = message.get("method").and_then(Value::as_str) else {
            // The answer to a request of ours would look like this; there are none.
            let is_answer = message.get("result").is_some() || message.get("error").is_some();
            let reason = (INVALID_REQUEST, "a message without a method".to_owned());
            return Next::Send(if is_answer {
                Vec::new()
            } else {
                vec![failed(id.unwrap_or(&Value::Null), reason)]
            });
        };
        let params = message.get("params").unwrap_or(&Value::Null);
        match id {
            Some(id) => Next::Send(vec![match self.request(method, params) {
                Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
                Err(refused) => failed(id, refused),
            }]),
            None if method == "exit" => Next::Exit(u8::from(!self.was_shut_down)),
            None => Next::Send(self.notification(method, params)),
        }
    }

    fn request(&mut self, method: &str, params: &Value) -> Result<Value, Refused> {
        if self.was_shut_down {
            return Err((INVALID_REQUEST, "the server was shut down".to_owned()));
        }
        if method == "initialize" {
            if std::mem::replace(&mut self.is_initialized, true) {
                return Err((INVALID_REQUEST, "the server was initialized already".to_owned()));
            }
            return Ok(capabilities());
        }
        if !self.is_initialized {
            return Err((NOT_INITIALIZED, "`initialize` comes first".to_owned()));
        }
        let is_about_a_document = method.starts_with("textDocument/");
        if is_about_a_document && self.document(params).is_ok() && !self.is_about_a_policy(params) {
            return Ok(Value::Null);
        }
        match method {
            "shutdown" => {
                self.was_shut_down = true;
                Ok(Value::Null)
            }
            "textDocument/completion" => {
                let (document, byte) = self.place(params)?;
                let policy = document.policy.as_ref();
                Ok(json!({"isIncomplete": false, "items": complete::complete(&document.text, byte, policy)}))
            }
            "textDocument/hover" => self.place(params).map(|(document, byte)| hover_at(document, byte)),
            "textDocument/definition" => {
                let (document, byte) = self.place(params)?;
                Ok(definition(document, byte, document_uri(params)))
            }
            "textDocument/formatting" => formatting(self.document(params)?, document_uri(params)),
            other => Err((METHOD_NOT_FOUND, format!("`{}` is not offered", other.escape_debug()))),
        }
    }

    fn notification(&mut self, method: &str, params: &Value) -> Vec<Value> {
        if !self.is_initialized || self.was_shut_down {
            return Vec::new();
        }
        let Some(uri) = document_uri(params) else { return Vec::new() };
        match method {
            "textDocument/didOpen" => {
                let document = params.get("textDocument").unwrap_or(&Value::Null);
                let text = document.get("text").and_then(Value::as_str).unwrap_or_default();
                let version = document.get("version").cloned().unwrap_or(Value::Null);
                let text = Text::new(text.to_owned());
                let opened = Document { text, version, policy: None, is_stale: true };
                self.documents.insert(uri.to_owned(), opened);
            }
            "textDocument/didChange" => self.change(uri, params),
            "textDocument/didClose" => {
                self.documents.remove(uri);
                let files = self.published.remove(uri).unwrap_or_default();
                return files.iter().map(|file| diagnostics(file, &Value::Null, Vec::new())).collect();
            }
            // What was saved may be included elsewhere, or be the policy of tests that are open.
            "textDocument/didSave" => {
                self.documents.values_mut().for_each(|document| document.is_stale = true)
            }
            _ => {}
        }
        Vec::new()
    }

    fn change(&mut self, uri: &str, params: &Value) {
        let Some(document) = self.documents.get_mut(uri) else { return };
        let changes = params.get("contentChanges").and_then(Value::as_array);
        for change in changes.into_iter().flatten() {
            let Some(new) = change.get("text").and_then(Value::as_str) else { continue };
            let range = change.get("range").filter(|range| range.is_object());
            let text = match range {
                None => new.to_owned(),
                Some(range) => {
                    let byte = |key: &str| range.get(key).and_then(|position| document.text.byte(position));
                    let (Some(start), Some(end)) = (byte("start"), byte("end")) else { continue };
                    let old = document.text.as_str();
                    let before = old.get(..start).unwrap_or_default();
                    let after = old.get(end.max(start)..).unwrap_or_default();
                    format!("{before}{new}{after}")
                }
            };
            document.text = Text::new(text);
        }
        if let Some(version) = params.pointer("/textDocument/version") {
            document.version = version.clone();
        }
        document.is_stale = true;
        // Tests are judged against the policy beside them.
        let is_tests = |uri: &str, other: &Document| kind::of(uri, other.text.as_str()) == Kind::Tests;
        for (_, other) in self.documents.iter_mut().filter(|(uri, other)| is_tests(uri, other)) {
            other.is_stale = true;
        }
    }

    fn kind(&self, uri: &str) -> Kind {
        self.documents.get(uri).map_or(Kind::Other, |document| kind::of(uri, document.text.as_str()))
    }

    /// The diagnostics of every document whose text they are behind. To be called when no message is waiting: texts
    /// that were changed again meanwhile are not looked at.
    pub(super) fn catch_up(&mut self) -> Vec<Value> {
        let mut stale: Vec<String> = self
            .documents
            .iter()
            .filter(|(_, document)| document.is_stale)
            .map(|(uri, _)| uri.clone())
            .collect();
        // Policies first: tests are judged against them.
        stale.sort_by_key(|uri| self.kind(uri) == Kind::Tests);
        let mut out = Vec::new();
        for own in stale {
            let Some(read) = self.read(&own) else { continue };
            let (name, _) = findings::name_of(&own);
            let files = findings::published(&own, &name, &read.findings);
            let before = self.published.remove(&own).unwrap_or_default();
            for gone in before.iter().filter(|file| !files.contains_key(*file)) {
                out.push(diagnostics(gone, &Value::Null, Vec::new()));
            }
            self.published.insert(own.clone(), files.keys().cloned().collect());
            let Some(document) = self.documents.get_mut(&own) else { continue };
            document.is_stale = false;
            document.policy = read.policy.or(document.policy.take());
            let version = document.version.clone();
            for (file, found) in files {
                let version = if file == own { &version } else { &Value::Null };
                out.push(diagnostics(&file, version, found));
            }
        }
        out
    }

    fn read(&self, own: &str) -> Option<Read> {
        let text = self.documents.get(own)?.text.as_str();
        let (name, path) = findings::name_of(own);
        let directory = path.as_deref().and_then(Path::parent);
        match (self.kind(own), directory) {
            (Kind::Policy, _) => {}
            (Kind::Tests, Some(directory)) => return Some(self.read_tests(&name, text, directory)),
            (Kind::Tests | Kind::Other, _) => {
                return Some(Read { findings: Diagnostics::new(), policy: None });
            }
        }
        Some(match compile(&name, text.as_bytes(), &environment) {
            Ok(file) => Read { findings: file.warnings.clone(), policy: Some(file) },
            Err(findings) => Read { findings, policy: None },
        })
    }

    /// A file of tests, against the policy beside it: as it is open, else as it is saved.
    fn read_tests(&self, name: &str, text: &str, directory: &Path) -> Read {
        let none = || Read { findings: Diagnostics::new(), policy: None };
        // Without a policy there is nothing to compare with; the policy's own document says why.
        let Ok(path) = orgate_config::discover(directory, None) else { return none() };
        let reasons: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let findings = |policy: &PolicyFile| {
            cases::read(name, text.as_bytes(), policy, &reasons).err().unwrap_or_default()
        };
        if let Some(policy) = self.documents.get(&uri::of_path(&path)).and_then(|open| open.policy.as_ref()) {
            return Read { findings: findings(policy), policy: None };
        }
        match orgate_config::load(&path, &environment) {
            Ok(policy) => Read { findings: findings(&policy), policy: None },
            Err(_) => none(),
        }
    }

    /// Whether a request is about a policy; everything else is answered with nothing.
    fn is_about_a_policy(&self, params: &Value) -> bool {
        document_uri(params).is_some_and(|uri| self.kind(uri) == Kind::Policy)
    }

    fn document(&self, params: &Value) -> Result<&Document, Refused> {
        let uri =
            document_uri(params).ok_or((INVALID_PARAMS, "there is no `textDocument.uri`".to_owned()))?;
        self.documents.get(uri).ok_or((INVALID_PARAMS, "the document is not open".to_owned()))
    }

    fn place(&mut self, params: &Value) -> Result<(&Document, usize), Refused> {
        // What is asked about is what was last written.
        if self.document(params)?.is_stale {
            self.refresh(params);
        }
        let document = self.document(params)?;
        let position = params.get("position").and_then(|position| document.text.byte(position));
        position.map(|byte| (document, byte)).ok_or((INVALID_PARAMS, "there is no `position`".to_owned()))
    }

    /// Compiles a document whose diagnostics are still to come, so that the answer speaks of its present text.
    fn refresh(&mut self, params: &Value) {
        let Some(uri) = document_uri(params) else { return };
        let policy = self.read(uri).and_then(|read| read.policy);
        if let (Some(document), Some(policy)) = (self.documents.get_mut(uri), policy) {
            document.policy = Some(policy);
        }
    }
}

fn document_uri(params: &Value) -> Option<&str> {
    params.pointer("/textDocument/uri").and_then(Value::as_str)
}

fn failed(id: &Value, (code, message): Refused) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

fn diagnostics(uri: &str, version: &Value, found: Vec<Value>) -> Value {
    let mut params = json!({"uri": uri, "diagnostics": found});
    if let (Some(params), true) = (params.as_object_mut(), version.is_number()) {
        params.insert("version".to_owned(), version.clone());
    }
    json!({"jsonrpc": "2.0", "method": "textDocument/publishDiagnostics", "params": params})
}

fn capabilities() -> Value {
    json!({
        "capabilities": {
            "positionEncoding": "utf-16",
            "textDocumentSync": {"openClose": true, "change": 2, "save": true},
            "completionProvider": {"triggerCharacters": [" ", "|", "(", ",", "[", "{"]},
            "hoverProvider": true,
            "definitionProvider": true,
            "documentFormattingProvider": true,
        },
        "serverInfo": {"name": "orgate", "version": env!("CARGO_PKG_VERSION")},
    })
}

fn tree(document: &Document) -> Option<document::Node> {
    document::read("orgate.yaml", document.text.as_str().as_bytes(), &mut Diagnostics::new())
}

fn hover_at(document: &Document, byte: usize) -> Value {
    let (Some(root), Some(policy)) = (tree(document), &document.policy) else { return Value::Null };
    let text = document.text.as_str();
    let rule = symbols::rule_at(&root, byte);
    let in_key = |key: &document::Key| u32::try_from(byte).is_ok_and(|byte| byte < key.span.end);
    let name = symbols::name_at(text, byte).filter(|_| !rule.is_some_and(|(key, _)| in_key(key)));
    let of_name = name.and_then(|(start, end)| {
        let word = text.get(start..end)?;
        let described = root.get("permissions").and_then(|node| node.get(word)?.text());
        hover::name(policy, word, described)
    });
    let of_rule = rule.and_then(|(key, _)| hover::rule(policy, &key.text));
    let parts: Vec<String> = [of_rule, of_name].into_iter().flatten().collect();
    if parts.is_empty() {
        return Value::Null;
    }
    json!({"contents": {"kind": "markdown", "value": parts.join("\n\n---\n\n")}})
}

fn definition(document: &Document, byte: usize, uri: Option<&str>) -> Value {
    let text = document.text.as_str();
    let found = tree(document).and_then(|root| {
        let (start, end) = symbols::name_at(text, byte)?;
        let line = text.get(..start)?.rsplit('\n').next()?;
        symbols::declaration(&root, text.get(start..end)?, symbols::section_of(line))
    });
    match found {
        Some(span) => json!({"uri": uri, "range": document.text.range_of(span)}),
        None => Value::Null,
    }
}

fn formatting(document: &Document, uri: Option<&str>) -> Result<Value, Refused> {
    let (name, _) = findings::name_of(uri.unwrap_or_default());
    let ending = Path::new(&name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if ending.eq_ignore_ascii_case("toml") || ending.eq_ignore_ascii_case("json") {
        return Err((REQUEST_FAILED, "only YAML is formatted".to_owned()));
    }
    let text = document.text.as_str();
    match fmt::format(&name, text.as_bytes()) {
        Ok(formatted) if formatted == text => Ok(json!([])),
        Ok(formatted) => Ok(json!([{"range": document.text.whole(), "newText": formatted}])),
        Err(fmt::Unformatted::Findings(_)) => {
            Err((REQUEST_FAILED, "a file that cannot be read is not formatted".to_owned()))
        }
        Err(fmt::Unformatted::Other(reason)) => {
            Err((REQUEST_FAILED, format!("it is left as it is: {reason}")))
        }
    }
}

#[cfg(test)]
mod tests;
