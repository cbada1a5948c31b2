//! What `docs/organizations.md` says is done here, row by row.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value;

use super::bare;
use crate::testing::{Browser, Site, site};

const PAGE: &str = include_str!("../../../../../docs/organizations.md");

/// The rows of the tables that are marked.
fn rows() -> Vec<(&'static str, &'static str, &'static str)> {
    PAGE.split("<!-- executed -->")
        .skip(1)
        .flat_map(|part| part.trim_start().lines().skip(2).take_while(|line| line.starts_with('|')))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            assert_eq!(cells.len(), 3, "{line}");
            (cells[0], cells[1].trim_matches('`'), cells[2])
        })
        .collect()
}

/// The token of the newest letter.
async fn token(site: &Site) -> String {
    let all = crate::mail::waiting(site.issuer.app()).await.unwrap();
    let link = all.first().and_then(|letter| letter["links"][0].as_str()).unwrap_or_default().to_owned();
    link.rsplit('/').next().unwrap_or_default().to_owned()
}

#[orgate_testkit::both]
async fn the_rows_of_the_page_are_so() {
    let site = site().await;
    let mut browsers: BTreeMap<&str, Browser> = BTreeMap::new();
    for name in ["owner", "admin", "member", "viewer", "x", "n"] {
        browsers.insert(name, site.signed_in(name).await);
    }
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    browsers.insert("operator", operator);
    let rows = rows();
    assert!(rows.len() > 30, "{}", rows.len());
    // What a row before has made.
    let mut id = String::new();
    for (who, request, answer) in rows {
        site.clock.advance(1);
        let base = if who == "operator" { "/api/platform/projects/proj_p" } else { "/v1/auth" };
        let mut words = request.splitn(3, ' ');
        let method = Method::from_bytes(words.next().unwrap().as_bytes()).unwrap();
        let path = format!("{base}{}", words.next().unwrap());
        let path = path.replace("{id}", &id).replace("{token}", &token(&site).await);
        let reply = match words.next() {
            None => bare(&browsers[who], method, &path).await,
            Some(body) => {
                let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{body}"));
                browsers[who].json(method, &path, &body).await
            }
        };
        if reply.status == 201 {
            id = reply.json()["id"].as_str().unwrap_or_default().to_owned();
        }
        let (status, body) = answer.split_once(' ').unwrap_or((answer, ""));
        assert_eq!(reply.status.as_str(), status, "{who} {request}: {}", reply.text());
        if let Ok(Value::Object(expected)) = serde_json::from_str(body.trim_matches('`')) {
            let reply = reply.json();
            for (name, value) in expected {
                assert_eq!(reply[&name], value, "{who} {request}: {name} of {reply}");
            }
        }
    }
}
