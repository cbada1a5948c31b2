//! The doors of `orgate serve`, asked as the proxies that use them ask.

use orgate_e2e::{Response, request, request_to};
use serde_json::{Value, json};

use super::{Asked, Seen, TWO_FAMILIES, judged};

/// Traefik's and Caddy's question: a request of its own, and what it is about in headers.
pub(crate) fn forwarded(base: &str, asked: &Asked<'_>) -> Seen {
    let host = asked.host.unwrap_or("app.example");
    let mut headers = vec![
        ("X-Forwarded-Method", asked.method),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", host),
        ("X-Forwarded-Uri", asked.target),
    ];
    headers.extend(asked.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let answer = request_to(base, "GET", "/verify", &headers);
    speaks_for_two(asked, &answer).unwrap_or_else(|| told(asked, &answer))
}

/// nginx's question, as its documentation has it; the reason comes in a header of its own.
pub(crate) fn original(base: &str, asked: &Asked<'_>) -> Seen {
    let url = format!("https://{}{}", asked.host.unwrap_or("app.example"), asked.target);
    let mut headers = vec![("X-Original-Method", asked.method), ("X-Original-URL", &*url)];
    headers.extend(asked.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let answer = request_to(base, "GET", "/nginx", &headers);
    if let Some(seen) = speaks_for_two(asked, &answer) {
        return seen;
    }
    let Some(refused) = answer.header("x-orgate-refused") else { return told(asked, &answer) };
    let (status, code) = refused.split_once(' ').unwrap();
    let status: u16 = status.parse().unwrap();
    let understood = match status {
        401 => 401,
        500.. => 500,
        _ => 403,
    };
    assert_eq!(answer.status, understood, "{} {}", asked.method, asked.target);
    Seen::Refused { status, code: Some(code.to_owned()) }
}

/// Envoy's question over HTTP: the request itself.
pub(crate) fn ext_authz(base: &str, asked: &Asked<'_>) -> Seen {
    let mut headers: Vec<(&str, &str)> = vec![("Host", asked.host.unwrap_or("app.example"))];
    headers.extend(asked.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    told(asked, &request_to(base, asked.method, asked.target, &headers))
}

/// A client that writes headers of the family that its front does not write is refused (400), whatever it asks.
fn speaks_for_two(asked: &Asked<'_>, answer: &Response) -> Option<Seen> {
    let is_of_a_family = |(name, _): &(String, String)| name.eq_ignore_ascii_case("x-original-url");
    asked.headers.iter().any(is_of_a_family).then(|| {
        assert_eq!(answer.json()["code"], "bad_request", "{} {}", asked.method, asked.target);
        Seen::CannotAsk(TWO_FAMILIES)
    })
}

fn told(asked: &Asked<'_>, answer: &Response) -> Seen {
    match judged(asked, answer.status, &answer.body) {
        Seen::Allowed { .. } => Seen::Allowed {
            target: None,
            // Empty where there is nothing to tell, so that a client's own is overwritten.
            subject: answer.header("x-orgate-sub").filter(|told| !told.is_empty()).map(str::to_owned),
        },
        seen => seen,
    }
}

/// A question of AuthZEN.
pub(crate) fn authzen(base: &str, asked: &Asked<'_>) -> Seen {
    let mut headers = serde_json::Map::new();
    for (name, value) in
        asked.headers.iter().filter(|(name, _)| asked.token.is_none() || name != "Authorization")
    {
        let lines = headers.entry(name.to_lowercase()).or_insert_with(|| json!([]));
        lines.as_array_mut().unwrap().push(json!(value));
    }
    let mut subject = json!({"type": "user", "id": "usr_somebody"});
    if let Some(token) = asked.token {
        subject["properties"] = json!({"access_token": token});
    }
    let question = json!({
        "subject": subject,
        "action": {"name": asked.method},
        "resource": {
            "type": "route",
            "id": asked.target,
            "properties": {"host": asked.host.unwrap_or("app.example")},
        },
        "context": {"headers": headers},
    });
    let url = format!("{base}/access/v1/evaluation");
    let answer = request("POST", &url, &[("Content-Type", "application/json")], Some(&question.to_string()));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let decided: Value = answer.json();
    if decided["decision"] == true {
        return Seen::Allowed { target: None, subject: None };
    }
    let status = decided["context"]["status"].as_u64().unwrap().try_into().unwrap();
    Seen::Refused { status, code: decided["context"]["code"].as_str().map(str::to_owned) }
}
