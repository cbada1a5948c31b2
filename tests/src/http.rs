//! A plain HTTP/1.1 client: what it sends is what the test wrote.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// An answer, read until the server closed the connection.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers, names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Response {
    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Status and reason code, `200` or `403 missing_permission`.
    #[must_use]
    pub fn verdict(&self) -> String {
        let code = serde_json::from_str::<serde_json::Value>(&self.body).ok();
        match code.as_ref().and_then(|body| body["code"].as_str()).filter(|_| self.status >= 400) {
            Some(code) => format!("{} {code}", self.status),
            None => self.status.to_string(),
        }
    }
}

/// Sends one request to `url` and reads the answer. `headers` are sent as they are.
#[must_use]
pub fn request(method: &str, url: &str, headers: &[(&str, &str)], body: Option<&str>) -> Response {
    let rest = url.strip_prefix("http://").expect("an http URL");
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    send(method, authority, path, headers, body)
}

/// Sends one request without a body to the server at `base`, with exactly this request target. A `Host` among the headers
/// takes the place of the server's.
#[must_use]
pub fn request_to(base: &str, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
    send(method, base.strip_prefix("http://").expect("an http URL"), target, headers, None)
}

/// Sends one request to a server that may end at any moment.
///
/// # Errors
/// If there was no whole answer.
pub fn try_request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> io::Result<Response> {
    let rest = url.strip_prefix("http://").expect("an http URL");
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    try_send(method, authority, path, headers, body)
}

fn send(method: &str, authority: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Response {
    try_send(method, authority, path, headers, body)
        .unwrap_or_else(|error| panic!("{method} {path} at {authority}: {error}"))
}

fn try_send(
    method: &str,
    authority: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> io::Result<Response> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text.push_str(&format!("host: {authority}\r\n"));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = body {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body.unwrap_or_default());
    let mut stream = TcpStream::connect(authority)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer, method)
}

fn parse(answer: &[u8], method: &str) -> io::Result<Response> {
    let text = String::from_utf8_lossy(answer).into_owned();
    let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, format!("no whole answer: {text:?}"));
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(cut)?;
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    // RFC 9110 §8.6: where there is no body by definition, the length is that of another answer.
    let has_body = method != "HEAD" && !matches!(status, 204 | 304);
    let length = headers.iter().find(|(name, _)| has_body && name == "content-length");
    if length.is_some_and(|(_, length)| length.parse().is_ok_and(|length: usize| body.len() < length)) {
        return Err(cut());
    }
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    Ok(Response { status, headers, body: if chunked { dechunk(body) } else { body.to_owned() } })
}

fn dechunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        let (chunk, after) = rest.split_at(size);
        whole.push_str(chunk);
        body = after.strip_prefix("\r\n").unwrap();
    }
    whole
}
