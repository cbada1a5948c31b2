//! TLS in front of a listener: rustls over aws-lc-rs, TLS 1.2 and 1.3, no early data.
//!
//! Certificate, key and the authorities of clients are files, and are read again while the listener serves ([`Tls::follow`]).
//! Files that do not stand never replace ones that do. Each handshake takes what is in force when it begins.
//!
//! Where clients show certificates, no session is resumed: a resumed one is not verified again, and the authorities, or the
//! certificate's time, may have changed since.

pub(crate) mod follow;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use orgate::CertificateThumbprint;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs::default_provider},
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::socket::Socket;

/// What TLS is made of.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate of the server first, then those that lead to its authority; PEM.
    pub certificate: PathBuf,
    /// Its private key; PEM.
    pub key: PathBuf,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
    /// Whether clients show certificates, and which are believed.
    pub clients: Option<ClientCertificates>,
}

/// Certificates of clients (mutual TLS).
#[derive(Clone, Debug)]
pub struct ClientCertificates {
    /// The authorities that are believed; PEM.
    pub authorities: PathBuf,
    /// Whether a client without a certificate is turned away. One whose certificate does not stand always is.
    pub required: bool,
}

/// What a handshake has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secured {
    /// The certificate that the client proved to have, as `x5t#S256` says it (RFC 8705 §3.1).
    pub client_certificate: Option<CertificateThumbprint>,
}

/// TLS of one listener, as its files say. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
    /// What the files were like when they were read for the first time.
    begun_with: u64,
}

impl Tls {
    /// TLS of these files.
    ///
    /// # Errors
    /// [`TlsError`], which names the file and what is wrong with it.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let contents = follow::Contents::of(&files);
        let config = ArcSwap::from_pointee(config(&files, &contents)?);
        Ok(Self(Arc::new(Inner { begun_with: contents.stamp(), files, config })))
    }

    /// Takes the client through the handshake; also, whether it chose HTTP/2.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<(Socket, Secured, bool)> {
        let stream = TlsAcceptor::from(self.0.config.load_full()).accept(stream).await?;
        let (_, session) = stream.get_ref();
        let leaf = session.peer_certificates().and_then(<[_]>::first);
        let secured = Secured { client_certificate: leaf.map(|leaf| CertificateThumbprint::of_der(leaf)) };
        let is_http2 = session.alpn_protocol() == Some(HTTP2);
        Ok((Socket::Tls(Box::new(stream.into())), secured, is_http2))
    }
}

fn config(files: &TlsFiles, contents: &follow::Contents) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(default_provider());
    let key_fails = |error: rustls::Error| TlsError::new(&files.key, error.to_string());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(key_fails)?;
    let builder = match &files.clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            builder.with_client_cert_verifier(verifier(clients, contents.authorities()?, provider)?)
        }
    };
    let chain = certificates(&files.certificate, contents.certificate()?)?;
    let key = private_key(&files.key, contents.key()?)?;
    let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            let problem = format!("it is not the key of the certificate `{}`", files.certificate.display());
            TlsError::new(&files.key, problem)
        }
        rustls::Error::InvalidCertificate(_) => {
            TlsError::new(&files.certificate, "its first certificate cannot be read".to_owned())
        }
        error => key_fails(error),
    })?;
    if files.http2 {
        config.alpn_protocols.push(HTTP2.to_vec());
    }
    config.alpn_protocols.push(b"http/1.1".to_vec());
    if files.clients.is_some() {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

fn verifier(
    clients: &ClientCertificates,
    authorities: &[u8],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let fail = |problem: String| TlsError::new(&clients.authorities, problem);
    let mut roots = RootCertStore::empty();
    for authority in certificates(&clients.authorities, authorities)? {
        roots.add(authority).map_err(|_| fail("a certificate in it cannot be read".to_owned()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if clients.required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| fail(error.to_string()))
}

/// The private key in a PEM file.
pub(crate) fn private_key(file: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| {
        let problem = match error {
            pem::Error::NoItemsFound => "there is no private key in it".to_owned(),
            // What else it says may quote the file.
            _ => "it is not PEM".to_owned(),
        };
        TlsError::new(file, problem)
    })
}

/// The certificates in a PEM file; at least one.
pub(crate) fn certificates(file: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::new(file, "it is not PEM".to_owned()))?;
    match found.is_empty() {
        true => Err(TlsError::new(file, "there is no certificate in it".to_owned())),
        false => Ok(found),
    }
}

/// Files of which no TLS can be made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsError {
    file: PathBuf,
    problem: String,
}

impl TlsError {
    pub(crate) fn new(file: &Path, problem: String) -> Self {
        Self { file: file.to_owned(), problem }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no TLS with `{}`: {}\nhelp: certificates and keys are PEM files, a key without a passphrase, and \
             the server's own certificate comes first",
            self.file.display(),
            self.problem
        )
    }
}

impl std::error::Error for TlsError {}

const HTTP2: &[u8] = b"h2";
