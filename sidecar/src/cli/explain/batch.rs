//! Many requests at once: one JSON object a line in, one a line out, in the same order.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
};

use orgate_claims::Principal;
use orgate_config::{PolicyFile, caller::Caller};
use serde_json::{Map, Value};

use super::Answer;
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
    // No rule of this version looks at either; they are read so that a line keeps its meaning.
    if request.contains_key("host") {
        text("host")?;
    }
    if !matches!(request.get("headers"), None | Some(Value::Object(_))) {
        return Err("`headers` is not an object".to_owned());
    }
    let principal = principal(file, request.get("principal"))?;
    Ok(Answer::of(file, method, path, principal.as_ref()).to_json(file, principal.as_ref()))
}

fn principal(file: &PolicyFile, value: Option<&Value>) -> Result<Option<Principal>, String> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let map = object(value, "`principal`", &CALLER_KEYS)?;
    if map.get("via").is_some_and(|via| !via.is_null()) {
        return Err("`via` is not supported by this version: no rule authenticates by it".to_owned());
    }
    if !matches!(map.get("claims"), None | Some(Value::Null | Value::Object(_))) {
        return Err("`claims` is not an object".to_owned());
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
    };
    description.principal(file).map(Some)
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
