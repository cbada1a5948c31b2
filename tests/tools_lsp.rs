//! `orgate lsp`, through the binary and its pipes, as an editor speaks with it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use orgate_e2e::{Folder, orgate};
use serde_json::{Value, json};

const HEAD: &str = "version: 1\nissuers:\n  main: {issuer: \"https://i.example\", audience: a, profile: orgate, feed: off}\n";

/// An editor's end of the pipes.
struct Editor {
    child: Child,
    input: Option<ChildStdin>,
    messages: Receiver<Value>,
    uri: String,
}

impl Editor {
    fn start(folder: &Folder) -> Self {
        let mut child = orgate().args(["lsp", "--stdio"]).folder(folder.path()).piped();
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        thread::spawn(move || {
            loop {
                let mut header = String::new();
                if output.read_line(&mut header).unwrap_or(0) == 0 {
                    return;
                }
                let length: usize = header.trim().strip_prefix("Content-Length: ").unwrap().parse().unwrap();
                let mut blank = String::new();
                output.read_line(&mut blank).unwrap();
                assert_eq!(blank, "\r\n");
                let mut body = vec![0; length];
                output.read_exact(&mut body).unwrap();
                if sender.send(serde_json::from_slice(&body).unwrap()).is_err() {
                    return;
                }
            }
        });
        let uri = format!("file://{}/orgate.yaml", folder.path().display());
        Self { child, input, messages, uri }
    }

    fn raw(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(bytes).unwrap();
        input.flush().unwrap();
    }

    fn send(&mut self, mut message: Value) {
        message["jsonrpc"] = "2.0".into();
        let body = message.to_string();
        self.raw(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    }

    fn next(&self) -> Value {
        self.messages.recv_timeout(Duration::from_secs(30)).expect("the server says something")
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.send(json!({"id": method, "method": method, "params": params}));
        loop {
            let answer = self.next();
            if answer["id"] == method {
                return answer["result"].clone();
            }
        }
    }

    fn initialized(mut self) -> Self {
        let params = json!({"processId": null, "rootUri": null, "capabilities": {}});
        let answer = self.ask("initialize", params);
        assert_eq!(answer["capabilities"]["positionEncoding"], "utf-16");
        self.send(json!({"method": "initialized", "params": {}}));
        self
    }

    fn open(&mut self, uri: &str, text: &str) -> Vec<Value> {
        let document = json!({"uri": uri, "languageId": "yaml", "version": 1, "text": text});
        self.send(json!({"method": "textDocument/didOpen", "params": {"textDocument": document}}));
        self.published(uri)
    }

    fn change(&mut self, version: i64, changes: Value) -> Vec<Value> {
        let document = json!({"uri": self.uri, "version": version});
        let params = json!({"textDocument": document, "contentChanges": changes});
        self.send(json!({"method": "textDocument/didChange", "params": params}));
        self.published(&self.uri)
    }

    /// The next diagnostics of a file.
    fn published(&self, uri: &str) -> Vec<Value> {
        loop {
            let message = self.next();
            if message["method"] == "textDocument/publishDiagnostics" && message["params"]["uri"] == uri {
                return message["params"]["diagnostics"].as_array().unwrap().clone();
            }
        }
    }

    fn at(&self, line: u32, character: u32) -> Value {
        json!({"textDocument": {"uri": self.uri}, "position": {"line": line, "character": character}})
    }

    /// Closes the pipe and waits for the exit code.
    fn end(mut self) -> Option<i32> {
        self.input = None;
        self.child.wait().unwrap().code()
    }
}

#[test]
fn an_editor_sees_findings_completes_and_learns_who_gets_in() {
    let folder = Folder::new();
    let mut editor = Editor::start(&folder).initialized();
    let uri = editor.uri.clone();
    let found = editor.open(
        &uri,
        &format!("{HEAD}# 𝄞 für\nrules:\n  GET /𝄞ü: raed\n  DELETE /orgs/{{org_id}}: delete_org\n"),
    );
    let [unknown] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (&unknown["code"], &unknown["range"]["start"]),
        (&json!("E031"), &json!({"line": 5, "character": 12}))
    );

    let range = json!({"start": {"line": 5, "character": 12}, "end": {"line": 5, "character": 16}});
    assert_eq!(editor.change(2, json!([{"range": range, "text": "read"}])), [] as [Value; 0]);

    let at = editor.at(5, 14);
    let items = editor.ask("textDocument/completion", at)["items"].clone();
    let read = items.as_array().unwrap().iter().find(|item| item["label"] == "read").unwrap().clone();
    assert_eq!(read["textEdit"]["range"]["start"], json!({"line": 5, "character": 12}));
    assert_eq!(read["detail"], "held by viewer, member, admin, owner");

    let at = editor.at(6, 4);
    let told = editor.ask("textDocument/hover", at)["contents"]["value"].clone();
    let told = told.as_str().unwrap();
    assert!(
        told.contains("`owner`: get in, in their own organization") && told.contains("`org.id`"),
        "{told}"
    );

    let document = json!({"textDocument": {"uri": uri}, "options": {}});
    let edits = editor.ask("textDocument/formatting", document);
    let sorted = edits[0]["newText"].as_str().unwrap();
    assert!(sorted.contains("  DELETE /orgs/{org_id}: delete_org\n  GET /𝄞ü:"), "{sorted}");

    assert_eq!(editor.ask("shutdown", Value::Null), Value::Null);
    editor.send(json!({"method": "exit"}));
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn what_an_editor_shows_is_what_check_finds() {
    let folder = Folder::new();
    let text = format!(
        "{HEAD}ruels: {{}}\nroles:\n  viewer: {{grants: [read], extedns: x}}\nrules:\n  GET /a/{{x}}/c: read\n  GET /a/b/{{y}}: public\n  GET /ü: nope and read or write\n  get /x: read\n"
    );
    folder.write("orgate.yaml", &text);
    let checked = orgate().args(["check", "--format", "json"]).folder(folder.path()).finish();
    let checked: Value = serde_json::from_str(&checked.stdout).unwrap();
    let mut editor = Editor::start(&folder).initialized();
    let uri = editor.uri.clone();
    let shown = editor.open(&uri, &text);
    let findings = checked["findings"].as_array().unwrap();
    assert!(findings.len() >= 4, "{findings:?}");
    assert_eq!(shown.len(), findings.len());
    for (shown, finding) in shown.iter().zip(findings) {
        assert_eq!(shown["code"], finding["code"]);
        assert_eq!(shown["range"]["start"]["line"].as_u64().map(|line| line + 1), finding["line"].as_u64());
        assert!(shown["message"].as_str().unwrap().starts_with(finding["message"].as_str().unwrap()));
    }
}

#[test]
fn tests_are_checked_against_the_policy_that_is_open() {
    let folder = Folder::new();
    folder.write("orgate.yaml", &format!("{HEAD}rules:\n  GET /a: read\n"));
    let mut editor = Editor::start(&folder).initialized();
    let tests = editor.uri.replace("orgate.yaml", "orgate.test.yaml");
    let text = "principals: {ann: {role: chef}}\ncases:\n  GET /a: [ann]\n";
    let found = editor.open(&tests, text);
    assert!(found[0]["message"].as_str().unwrap().contains("unknown role `chef`"), "{found:?}");
    let uri = editor.uri.clone();
    editor.open(&uri, &format!("{HEAD}rules:\n  GET /a: read\n"));
    let with_chef = format!("{HEAD}roles: {{chef: {{grants: [read]}}}}\nrules:\n  GET /a: read\n");
    let changes = json!([{"text": with_chef}]);
    let document = json!({"uri": uri, "version": 2});
    editor.send(json!({"method": "textDocument/didChange", "params": {"textDocument": document, "contentChanges": changes}}));
    // Diagnostics of the state in between may come first.
    while !editor.published(&tests).is_empty() {}
}

#[test]
fn frames_that_are_none_do_not_end_the_server() {
    let folder = Folder::new();
    let mut editor = Editor::start(&folder);
    for malformed in [
        &b"rubbish\r\n\r\n"[..],
        b"Content-Length: 3\r\n\r\n{x}",
        b"Content-Length: minus\r\n\r\n",
        b"Content-Length: 4\r\n\r\n\xff\xfe\xfd\xfc",
        b"Content-Type: text\r\n\r\n",
    ] {
        editor.raw(malformed);
        let answer = editor.next();
        assert_eq!(answer["error"]["code"], -32700, "{answer}");
    }
    editor.raw(b"Content-Length: 2\r\n\r\n[]");
    assert_eq!(editor.next()["error"]["code"], -32600);
    editor = editor.initialized();
    let text = "{".repeat(100_000);
    let uri = editor.uri.clone();
    assert!(!editor.open(&uri, &text).is_empty());
    assert!(!editor.change(2, json!([{"text": "a".repeat(2_000_000)}])).is_empty());
    assert_eq!(editor.end(), Some(1), "the input ended without `shutdown`");
}

#[test]
fn an_exit_without_a_shutdown_is_1() {
    let folder = Folder::new();
    let mut editor = Editor::start(&folder).initialized();
    editor.send(json!({"method": "exit"}));
    assert_eq!(editor.end(), Some(1));
}
