//! `orgate explain`, which is told of a request instead of getting it.

use std::path::Path;

use orgate_e2e::orgate;
use serde_json::Value;

use super::{Asked, MISTYPED, ONLY_DESCRIBED, Seen};

pub(crate) fn ask(folder: &Path, asked: &Asked<'_>) -> Seen {
    if !asked.is_described {
        return Seen::CannotAsk(ONLY_DESCRIBED);
    }
    let upper = asked.method.to_ascii_uppercase();
    if upper != asked.method {
        return Seen::CannotAsk(MISTYPED);
    }
    let mut program = orgate().args(["explain", "--format", "json"]).folder(folder);
    if let Some(host) = asked.host {
        program = program.args(["--host", host]);
    }
    for (name, value) in asked.headers.iter().filter(|(name, _)| name != "Authorization") {
        program = program.args(["-H", &format!("{name}:{value}")]);
    }
    if let Some(token) = asked.token {
        program = program.env("ORGATE_TOKEN", token);
    }
    let finished = program.args(["--", asked.method, asked.target]).finish();
    assert_eq!(finished.code, Some(0), "{} {}: {}", asked.method, asked.target, finished.stderr);
    let told: Value = serde_json::from_str(&finished.stdout).unwrap();
    if told["decision"] == "allow" {
        return Seen::Allowed { target: None, subject: told["principal"]["sub"].as_str().map(str::to_owned) };
    }
    let status = told["status"].as_u64().unwrap().try_into().unwrap();
    Seen::Refused { status, code: told["code"].as_str().map(str::to_owned) }
}
