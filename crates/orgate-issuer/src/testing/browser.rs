//! A client of an issuer, with the forms and bodies that the tests of all slices send.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Mutex,
};

use axum::{Router, body::Body, extract::ConnectInfo};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{CALLBACK, ORIGIN, PASSWORD};
use crate::openapi;

/// An answer with its body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn location(&self) -> String {
        self.headers
            .get(header::LOCATION)
            .unwrap_or_else(|| panic!("{}: {}", self.status, self.text()))
            .to_str()
            .unwrap()
            .to_owned()
    }

    /// A parameter of the address the browser is sent to.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let location = self.location();
        let query = location.split_once('?')?.1;
        form_urlencoded::parse(query.as_bytes())
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
    }

    pub(crate) fn code(&self) -> Value {
        self.json()["code"].clone()
    }

    /// `data-code` of the page.
    pub(crate) fn page_code(&self) -> Option<String> {
        let text = self.text();
        let rest = text.split_once("<main data-code=\"")?.1;
        Some(rest.split_once('"')?.0.to_owned())
    }
}

/// A client that keeps cookies.
pub(crate) struct Browser {
    router: Router,
    /// Whether it speaks to an issuer whose document is that of most tests.
    is_usual: bool,
    cookies: Mutex<Vec<(String, String)>>,
    peer: Mutex<Option<IpAddr>>,
}

impl Browser {
    pub(super) fn new(router: Router, is_usual: bool) -> Self {
        Self { router, is_usual, cookies: Mutex::default(), peer: Mutex::default() }
    }

    /// From now on it comes from this address.
    pub(crate) fn travel(&self, peer: &str) {
        *self.peer.lock().unwrap() = Some(peer.parse().unwrap());
    }

    /// Drops every cookie.
    pub(crate) fn forget(&self) {
        self.cookies.lock().unwrap().clear();
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        uri: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Reply {
        let uri = uri.strip_prefix(ORIGIN).unwrap_or(uri);
        let mut request = Request::builder().method(method.clone()).uri(uri);
        let cookies: Vec<String> =
            self.cookies.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body)).unwrap();
        if let Some(peer) = *self.peer.lock().unwrap() {
            let address = SocketAddr::new(peer, 40_000);
            request.extensions_mut().insert(ConnectInfo(address));
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.set_cookie(name, value);
        }
        if self.is_usual {
            openapi::testing::check(&method, uri, parts.status, &parts.headers, &body);
        }
        Reply { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        let mut cookies = self.cookies.lock().unwrap();
        cookies.retain(|(known, _)| known != name);
        if !value.is_empty() {
            cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    pub(crate) async fn get(&self, uri: &str) -> Reply {
        self.send(Method::GET, uri, &[], String::new()).await
    }

    pub(crate) async fn form(&self, uri: &str, fields: &[(&str, &str)]) -> Reply {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(Method::POST, uri, &[("content-type", "application/x-www-form-urlencoded")], body).await
    }

    /// JSON as our own pages would send it.
    pub(crate) async fn json(&self, method: Method, uri: &str, body: &Value) -> Reply {
        let headers = [("content-type", "application/json"), ("origin", ORIGIN)];
        self.send(method, uri, &headers, body.to_string()).await
    }

    pub(crate) async fn token(&self, body: &Value) -> Reply {
        self.send(
            Method::POST,
            "/api/platform/token",
            &[("content-type", "application/json")],
            body.to_string(),
        )
        .await
    }

    pub(crate) async fn authorize(&self, more: &[(&str, &str)]) -> Reply {
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", "proj_p"),
            ("redirect_uri", CALLBACK),
            ("state", "st&1"),
        ];
        for (name, value) in more {
            fields.retain(|(known, _)| known != name);
            fields.push((name, value));
        }
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.get(&format!("/p/proj_p/authorize?{query}")).await
    }

    /// The sign-in page's answer to the password.
    pub(crate) async fn login(&self, email: &str, password: &str, more: &[(&str, &str)]) -> Reply {
        let request = self.authorize(more).await.parameter("request").unwrap();
        self.form("/p/proj_p/login", &[("email", email), ("password", password), ("request", &request)]).await
    }

    /// The picker's answer.
    pub(crate) async fn pick(&self, page: &Reply, org: &str) -> Reply {
        let request = page.parameter("request").unwrap();
        self.form("/p/proj_p/organizations/choose", &[("request", &request), ("org_id", org)]).await
    }

    /// A code by signing in and, if asked, picking.
    pub(crate) async fn code(&self, name: &str, org: Option<&str>, scope: &str) -> String {
        let mut reply = self.login(&format!("{name}@example.com"), PASSWORD, &[("scope", scope)]).await;
        if reply.location().contains("/organizations/choose") {
            reply = self.pick(&reply, org.unwrap()).await;
        }
        reply.parameter("code").unwrap_or_else(|| panic!("{reply:?}"))
    }

    pub(crate) async fn operator(&self, email: &str) -> Reply {
        let body = json!({ "email": email, "password": PASSWORD });
        self.json(Method::POST, "/api/platform/operators/login", &body).await
    }
}
