//! Refusals in the document: which statuses they have, and in which words they speak.

use std::collections::BTreeMap;

use http::StatusCode;

use super::{
    operation::{Answer, HTML, JSON, PROBLEM},
    shape::{Named, both, exactly, number, object, one_of, text, uri},
};
use crate::{
    http::{page::PageError, problem::Code},
    oauth::TokenError,
};

/// A refusal of everything but OAuth (RFC 9457).
const A_PROBLEM: Named = Named("Problem", || {
    object()
        .with("type", uri())
        .with("title", text())
        .with("status", number())
        .with("code", one_of(Code::ALL.iter().map(|code| code.as_str())))
        .may("detail", text())
        .may("field", text())
        .may("ticket", text())
        .may("reason", text())
        .may("organizations", text())
        .done()
});

/// A refusal of OAuth (RFC 6749 §5.2).
pub(crate) const OAUTH_ERROR: Named =
    Named("OAuthError", || object().with("error", text()).with("error_description", text()).done());

pub(super) fn add_problems(answers: &mut BTreeMap<u16, Answer>, codes: &[Code]) {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in Code::ALL.iter().filter(|code| codes.contains(code)) {
        by_status.entry(code.status().as_u16()).or_default().push(*code);
    }
    for (status, codes) in by_status {
        let answer = answers.entry(status).or_default();
        answer.about.extend(codes.iter().map(|code| code.title()));
        let these =
            object().with("status", exactly(status)).with("code", one_of(codes.iter().map(|c| c.as_str())));
        answer.content.insert(PROBLEM, both(A_PROBLEM, these));
        if codes.iter().any(|code| code.says_when()) {
            answer.headers.push("Retry-After");
        }
    }
}

pub(super) fn add_errors(answers: &mut BTreeMap<u16, Answer>, errors: &[TokenError]) {
    let mut by_status: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    for (status, name, _) in errors.iter().map(|error| error.row()) {
        let names = by_status.entry(status.as_u16()).or_default();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for (status, names) in by_status {
        let answer = answers.entry(status).or_default();
        answer.about.push("A refusal of OAuth.");
        answer.content.insert(JSON, both(OAUTH_ERROR, object().with("error", one_of(names))));
        if status == 503 {
            answer.headers.push("Retry-After");
        }
    }
}

pub(super) fn add_pages(answers: &mut BTreeMap<u16, Answer>, codes: &[&'static str]) {
    for code in codes {
        let (status, title) = PageError::new(code).shown();
        let answer = answers.entry(status.as_u16()).or_default();
        if !answer.about.contains(&title) {
            answer.about.push(title);
        }
        answer.content.insert(HTML, text());
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            answer.headers.push("Retry-After");
        }
    }
}
