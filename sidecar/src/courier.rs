//! Sends what the issuer has to tell applications ([`Courier`]).
//!
//! One connection for each message, five seconds in all, no redirect; of the answer only the status counts.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use orgate_issuer::Courier;
use rustls::{ClientConfig, crypto::aws_lc_rs::default_provider};

const TIME: Duration = Duration::from_secs(5);

/// The HTTP client behind it, over the system's authorities.
#[derive(Debug)]
pub(crate) struct HttpCourier(Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, String>);

impl HttpCourier {
    pub(crate) fn new() -> Self {
        Self(tls().map(|tls| {
            let connector =
                HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
            Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)
        }))
    }
}

fn tls() -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = builder.with_native_roots().map_err(|error| error.to_string())?;
    Ok(builder.with_no_client_auth())
}

impl Courier for HttpCourier {
    fn post<'a>(
        &'a self,
        url: &'a str,
        content_type: &'static str,
        body: String,
    ) -> Pin<Box<dyn Future<Output = Result<u16, String>> + Send + 'a>> {
        Box::pin(async move {
            let client = self.0.as_ref().map_err(Clone::clone)?;
            let request = Request::post(url)
                .header(header::CONTENT_TYPE, content_type)
                .body(Full::from(body))
                .map_err(|error| error.to_string())?;
            match tokio::time::timeout(TIME, client.request(request)).await {
                Ok(Ok(response)) => Ok(response.status().as_u16()),
                Ok(Err(error)) if error.is_connect() => Err("no connection".to_owned()),
                Ok(Err(_)) => Err("the connection broke off".to_owned()),
                Err(_) => Err("no answer in time".to_owned()),
            }
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

    #[tokio::test]
    async fn a_message_arrives_and_a_redirect_is_not_followed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/logout", listener.local_addr().unwrap());
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
        let courier = HttpCourier::new();
        let form = "application/x-www-form-urlencoded";
        assert_eq!(courier.post(&url, form, "logout_token=x".to_owned()).await, Ok(302));
        let seen = server.await.unwrap();
        assert!(seen.starts_with("POST /logout HTTP/1.1\r\n") && seen.contains(form), "{seen}");
        let gone = courier.post(&url, form, String::new()).await;
        assert!(gone.is_err_and(|why| !why.contains("127.0.0.1")), "nothing of the address is told");
    }
}
