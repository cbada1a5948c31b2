//! Sends what the issuer has to tell applications ([`Courier`]).
//!
//! One connection for each message, ten seconds in all, no redirect; of the answer only the status counts. The name is
//! resolved here, and what is dialled is the very address that was looked at: a name that means something else the next
//! moment gains nothing.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::Full;
use hyper::client::conn::http1;
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
        let unreadable = || "the address cannot be read".to_owned();
        let uri: Uri = message.url.parse().map_err(|_| unreadable())?;
        let (Some(authority), Some(scheme)) = (uri.authority(), uri.scheme_str()) else {
            return Err(unreadable());
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::post(path)
            .header(header::HOST, authority.as_str())
            .header(header::CONTENT_TYPE, message.content_type)
            .header(header::USER_AGENT, "orgate");
        for (name, value) in message.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::from(message.body)).map_err(|error| error.to_string())?;
        let port = authority.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        let stream = connect(host, port, message.reach).await?;
        match scheme {
            "https" => {
                let tls = self.0.as_ref().map_err(Clone::clone)?;
                let name = ServerName::try_from(host.to_owned()).map_err(|_| unreadable())?;
                let stream = tls.connect(name, stream).await;
                exchange(stream.map_err(|_| "there is no TLS that can be trusted".to_owned())?, request).await
            }
            "http" => exchange(stream, request).await,
            _ => Err(unreadable()),
        }
    }
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

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    request: Request<Full<Bytes>>,
) -> Result<u16, String> {
    let broke_off = |_: hyper::Error| "the connection broke off".to_owned();
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MOST_HEAD);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(broke_off)?;
    tokio::pin!(connection);
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer.map(|answer| answer.status().as_u16()).map_err(broke_off),
        // Whoever closes behind the answer has answered.
        _ = &mut connection => answer.await.map(|answer| answer.status().as_u16()).map_err(broke_off),
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
