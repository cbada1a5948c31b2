//! What a policy file may say, and how everything else is named.

mod authenticators;
mod bad_input;
mod claims;
mod feeds;
mod files;
mod formats;
mod includes;
mod issuers;
mod limits;
mod lints;
mod modes;
mod options;
mod paths;
mod policies;
mod profiles;
mod properties;
mod rates;
mod sections;
mod senders;

use super::compile;
use crate::{PolicyFile, diagnostic::Diagnostics};

/// An environment with a few variables.
fn environment(name: &str) -> Option<String> {
    match name {
        "HOST" => Some("auth.example.com".to_owned()),
        "INSECURE" => Some("http://auth.example.com".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn read(text: &str) -> Result<PolicyFile, Diagnostics> {
    compile("orgate.yaml", text.as_bytes(), &environment)
}

fn accepted(text: &str) -> PolicyFile {
    read(text).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

/// What is wrong with a file.
fn findings(text: &str) -> String {
    match read(text) {
        Ok(file) if file.warnings.is_empty() => format!("nothing; {}", file.size()),
        Ok(file) => file.warnings.render(false),
        Err(diagnostics) => diagnostics.render(false),
    }
}

/// What is wrong with `lines` where the rest of the file is right.
fn findings_with(lines: &str) -> String {
    let mut text = "version: 1\n".to_owned();
    if !lines.contains("issuers:") {
        text.push_str(
            "issuers: {main: {issuer: https://a.example, audience: api, profile: orgate, feed: off}}\n",
        );
    }
    text.push_str(lines);
    if !lines.contains("rules:") {
        text.push_str("rules: {GET /healthz: public}\n");
    }
    findings(&text)
}

/// What is wrong with the entries of one issuer.
fn findings_of_issuer(entries: &str) -> String {
    findings_with(&format!("issuers:\n  main: {{{entries}}}\n"))
}

macro_rules! check {
    ($findings:expr, @$expect:literal) => {
        insta::assert_snapshot!($findings, @$expect)
    };
}
use check;
