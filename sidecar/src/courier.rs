//! Sends what the issuer has to tell applications ([`Courier`]).
//!
//! One connection for each message, ten seconds in all, no redirect; of the answer only the status counts, but for a text
//! that is got (the file by which a domain shows whose it is), which is short. The name is
//! resolved here, and what is dialled is the very address that was looked at: a name that means something else the next
//! moment gains nothing.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_rustls::ConfigBuilderExt;
use hyper_util::rt::TokioIo;
use orgate_issuer::{Courier, Message, Reach};
use rustls::{ClientConfig, crypto::aws_lc_rs::default_provider, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

const TIME: Duration = Duration::from_secs(10);
/// The most that the head of an answer may have.
const MOST_HEAD: usize = 64 * 1024;

/// The HTTP client behind it, over the system's authorities.
pub(crate) struct HttpCourier(Result<TlsConnector, String>);

impl std::fmt::Debug for HttpCourier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpCourier")
    }
}

impl HttpCourier {
    pub(crate) fn new() -> Self {
        Self(tls().map(|tls| TlsConnector::from(Arc::new(tls))))
    }

    async fn send(&self, message: Message<'_>) -> Result<u16, String> {
        let mut request = Request::post(message.url).header(header::CONTENT_TYPE, message.content_type);
        for (name, value) in message.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::from(message.body)).map_err(|_| unreadable())?;
        self.exchange(request, message.reach, |answer| async move { Ok(answer.status().as_u16()) }).await
    }

    async fn text(&self, url: &str, reach: &Reach, most: usize) -> Result<String, String> {
        let request = Request::get(url).body(Full::default()).map_err(|_| unreadable())?;
        let read = |answer: Response<Incoming>| async move {
            if answer.status() != StatusCode::OK {
                return Err(format!("the answer was {}", answer.status().as_u16()));
            }
            let body = Limited::new(answer.into_body(), most).collect().await;
            let body = body.map_err(|_| "the text is too long, or broke off".to_owned())?;
            String::from_utf8(body.to_bytes().into()).map_err(|_| "the text is not UTF-8".to_owned())
        };
        self.exchange(request, reach, read).await
    }

    /// Sends a request for a whole URL to where it leads, and reads the answer.
    async fn exchange<T, F: Future<Output = Result<T, String>>>(
        &self,
        mut request: Request<Full<Bytes>>,
        reach: &Reach,
        read: impl FnOnce(Response<Incoming>) -> F,
    ) -> Result<T, String> {
        let uri = request.uri().clone();
        let (Some(authority), Some(scheme)) = (uri.authority(), uri.scheme_str()) else {
            return Err(unreadable());
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse().map_err(|_| unreadable())?;
        let named = HeaderValue::from_str(authority.as_str()).map_err(|_| unreadable())?;
        request.headers_mut().insert(header::HOST, named);
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static("orgate"));
        let port = authority.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        let stream = connect(host, port, reach).await?;
        match scheme {
            "https" => {
                let tls = self.0.as_ref().map_err(Clone::clone)?;
                let name = ServerName::try_from(host.to_owned()).map_err(|_| unreadable())?;
                let stream = tls.connect(name, stream).await;
                let stream = stream.map_err(|_| "there is no TLS that can be trusted".to_owned())?;
                exchange(stream, request, read).await
            }
            "http" => exchange(stream, request, read).await,
            _ => Err(unreadable()),
        }
    }
}

fn unreadable() -> String {
    "the address cannot be read".to_owned()
}

fn tls() -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = builder.with_native_roots().map_err(|error| error.to_string())?;
    Ok(builder.with_no_client_auth())
}

/// A connection to the first address of `host` that may be dialled and answers.
async fn connect(host: &str, port: u16, reach: &Reach) -> Result<TcpStream, String> {
    let addresses = tokio::net::lookup_host((host, port)).await;
    let mut forbidden = false;
    for address in addresses.map_err(|_| "the name has no address".to_owned())? {
        if !reach.allows(address.ip()) {
            forbidden = true;
        } else if let Ok(stream) = TcpStream::connect(address).await {
            return Ok(stream);
        }
    }
    Err(if forbidden { "the name leads to an address that is not sent to" } else { "no connection" }
        .to_owned())
}

async fn exchange<T, F: Future<Output = Result<T, String>>>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    request: Request<Full<Bytes>>,
    read: impl FnOnce(Response<Incoming>) -> F,
) -> Result<T, String> {
    let broke_off = |_: hyper::Error| "the connection broke off".to_owned();
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MOST_HEAD);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(broke_off)?;
    tokio::pin!(connection);
    let answer = async { read(sender.send_request(request).await.map_err(broke_off)?).await };
    tokio::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // Whoever closes behind the answer has answered.
        _ = &mut connection => answer.await,
    }
}

impl Courier for HttpCourier {
    fn post<'a>(
        &'a self,
        message: Message<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<u16, String>> + Send + 'a>> {
        Box::pin(async move {
            let sent = tokio::time::timeout(TIME, self.send(message)).await;
            sent.unwrap_or_else(|_| Err("no answer in time".to_owned()))
        })
    }

    fn get<'a>(
        &'a self,
        url: &'a str,
        reach: &'a Reach,
        most: usize,
    ) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>> {
        Box::pin(async move {
            let got = tokio::time::timeout(TIME, self.text(url, reach, most)).await;
            got.unwrap_or_else(|_| Err("no answer in time".to_owned()))
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    #[tokio::test]
    async fn a_message_arrives_and_a_redirect_is_not_followed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/logout?a=b", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = vec![0; 4096];
            let mut length = 0;
            while !seen[..length].ends_with(b"logout_token=x") {
                length += stream.read(&mut seen[length..]).await.unwrap();
            }
            let answer = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            String::from_utf8_lossy(&seen[..length]).into_owned()
        });
        let (courier, here) = (HttpCourier::new(), Reach::new(true, Vec::new()));
        let message = Message::new(&url, FORM, "logout_token=x".to_owned(), &here);
        assert_eq!(courier.post(message.with("webhook-id", "evt_a".to_owned())).await, Ok(302));
        let seen = server.await.unwrap().to_ascii_lowercase();
        assert!(seen.starts_with("post /logout?a=b http/1.1\r\n") && seen.contains(FORM), "{seen}");
        assert!(
            seen.contains("\r\nwebhook-id: evt_a\r\n") && seen.contains("\r\nhost: 127.0.0.1:"),
            "{seen}"
        );
        let gone = courier.post(Message::new(&url, FORM, String::new(), &here)).await;
        assert!(gone.is_err_and(|why| !why.contains("127.0.0.1")), "nothing of the address is told");
    }

    /// Answers `answer` to one request, and gives the first line of it.
    async fn answering(answer: &'static [u8]) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/.well-known/x.txt", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = vec![0; 4096];
            let mut length = 0;
            while !seen[..length].ends_with(b"\r\n\r\n") {
                length += stream.read(&mut seen[length..]).await.unwrap();
            }
            // Whoever has heard enough may be gone.
            let _ = stream.write_all(answer).await;
            String::from_utf8_lossy(&seen[..length]).lines().next().unwrap_or_default().to_owned()
        });
        (url, server)
    }

    #[tokio::test]
    async fn a_short_text_is_got_and_nothing_else() {
        let (courier, here) = (HttpCourier::new(), Reach::new(true, Vec::new()));
        let good = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        let (url, server) = answering(good).await;
        assert_eq!(courier.get(&url, &here, 5).await.as_deref(), Ok("hello"));
        assert_eq!(server.await.unwrap(), "GET /.well-known/x.txt HTTP/1.1");
        for answer in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello!"[..],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nhello!\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n\xff",
            b"HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nhello",
            b"",
        ] {
            let (url, _server) = answering(answer).await;
            assert!(courier.get(&url, &here, 5).await.is_err(), "{}", String::from_utf8_lossy(answer));
        }
        let (url, server) = answering(good).await;
        assert!(courier.get(&url, &Reach::new(false, Vec::new()), 5).await.is_err(), "an address inside");
        server.abort();
    }

    /// Whatever a name is called, the address behind it decides; nobody is connected to.
    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_dialled() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (courier, strict) = (HttpCourier::new(), Reach::new(false, Vec::new()));
        for host in ["localhost", "127.0.0.1", "2130706433", "0x7f.1", "0.0.0.0", "[::ffff:127.0.0.1]"] {
            for scheme in ["http", "https"] {
                let url = format!("{scheme}://{host}:{port}/");
                let sent = courier.post(Message::new(&url, FORM, String::new(), &strict)).await;
                assert!(sent.is_err(), "{url}");
            }
        }
        let waiting = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
        assert!(waiting.is_err(), "nobody came");
        for url in ["", "/x", "ftp://127.0.0.1/", "file:///etc/passwd"] {
            let here = Reach::new(true, Vec::new());
            assert!(courier.post(Message::new(url, FORM, String::new(), &here)).await.is_err(), "{url}");
        }
    }
}
