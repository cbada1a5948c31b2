use super::*;

const URI: &str = "file:///p/orgate.yaml";
const HEAD: &str = "version: 1\nissuers:\n  main: {issuer: \"https://i.example\", audience: a, profile: orgate, feed: off}\n";

fn message(message: Value) -> Frame {
    Frame::Message(message)
}

fn answers(server: &mut Server, frame: Frame) -> Vec<Value> {
    match server.take(frame) {
        Next::Send(messages) => messages,
        Next::Exit(code) => panic!("exit {code}"),
    }
}

fn ask(server: &mut Server, method: &str, params: Value) -> Value {
    let answers =
        answers(server, message(json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})));
    let [answer] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!(answer["id"], 7);
    answer.clone()
}

fn tell(server: &mut Server, method: &str, params: Value) -> Vec<Value> {
    let mut out = answers(server, message(json!({"jsonrpc": "2.0", "method": method, "params": params})));
    out.extend(server.catch_up());
    out
}

fn opened(text: &str) -> (Server, Vec<Value>) {
    let mut server = Server::default();
    assert!(
        ask(&mut server, "initialize", json!({"capabilities": {}}))["result"]["capabilities"].is_object()
    );
    let document = json!({"uri": URI, "languageId": "yaml", "version": 1, "text": text});
    let published = tell(&mut server, "textDocument/didOpen", json!({"textDocument": document}));
    (server, published)
}

#[test]
fn findings_come_with_their_places_in_utf_16_and_what_belongs_to_them() {
    let (mut server, published) = opened(&format!(
        "{HEAD}x-note: \"𝄞\"\nrules:\n  GET /a/{{x}}/c: read\n  GET /a/b/{{y}}: public\n  {{GET /𝄞: raed}}\n"
    ));
    assert_eq!(published.len(), 1, "{published:?}");
    assert!(!published[0]["params"]["diagnostics"].as_array().unwrap().is_empty());
    // A broken file becomes a good one, change by change.
    let text = format!("{HEAD}rules:\n  GET /a/{{x}}/c: read\n  GET /a/b/{{y}}: public\n  GET /𝄞𝄞: raed\n");
    let published = tell(
        &mut server,
        "textDocument/didChange",
        json!({"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": text}]}),
    );
    let params = &published[0]["params"];
    assert_eq!((&params["uri"], &params["version"]), (&json!(URI), &json!(2)));
    let found = |code: &str| {
        let all = params["diagnostics"].as_array().unwrap();
        all.iter()
            .find(|finding| finding["code"] == code)
            .unwrap_or_else(|| panic!("{code}: {all:?}"))
            .clone()
    };
    let unknown = found("E031");
    let range = json!({"start": {"line": 6, "character": 13}, "end": {"line": 6, "character": 17}});
    assert_eq!(
        (&unknown["range"], &unknown["severity"], &unknown["source"]),
        (&range, &json!(1), &json!("orgate"))
    );
    assert!(unknown["message"].as_str().unwrap().contains("help: did you mean `read`?"), "{unknown}");
    let changes = json!([
        {"range": {"start": {"line": 6, "character": 13}, "end": {"line": 6, "character": 17}}, "text": "read"},
        {"range": {"start": {"line": 4, "character": 0}, "end": {"line": 5, "character": 0}}, "text": ""},
    ]);
    let published = tell(
        &mut server,
        "textDocument/didChange",
        json!({"textDocument": {"uri": URI, "version": 3}, "contentChanges": changes}),
    );
    assert_eq!(published[0]["params"]["diagnostics"], json!([]), "{published:?}");
    let closed = tell(&mut server, "textDocument/didClose", json!({"textDocument": {"uri": URI}}));
    assert_eq!(closed[0]["params"]["diagnostics"], json!([]));
}

#[test]
fn an_ambiguity_names_both_rules() {
    let (_, published) = opened(&format!("{HEAD}rules:\n  GET /a/{{x}}/c: read\n  GET /a/b/{{y}}: public\n"));
    let finding = &published[0]["params"]["diagnostics"][0];
    assert_eq!(finding["code"], "E042");
    let related = &finding["relatedInformation"][0];
    assert_eq!(related["location"]["uri"], URI);
    assert_eq!(related["location"]["range"]["start"]["line"], 4);
}

#[test]
fn a_rule_under_the_cursor_says_who_gets_in_even_while_another_is_broken() {
    let text = format!("{HEAD}rules:\n  DELETE /orgs/{{org_id}}: delete_org  # 𝄞\n");
    let (mut server, _) = opened(&text);
    let at = |line: u32, character: u32| json!({"textDocument": {"uri": URI}, "position": {"line": line, "character": character}});
    let told = ask(&mut server, "textDocument/hover", at(4, 6));
    let told = told["result"]["contents"]["value"].as_str().unwrap();
    assert!(told.contains("`owner`: get in, in their own organization"), "{told}");
    assert!(!told.contains("permission `"), "{told}");
    let told = ask(&mut server, "textDocument/hover", at(4, 28))["result"]["contents"]["value"].to_string();
    assert!(told.contains("permission `delete_org`") && told.contains("held by owner"), "{told}");
    let broken = format!("{text}  GET /x: raed\n");
    tell(
        &mut server,
        "textDocument/didChange",
        json!({"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": broken}]}),
    );
    assert!(ask(&mut server, "textDocument/hover", at(4, 6))["result"].is_object());
    assert_eq!(ask(&mut server, "textDocument/hover", at(0, 0))["result"], Value::Null);
}

#[test]
fn names_lead_to_their_declaration_and_formatting_is_that_of_fmt() {
    let text = "version: 1\nissuers:\n  main: {issuer: \"https://i.example\", audience: a}\nroles:\n  chef: {grants: [read]}\nrules:\n  GET /ü/b: role(chef) and read\n  GET /a: read\n";
    let (mut server, _) = opened(text);
    let mut go = |character: u32| {
        let params = json!({"textDocument": {"uri": URI}, "position": {"line": 6, "character": character}});
        ask(&mut server, "textDocument/definition", params)["result"]["range"]["start"].clone()
    };
    assert_eq!(go(18), json!({"line": 4, "character": 2}));
    assert_eq!(go(28), json!({"line": 4, "character": 18}));
    assert_eq!(go(3), Value::Null);
    let params = json!({"textDocument": {"uri": URI}, "options": {"tabSize": 2, "insertSpaces": true}});
    let edits = ask(&mut server, "textDocument/formatting", params.clone());
    let new = edits["result"][0]["newText"].as_str().unwrap();
    assert!(new.ends_with("rules:\n  GET /a:   read\n  GET /ü/b: role(chef) and read\n"), "{new}");
    assert_eq!(edits["result"][0]["range"]["end"], json!({"line": 8, "character": 0}));
    let change = json!({"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": new}]});
    tell(&mut server, "textDocument/didChange", change);
    assert_eq!(ask(&mut server, "textDocument/formatting", params)["result"], json!([]));
}

#[test]
fn the_protocol_is_kept() {
    let mut server = Server::default();
    assert_eq!(ask(&mut server, "textDocument/hover", json!({}))["error"]["code"], NOT_INITIALIZED);
    assert!(
        tell(&mut server, "textDocument/didOpen", json!({"textDocument": {"uri": URI, "text": "x"}}))
            .is_empty()
    );
    ask(&mut server, "initialize", json!({}));
    assert_eq!(ask(&mut server, "initialize", json!({}))["error"]["code"], INVALID_REQUEST);
    assert_eq!(ask(&mut server, "a/b", json!({}))["error"]["code"], METHOD_NOT_FOUND);
    assert_eq!(ask(&mut server, "textDocument/hover", json!([]))["error"]["code"], INVALID_PARAMS);
    assert_eq!(
        ask(&mut server, "textDocument/hover", json!({"textDocument": {"uri": URI}}))["error"]["code"],
        INVALID_PARAMS
    );
    for strange in [json!(7), json!([]), json!({}), json!({"id": {}, "x": 1})] {
        let answers = answers(&mut server, message(strange.clone()));
        assert_eq!(answers[0]["error"]["code"], INVALID_REQUEST, "{strange}");
    }
    assert!(answers(&mut server, message(json!({"id": 3, "result": null}))).is_empty());
    let malformed = answers(&mut server, Frame::Malformed("x".to_owned()));
    assert_eq!((&malformed[0]["error"]["code"], &malformed[0]["id"]), (&json!(PARSE_ERROR), &Value::Null));
    assert!(matches!(server.take(message(json!({"method": "exit"}))), Next::Exit(1)));
    assert_eq!(ask(&mut server, "shutdown", json!(null))["result"], Value::Null);
    assert_eq!(ask(&mut server, "textDocument/hover", json!({}))["error"]["code"], INVALID_REQUEST);
    assert!(matches!(server.take(message(json!({"method": "exit"}))), Next::Exit(0)));
}

#[test]
fn files_of_other_tools_are_left_alone() {
    let (mut server, _) = opened(HEAD);
    let other = "file:///p/compose.yaml";
    let document = json!({"uri": other, "version": 1, "text": "services:\n  a: &b {x: 1}\n"});
    let published = tell(&mut server, "textDocument/didOpen", json!({"textDocument": document}));
    assert_eq!(published[0]["params"]["diagnostics"], json!([]));
    let at = json!({"textDocument": {"uri": other}, "position": {"line": 0, "character": 0}});
    for method in ["textDocument/completion", "textDocument/hover", "textDocument/formatting"] {
        assert_eq!(ask(&mut server, method, at.clone())["result"], Value::Null);
    }
}

#[test]
fn strange_parameters_break_nothing() {
    let (mut server, _) = opened("rules:\n  GET /ü: 're\n");
    let strange = [json!(null), json!(-1), json!("x"), json!(1e300), json!(u64::MAX), json!({}), json!([])];
    for one in &strange {
        for method in [
            "textDocument/completion",
            "textDocument/hover",
            "textDocument/definition",
            "textDocument/formatting",
        ] {
            let position = json!({"line": one, "character": one});
            ask(&mut server, method, json!({"textDocument": {"uri": URI}, "position": position}));
            ask(&mut server, method, json!({"textDocument": one, "position": one}));
        }
        for change in [
            json!({"text": one}),
            json!({"text": "x", "range": one}),
            json!({"text": "x", "range": {"start": one, "end": {"line": 0, "character": 1}}}),
            one.clone(),
        ] {
            let params = json!({"textDocument": {"uri": URI, "version": one}, "contentChanges": [change]});
            tell(&mut server, "textDocument/didChange", params);
        }
        tell(
            &mut server,
            "textDocument/didOpen",
            json!({"textDocument": {"uri": "untitled:1", "text": one}}),
        );
    }
    // A range that ends before it starts.
    let range = json!({"start": {"line": 1, "character": 4}, "end": {"line": 0, "character": 0}});
    let change = json!({"textDocument": {"uri": URI}, "contentChanges": [{"text": "ü", "range": range}]});
    tell(&mut server, "textDocument/didChange", change);
}
