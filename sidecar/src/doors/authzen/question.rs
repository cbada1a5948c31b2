//! Questions of AuthZEN, as questions to the gate.
//!
//! `subject`, `action`, `resource` and `context` of a batch stand in for those that one of its evaluations does not have,
//! as a whole (AuthZEN §7.1). A batch is read to its end before anything is decided.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::{Map, Value};

use crate::{
    doors::{
        decision::Question,
        original::target_of,
        reading::{Unclear, is_host},
    },
    problem::Refusal,
};

/// The most evaluations of a batch, and headers of an evaluation.
const MOST: usize = 100;

/// What is asked at once.
#[derive(Debug)]
pub(super) enum Asking {
    One(Box<Evaluation>),
    Several(Vec<Evaluation>, Semantic),
}

/// How far a batch is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Semantic {
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

/// One question that is well formed.
#[derive(Debug)]
pub(super) enum Evaluation {
    Route(Box<Question>),
    /// The request that it names has no single reading.
    Unclear(Unclear),
    /// It is about something else than a route.
    Foreign,
}

/// Why it is no question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

pub(super) fn read(bytes: &[u8], several: bool) -> Result<Asking, Malformed> {
    let value: Value = serde_json::from_slice(bytes).map_err(|_| Malformed("the question is not JSON"))?;
    let Value::Object(whole) = value else { return Err(Malformed("the question is no object")) };
    if !several {
        return evaluation(&whole, &Map::new()).map(Box::new).map(Asking::One);
    }
    let items = match whole.get("evaluations") {
        None => return evaluation(&whole, &Map::new()).map(Box::new).map(Asking::One),
        Some(Value::Array(items)) if items.is_empty() => {
            return evaluation(&whole, &Map::new()).map(Box::new).map(Asking::One);
        }
        Some(Value::Array(items)) if items.len() <= MOST => items,
        Some(Value::Array(_)) => return Err(Malformed("`evaluations` has more than 100")),
        Some(_) => return Err(Malformed("`evaluations` is no array")),
    };
    let semantic = match whole.get("options") {
        None => Semantic::ExecuteAll,
        Some(Value::Object(options)) => match options.get("evaluations_semantic").map(Value::as_str) {
            None | Some(Some("execute_all")) => Semantic::ExecuteAll,
            Some(Some("deny_on_first_deny")) => Semantic::DenyOnFirstDeny,
            Some(Some("permit_on_first_permit")) => Semantic::PermitOnFirstPermit,
            Some(_) => return Err(Malformed("`evaluations_semantic` is none that there is")),
        },
        Some(_) => return Err(Malformed("`options` is no object")),
    };
    let each = |item: &Value| match item {
        Value::Object(item) => evaluation(item, &whole),
        _ => Err(Malformed("one of `evaluations` is no object")),
    };
    Ok(Asking::Several(items.iter().map(each).collect::<Result<_, _>>()?, semantic))
}

fn evaluation(own: &Map<String, Value>, shared: &Map<String, Value>) -> Result<Evaluation, Malformed> {
    let part = |name: &str, missing| match own.get(name).or_else(|| shared.get(name)) {
        Some(Value::Object(part)) => Ok(Some(part)),
        None => Ok(None),
        Some(_) => Err(Malformed(missing)),
    };
    let needed = |name: &str, missing| part(name, missing)?.ok_or(Malformed(missing));
    let subject = needed("subject", "there must be an object `subject`")?;
    let action = needed("action", "there must be an object `action`")?;
    let resource = needed("resource", "there must be an object `resource`")?;
    let context = part("context", "`context` is no object")?;
    for (object, member) in
        [(subject, "type"), (subject, "id"), (action, "name"), (resource, "type"), (resource, "id")]
    {
        if !object.get(member).is_some_and(Value::is_string) {
            return Err(Malformed("`subject` and `resource` need a `type` and an `id`, `action` a `name`"));
        }
    }
    let mut headers = headers(context)?;
    if let Some(token) = member(subject, "access_token")? {
        // SECURITY: who asks is proven by it alone; `id` and `type` are what somebody wrote.
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        headers.append(header::AUTHORIZATION, value.map_err(|_| Malformed("`access_token` is no token"))?);
    }
    let host = member(resource, "host")?;
    let text = |object: &Map<String, Value>, member: &str| {
        object.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    if text(resource, "type") != "route" {
        return Ok(Evaluation::Foreign);
    }
    Ok(match route(&text(action, "name"), &text(resource, "id"), host, headers) {
        Ok(question) => Evaluation::Route(Box::new(question)),
        Err(unclear) => Evaluation::Unclear(unclear),
    })
}

fn route(
    method: &str,
    target: &str,
    host: Option<&str>,
    mut headers: HeaderMap,
) -> Result<Question, Unclear> {
    let unclear = |detail| Unclear::Head(Refusal::BadRequest, detail);
    let method =
        Method::from_bytes(method.as_bytes()).map_err(|_| unclear("the name of the action is no method"))?;
    let target = target_of(target)?;
    let said = headers.remove(header::HOST);
    let said = said.as_ref().and_then(|host| host.to_str().ok());
    let host = match (host, said) {
        (Some(host), Some(said)) if !host.eq_ignore_ascii_case(said) => {
            return Err(unclear("the resource and the headers name two hosts"));
        }
        (host, said) => host.or(said).map(str::to_owned),
    };
    if let Some(host) = &host {
        let value = HeaderValue::try_from(host).ok().filter(|_| is_host(host));
        headers.insert(header::HOST, value.ok_or(unclear("the host of the resource is none"))?);
    }
    Ok(Question { method, host, target, headers, body: None })
}

/// A text among the properties of `object`.
fn member<'o>(object: &'o Map<String, Value>, name: &str) -> Result<Option<&'o str>, Malformed> {
    match object.get("properties") {
        None => Ok(None),
        Some(Value::Object(properties)) => match properties.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Malformed("`access_token` and `host` are texts")),
        },
        Some(_) => Err(Malformed("`properties` is no object")),
    }
}

/// The headers of the request, as `context.headers` has them: a text each, or several.
fn headers(context: Option<&Map<String, Value>>) -> Result<HeaderMap, Malformed> {
    let mut headers = HeaderMap::new();
    let told = match context.and_then(|context| context.get("headers")) {
        None => return Ok(headers),
        Some(Value::Object(told)) => told,
        Some(_) => return Err(Malformed("`context.headers` is no object")),
    };
    for (name, value) in told {
        let unfit = || Malformed("one of `context.headers` is no header");
        let name = HeaderName::try_from(name).map_err(|_| unfit())?;
        let lines = match value {
            Value::Array(lines) => lines.as_slice(),
            one => std::slice::from_ref(one),
        };
        for line in lines {
            let line = line.as_str().and_then(|line| HeaderValue::from_str(line).ok()).ok_or_else(unfit)?;
            if headers.len() >= MOST {
                return Err(Malformed("`context.headers` has more than 100"));
            }
            headers.append(name.clone(), line);
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asking() -> Value {
        json!({
            "subject": {"type": "user", "id": "root", "properties": {"access_token": "t.o.k"}},
            "action": {"name": "GET"},
            "resource": {"type": "route", "id": "/docs?x", "properties": {"host": "app.example"}},
        })
    }

    fn one(value: &Value) -> Result<Evaluation, Malformed> {
        match read(value.to_string().as_bytes(), false)? {
            Asking::One(evaluation) => Ok(*evaluation),
            Asking::Several(..) => panic!("several"),
        }
    }

    fn question(value: &Value) -> Box<Question> {
        match one(value) {
            Ok(Evaluation::Route(question)) => question,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_is_read_from_its_members() {
        let asked = question(&asking());
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", "/docs?x"));
        assert_eq!(asked.host.as_deref(), Some("app.example"));
        assert_eq!(asked.headers["authorization"], "Bearer t.o.k");
        let mut by_header = asking();
        by_header["subject"] = json!({"type": "user", "id": "root"});
        by_header["context"] = json!({"headers": {"Authorization": "DPoP a", "x-a": ["1", "2"]}});
        let asked = question(&by_header);
        assert_eq!(asked.headers["authorization"], "DPoP a");
        assert_eq!(asked.headers.get_all("x-a").iter().count(), 2);
    }

    #[test]
    fn what_a_subject_says_of_itself_is_no_header() {
        let mut nobody = asking();
        nobody["subject"] = json!({"type": "user", "id": "usr_owner", "properties": {"role": "owner"}});
        assert_eq!(question(&nobody).headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["host"]);
    }

    #[test]
    fn two_tokens_are_two_for_the_gate() {
        let mut both = asking();
        both["context"] = json!({"headers": {"authorization": "Bearer other"}});
        assert_eq!(question(&both).headers.get_all("authorization").iter().count(), 2);
    }

    #[test]
    fn what_is_no_question_is_malformed() {
        let mut bad = vec![json!([]), json!({}), json!("x")];
        for (pointer, value) in [
            ("/subject", json!("ann")),
            ("/subject/id", json!(1)),
            ("/subject/properties", json!([])),
            ("/subject/properties/access_token", json!({})),
            ("/subject/properties/access_token", json!("a\r\nb: c")),
            ("/action", json!(null)),
            ("/action/name", json!(["GET"])),
            ("/resource/id", json!(null)),
            ("/resource/properties/host", json!(1)),
        ] {
            let mut changed = asking();
            *changed.pointer_mut(pointer).expect("a member") = value;
            bad.push(changed);
        }
        for context in [
            json!([]),
            json!({"headers": []}),
            json!({"headers": {"a b": "c"}}),
            json!({"headers": {"a": 1}}),
        ] {
            let mut changed = asking();
            changed["context"] = context;
            bad.push(changed);
        }
        for value in bad {
            assert!(one(&value).is_err(), "{value}");
        }
        assert!(read(b"{", false).is_err());
    }

    #[test]
    fn a_request_with_two_readings_is_a_no_and_no_error() {
        for (pointer, value) in [
            ("/resource/id", "docs"),
            ("/resource/id", "/a#b"),
            ("/action/name", "G T"),
            ("/resource/properties/host", "a,b"),
        ] {
            let mut changed = asking();
            *changed.pointer_mut(pointer).expect("a member") = value.into();
            assert!(matches!(one(&changed), Ok(Evaluation::Unclear(_))), "{pointer} {value}");
        }
        let mut two = asking();
        two["context"] = json!({"headers": {"host": "other.example"}});
        assert!(matches!(one(&two), Ok(Evaluation::Unclear(_))));
        let mut foreign = asking();
        foreign["resource"]["type"] = "document".into();
        assert!(matches!(one(&foreign), Ok(Evaluation::Foreign)));
    }

    #[test]
    fn a_batch_shares_what_its_evaluations_do_not_say() {
        let mut batch = asking();
        batch["evaluations"] =
            json!([{}, {"resource": {"type": "route", "id": "/b"}}, {"action": {"name": "PUT"}}]);
        batch["options"] = json!({"evaluations_semantic": "deny_on_first_deny"});
        let Ok(Asking::Several(each, semantic)) = read(batch.to_string().as_bytes(), true) else {
            panic!("no batch")
        };
        assert_eq!(semantic, Semantic::DenyOnFirstDeny);
        let told = |evaluation: &Evaluation| match evaluation {
            Evaluation::Route(asked) => {
                let host = asked.host.clone().unwrap_or_default();
                format!("{} {host}{}", asked.method, asked.target)
            }
            other => panic!("{other:?}"),
        };
        let told: Vec<_> = each.iter().map(told).collect();
        assert_eq!(told, ["GET app.example/docs?x", "GET /b", "PUT app.example/docs?x"]);
        for broken in
            [json!({}), json!("x"), json!([1]), json!(vec![json!({}); 101]), json!([{"subject": 1}])]
        {
            batch["evaluations"] = broken;
            assert!(read(batch.to_string().as_bytes(), true).is_err());
        }
        batch["evaluations"] = json!([{}]);
        for broken in [json!([]), json!({"evaluations_semantic": "any"}), json!({"evaluations_semantic": 1})]
        {
            batch["options"] = broken;
            assert!(read(batch.to_string().as_bytes(), true).is_err());
        }
        batch["evaluations"] = json!([]);
        assert!(matches!(read(batch.to_string().as_bytes(), true), Ok(Asking::One(_))));
    }
}
