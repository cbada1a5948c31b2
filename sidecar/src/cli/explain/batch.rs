//! Many requests at once: one JSON object a line in, one a line out, in the same order.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
};

use orgate_claims::{ClaimValue, Principal};
use orgate_config::{PolicyFile, caller::Caller};
use serde_json::{Map, Value};

use super::{Answer, Question, json};
use crate::cli::Failure;

/// What a line may say.
const KEYS: [&str; 5] = ["method", "path", "host", "headers", "principal"];
/// What a line may say of its caller.
const CALLER_KEYS: [&str; 7] = ["sub", "roles", "permissions", "org_id", "org_slug", "claims", "via"];

pub(super) fn run(file: &PolicyFile, path: &Path) -> Result<(), Failure> {
    let name = path.display();
    let unreadable =
        |error: io::Error| Failure::could_not_run(format!("cannot read `{}`: {error}", path.display()));
    let input: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(path).map_err(unreadable)?))
    };
    let mut out = BufWriter::new(io::stdout().lock());
    for (number, line) in (1u64..).zip(input.lines()) {
        let line = line.map_err(unreadable)?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = answer(file, &line).map_err(|problem| {
            // What was answered before stands.
            let _ = out.flush();
            Failure::could_not_run(format!("{name}:{number}: {problem}"))
        })?;
        if writeln!(out, "{answer}").is_err() {
            return Ok(()); // nobody reads on
        }
    }
    let _ = out.flush();
    Ok(())
}

fn answer(file: &PolicyFile, line: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
    let request = object(&value, "the line", &KEYS)?;
    let text = |key: &str| match request.get(key) {
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(format!("`{key}` is not a text")),
        None => Err(format!("there is no `{key}`")),
    };
    let (method, path) = (text("method")?, text("path")?);
    let host = if request.contains_key("host") { Some(text("host")?) } else { None };
    let headers = headers(request.get("headers"))?;
    let via = request.get("principal").and_then(|principal| principal.get("via")?.as_str());
    let principal = principal(file, request.get("principal"))?;
    let principal = principal.as_ref();
    let now = orgate::clock::now();
    let question = Question { host, headers: &headers, principal, via, ..Question::new(method, path, now) };
    Ok(json::answer(&Answer::of(file, &question), file, principal))
}

fn principal(file: &PolicyFile, value: Option<&Value>) -> Result<Option<Principal>, String> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let map = object(value, "`principal`", &CALLER_KEYS)?;
    if !matches!(map.get("via"), None | Some(Value::Null | Value::String(_))) {
        return Err("`via` is not a text".to_owned());
    }
    let text = |key: &str| match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{key}` is not a text")),
    };
    let list = |key: &str| match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => {
            let items = items.iter().map(|item| item.as_str().map(str::to_owned));
            let items: Option<Vec<String>> = items.collect();
            items.map(Some).ok_or_else(|| format!("`{key}` is not a list of texts"))
        }
        Some(_) => Err(format!("`{key}` is not a list of texts")),
    };
    let description = Caller {
        sub: text("sub")?,
        org_id: text("org_id")?,
        org_slug: text("org_slug")?,
        roles: list("roles")?.unwrap_or_default(),
        permissions: list("permissions")?,
        claims: claims(map.get("claims"))?,
    };
    description.principal(file).map(Some)
}

/// What rules compare as `claims.NAME`.
fn claims(value: Option<&Value>) -> Result<Vec<(String, ClaimValue)>, String> {
    let map = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(map)) => map,
        Some(_) => return Err("`claims` is not an object".to_owned()),
    };
    let claim = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::String(text) => Some(ClaimValue::Text(text.as_str().into())),
            Value::Number(number) if number.is_i64() => Some(ClaimValue::Text(number.to_string().into())),
            Value::Bool(value) => Some(ClaimValue::Bool(*value)),
            Value::Array(items) => {
                let items: Option<Vec<Box<str>>> =
                    items.iter().map(|item| item.as_str().map(Into::into)).collect();
                items.map(ClaimValue::Set)
            }
            _ => None,
        };
        let problem =
            || format!("the claim `{}` is no text, integer, boolean or list of texts", name.escape_debug());
        value.map(|value| (name.clone(), value)).ok_or_else(problem)
    };
    map.iter().map(claim).collect()
}

/// Header fields; a value is a text or a list of texts.
fn headers(value: Option<&Value>) -> Result<Vec<(String, String)>, String> {
    let map = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(map)) => map,
        Some(_) => return Err("`headers` is not an object".to_owned()),
    };
    let mut headers = Vec::new();
    for (name, value) in map {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        for value in values {
            let text = value.as_str().ok_or_else(|| {
                format!("the header `{}` is neither a text nor a list of texts", name.escape_debug())
            })?;
            headers.push((name.clone(), text.to_owned()));
        }
    }
    Ok(headers)
}

fn object<'v>(value: &'v Value, name: &str, known: &[&str]) -> Result<&'v Map<String, Value>, String> {
    let map = value.as_object().ok_or_else(|| format!("{name} is not an object"))?;
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => {
            Err(format!("{name} has the unknown key `{}`; known: {}", key.escape_debug(), known.join(", ")))
        }
        None => Ok(map),
    }
}
