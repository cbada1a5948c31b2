//! The reverse proxy, asked over HTTP/1.1 and HTTP/2.

use http_body_util::{BodyExt as _, Empty};
use hyper::{Method, Request, Uri, body::Bytes, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use orgate_e2e::request_to;

use super::{Asked, PATIENCE, Seen, judged};

/// Sends exactly these bytes.
pub(crate) fn http1(base: &str, asked: &Asked<'_>) -> Seen {
    let mut headers: Vec<(&str, &str)> =
        asked.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    headers.extend(asked.host.map(|host| ("Host", host)));
    let answer = request_to(base, asked.method, asked.target, &headers);
    judged(asked, answer.status, &answer.body)
}

/// Sends what an HTTP/2 client can.
pub(crate) async fn http2(base: &str, asked: &Asked<'_>) -> Seen {
    let authority = base.strip_prefix("http://").unwrap();
    let uri = Uri::builder().scheme("http").authority(asked.host.unwrap_or(authority));
    let Ok(uri) = uri.path_and_query(asked.target).build() else {
        return Seen::CannotAsk("the client has no such target");
    };
    if uri.path_and_query().map(|target| target.as_str()) != Some(asked.target) {
        return Seen::CannotAsk("the client sends another target");
    }
    let mut request =
        Request::builder().method(Method::from_bytes(asked.method.as_bytes()).unwrap()).uri(uri);
    for (name, value) in asked.headers {
        request = request.header(name, value);
    }
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let stream = tokio::net::TcpStream::connect(authority).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let answer = tokio::time::timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await;
    let body = body.unwrap_or_else(|error| panic!("{} {}: {error:?}", asked.method, asked.target)).to_bytes();
    connection.abort();
    judged(asked, status, &String::from_utf8_lossy(&body))
}
