//! One session, several organizations: a session's token is for the organization that the rule binds; and what a browser is shown
//! that is refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::convert::Infallible;

use bytes::Bytes;
use common::{ISSUER, gate_in};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use orgate::{Gate, Principal};
use orgate_testkit::{Folder, Reply, Stub, TestKey, access_token_claims};
use tower::{Layer, ServiceExt, service_fn};

/// The answer of the server of sessions for an organization with this slug.
fn token(slug: Option<&str>) -> Reply {
    let mut claims = access_token_claims(ISSUER, "api", orgate::clock::now().seconds());
    for (name, value) in
        [("org_id", slug.map(|slug| format!("org_{slug}"))), ("org_slug", slug.map(str::to_owned))]
    {
        match value {
            Some(value) => claims[name] = value.into(),
            None => drop(claims.as_object_mut().unwrap().remove(name)),
        }
    }
    claims["org_permissions"] = ["read"][..].into();
    Reply::json(format!("{{\"token\":\"{}\"}}", TestKey::es256().mint(&claims)))
}

struct Stand {
    gate: Gate,
    server: Stub,
    _folder: Folder,
}

impl Stand {
    async fn new(exchange: &str, rest: &str) -> Self {
        let (folder, server) = (Folder::new(), Stub::start().await);
        server.set("/token", token(Some("acme")));
        for slug in ["acme", "globex"] {
            server.set(&format!("/token?org_id={slug}"), token(Some(slug)));
        }
        let policy = format!(
            "token: {{exchange: {{cookie: sid, url: \"{}/token\", field: token, {exchange}}}}}\n{rest}",
            server.url()
        );
        let gate = gate_in(&folder, "", &policy).await;
        Self { gate, server, _folder: folder }
    }

    /// Status, body and headers of a page that the browser navigates to.
    async fn open(&self, target: &str, headers: &[(&str, &str)]) -> (u16, String, HeaderMap) {
        let service = service_fn(|request: Request<Full<Bytes>>| async move {
            let caller = request.extensions().get::<Principal>();
            let slug = caller
                .and_then(|caller| caller.organization())
                .and_then(|org| org.slug.as_ref())
                .map(ToString::to_string);
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(slug.unwrap_or_default())))
        });
        let mut request = Request::get(target).header("cookie", "sid=s1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::default()).unwrap();
        let (parts, body) = self.gate.layer().layer(service).oneshot(request).await.unwrap().into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        (parts.status.as_u16(), body, parts.headers)
    }

    async fn ask(&self, target: &str) -> (u16, String) {
        let (status, body, _) = self.open(target, &[]).await;
        let code = body.split_once("\"code\":\"").and_then(|(_, rest)| rest.split('"').next());
        (status, code.unwrap_or(&body).to_owned())
    }
}

const RULES: &str = "bind: {query.org: org.slug, tenant: org.slug, team: [org.slug, sub]}
rules:
  GET /: authenticated
  GET /orgs/{org_slug}/notes: read
  GET /t/{tenant}: read
  GET /teams/{team}: read
  GET /quiet/{org_slug}: {require: read, hide: true}
  GET /unbound/{org_slug}: {require: read, unbound: [org_slug]}
";

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn let_in(slug: &str) -> (u16, String) {
    refused(200, slug)
}

#[tokio::test]
async fn each_tab_acts_for_the_organization_in_its_address() {
    for cache in ["cache: 60s", "cache: 0s"] {
        let stand = Stand::new(&format!("org: org_id, {cache}"), RULES).await;
        for _ in 0..3 {
            assert_eq!(stand.ask("/orgs/acme/notes").await, let_in("acme"));
            assert_eq!(stand.ask("/orgs/globex/notes").await, let_in("globex"));
            assert_eq!(stand.ask("/t/globex").await, let_in("globex"));
            assert_eq!(stand.ask("/").await, let_in("acme"), "where no rule binds one, the session's own");
        }
        if cache == "cache: 60s" {
            let asked =
                ["/token", "/token?org_id=acme", "/token?org_id=globex"].map(|path| stand.server.hits(path));
            assert_eq!(asked, [1, 1, 1]);
        }
    }
}

#[tokio::test]
async fn what_only_repeats_an_organization_chooses_none() {
    let stand = Stand::new("org: org_id, cache: 0s", RULES).await;
    assert_eq!(stand.ask("/?org=globex").await, refused(403, "org_mismatch"));
    assert_eq!(stand.ask("/orgs/acme/notes?org=globex").await, refused(403, "org_mismatch"));
    // It may be a person as well, and nobody may be asked for whom the server knows no organization.
    assert_eq!(stand.ask("/teams/globex").await, refused(403, "org_mismatch"));
    assert_eq!(stand.ask("/unbound/globex").await, let_in("acme"));
    assert_eq!(stand.server.hits("/token?org_id=globex"), 0);
}

#[tokio::test]
async fn whoever_is_no_member_is_refused_and_learns_nothing_that_is_hidden() {
    let stand = Stand::new("org: org_id, cache: 60s", RULES).await;
    assert_eq!(stand.ask("/orgs/initech/notes").await, refused(403, "org_mismatch"));
    assert_eq!(stand.ask("/quiet/initech").await, refused(404, "not_found"));
    assert_eq!(stand.ask("/quiet/acme").await, let_in("acme"));
    // A server that gives a token for another organization than it was asked for is not believed.
    stand.server.set("/token?org_id=initech", token(Some("acme")));
    assert_eq!(stand.ask("/orgs/initech/notes").await, refused(403, "org_mismatch"));
    stand.server.set("/token?org_id=hooli", token(None));
    assert_eq!(stand.ask("/orgs/hooli/notes").await, refused(403, "no_active_org"));
    // A yes is remembered, a no is not: whoever was invited meanwhile gets in.
    stand.server.set("/token?org_id=umbrella", Reply::status(404));
    assert_eq!(stand.ask("/orgs/umbrella/notes").await, refused(403, "org_mismatch"));
    stand.server.set("/token?org_id=umbrella", token(Some("umbrella")));
    assert_eq!(stand.ask("/orgs/umbrella/notes").await, let_in("umbrella"));
    stand.server.set("/token?org_id=down", Reply::status(500));
    assert_eq!(stand.ask("/orgs/down/notes").await, refused(503, "keys_unavailable"));
}

#[tokio::test]
async fn a_server_that_is_told_nothing_decides_by_the_session_alone() {
    let stand = Stand::new("cache: 0s", RULES).await;
    assert_eq!(stand.ask("/orgs/acme/notes").await, let_in("acme"));
    assert_eq!(stand.ask("/orgs/globex/notes").await, refused(403, "org_mismatch"));
}

const PAGES: &str = "deny: {pages: true, redirect: {login: /login, organizations: \"/choose?x=1\"}}\n";
const NAVIGATE: [(&str, &str); 1] = [("sec-fetch-mode", "navigate")];

#[tokio::test]
async fn a_browser_is_shown_a_page_that_offers_another_organization() {
    let stand = Stand::new("org: org_id, cache: 0s", &format!("{PAGES}{RULES}")).await;
    let (status, page, headers) = stand.open("/orgs/initech/notes", &NAVIGATE).await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (403, "text/html; charset=utf-8"));
    assert!(
        headers["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none'; style-src 'sha256-")
    );
    assert_eq!(headers["cache-control"], "no-store");
    assert!(page.contains("<main data-code=\"org_mismatch\">"), "{page}");
    // Who is no member would only come back here, so the way leads to the start.
    assert!(page.contains("<a href=\"/choose?x=1&amp;return_to=%2F\">Switch organization</a>"), "{page}");
    // Programs are answered as ever.
    assert_eq!(stand.ask("/orgs/initech/notes").await, refused(403, "org_mismatch"));
    // Where it is not the organization there is nothing to switch; what is hidden is nothing.
    for (target, status, code) in [("/quiet/initech", 404, "not_found"), ("/elsewhere", 403, "no_rule")] {
        let (is, page, _) = stand.open(target, &NAVIGATE).await;
        assert_eq!(is, status, "{target}");
        assert!(page.contains(&format!("data-code=\"{code}\"")) && !page.contains("<a "), "{page}");
    }
    // Whoever is signed out is sent to sign in.
    stand.server.set("/token?org_id=acme", Reply::status(401));
    let (status, _, headers) = stand.open("/orgs/acme/notes", &NAVIGATE).await;
    assert_eq!(
        (status, headers["location"].to_str().unwrap()),
        (303, "/login?return_to=%2Forgs%2Facme%2Fnotes")
    );
}

#[tokio::test]
async fn where_the_session_alone_decides_the_way_leads_back_to_the_page() {
    let stand = Stand::new("cache: 0s", &format!("{PAGES}{RULES}")).await;
    let (status, page, _) = stand.open("/orgs/globex/notes?a=%22", &NAVIGATE).await;
    assert_eq!(status, 403);
    let link = "<a href=\"/choose?x=1&amp;return_to=%2Forgs%2Fglobex%2Fnotes%3Fa%3D%2522\">";
    assert!(page.contains(link), "{page}");
    stand.server.set("/token", token(None));
    let (status, page, _) = stand.open("/orgs/globex/notes", &NAVIGATE).await;
    assert_eq!(status, 403);
    assert!(
        page.contains("data-code=\"no_active_org\"") && page.contains("Choose an organization</a>"),
        "{page}"
    );
}
