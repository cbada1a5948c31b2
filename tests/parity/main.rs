//! One corpus through every door: one verdict, one reason.
//!
//! Every case of `tests/corpus` is sent by a client to real processes and to an application behind the layer, and described to
//! `orgate explain`. What differs is a failure, and the table of what was asked is printed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod callers;
mod corpus;
mod doors;
mod table;

use orgate_e2e::Folder;
use orgate_testkit::{TestKey, jwks};

use crate::{
    callers::Credential,
    corpus::{Case, Chapter, Verdict, chapters},
    doors::{Asked, Seen, Stand},
    table::Table,
};

/// The SHA-256 of `open sesame`.
const OPEN_SESAME: &str = "41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb";

#[test]
fn every_door_gives_the_verdict_of_the_corpus() {
    let chapters = chapters();
    let folder = Folder::new();
    folder.write("keys.json", &jwks([TestKey::es256()]));
    folder.write("ci.sha256", OPEN_SESAME);
    folder.write("orgate.yaml", &chapters[0].policy);
    let mut stand = Stand::start(&folder);
    let mut table = Table::new(stand.names());
    let mut wrong = Vec::new();
    for chapter in &chapters {
        folder.write("orgate.yaml", &chapter.policy);
        stand.reload(&chapter.name);
        for case in &chapter.cases {
            ask(&mut stand, chapter, case, &mut table, &mut wrong);
        }
    }
    table.print();
    assert!(wrong.is_empty(), "{} verdicts differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(table.cases() > 300, "{} cases", table.cases());
}

fn ask(stand: &mut Stand, chapter: &Chapter, case: &Case, table: &mut Table, wrong: &mut Vec<String>) {
    let (credential, subject) = callers::credential(&case.caller);
    let mut headers = case.headers.clone();
    let token = match credential {
        Credential::Bearer(token) => {
            headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
            Some(token)
        }
        Credential::InHeaders => {
            headers.iter_mut().for_each(|(_, value)| *value = callers::filled(value));
            None
        }
        Credential::None => None,
    };
    let asked = Asked {
        method: &case.method,
        target: &case.target,
        host: case.host.as_deref(),
        headers: &headers,
        token: token.as_deref(),
        is_described: case.caller != "in headers",
    };
    table.begin(&chapter.name);
    for (door, seen) in stand.ask(&asked) {
        let problem = match (&case.verdict, &seen) {
            (Verdict::Allow, Seen::Allowed { target, subject: told }) => {
                let expected = subject.filter(|_| told.is_some());
                match () {
                    () if target.as_ref().is_some_and(|target| *target != case.target) => {
                        Some(format!("the application got {target:?}"))
                    }
                    () if case.caller != "in headers" && told.as_deref() != expected => {
                        Some(format!("the application was told {told:?}"))
                    }
                    () => None,
                }
            }
            (Verdict::Refuse(status, code), Seen::Refused { status: got, code: reason }) => (got != status
                || reason.as_ref().is_some_and(|reason| reason != code))
            .then(|| format!("{got} {reason:?}")),
            // Something in front of us refused what we would have refused.
            (Verdict::Refuse(..), Seen::InFront(_)) | (Verdict::Refuse(..), Seen::CannotAsk(_)) => None,
            (Verdict::Allow, Seen::CannotAsk(reason)) if doors::may_pass_over(reason) => None,
            (Verdict::Allow, Seen::InFront(status)) => Some(format!("{status} without a code")),
            (_, seen) => Some(format!("{seen:?}")),
        };
        table.add(door, &seen, problem.is_none());
        if let Some(problem) = problem {
            wrong.push(format!(
                "{}:{} {} {} as {}, {door}: expected {:?}, got {problem}",
                chapter.name, case.line, case.method, case.target, case.caller, case.verdict
            ));
        }
    }
}
