//! TLS to the upstream: whom to believe, and who to be. The files are followed as those of a listener are.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use hyper_rustls::ConfigBuilderExt as _;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs::default_provider};
use tokio::sync::Notify;
use tracing::{error, info};

use crate::serve::tls::{TlsError, certificates, follow, private_key};

/// What TLS to the upstream is made of.
#[derive(Clone, Debug, Default)]
pub struct UpstreamTlsFiles {
    /// The authorities that are believed; PEM. Those of the system where there is none.
    pub authorities: Option<PathBuf>,
    /// The certificate that is shown, with those that lead to its authority, and its private key; PEM.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// TLS to the upstream, as its files say. There is no way to leave its certificate unverified. Cheap to clone.
#[derive(Clone, Debug)]
pub struct UpstreamTls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: UpstreamTlsFiles,
    configs: ArcSwap<Configs>,
    /// What the files were like when they were read for the first time.
    begun_with: u64,
}

/// What connections are made with.
#[derive(Debug)]
pub(super) struct Configs {
    /// HTTP/2 or HTTP/1.1, as the upstream chooses.
    pub(super) either: Arc<ClientConfig>,
    /// HTTP/1.1 alone, for requests that switch to another protocol.
    pub(super) http1: Arc<ClientConfig>,
}

type Content = Result<Vec<u8>, TlsError>;

/// What stands in the files, or why they cannot be read.
#[derive(Hash)]
struct Contents {
    authorities: Option<Content>,
    own: Option<(Content, Content)>,
}

impl Contents {
    fn of(files: &UpstreamTlsFiles) -> Self {
        let read = |file: &PathBuf| {
            orgate_config::read_bytes(file).map_err(|error| TlsError::new(file, error.to_string()))
        };
        Self {
            authorities: files.authorities.as_ref().map(read),
            own: files.own.as_ref().map(|(certificate, key)| (read(certificate), read(key))),
        }
    }
}

impl UpstreamTls {
    /// TLS of these files.
    ///
    /// # Errors
    /// [`TlsError`], which names the file and what is wrong with it.
    pub fn load(files: &UpstreamTlsFiles) -> Result<Self, TlsError> {
        let contents = Contents::of(files);
        let configs = ArcSwap::from_pointee(configs(files, &contents)?);
        Ok(Self(Arc::new(Inner { files: files.clone(), configs, begun_with: follow::stamp(&contents) })))
    }

    /// What is in force, for one connection.
    pub(super) fn configs(&self) -> Arc<Configs> {
        self.0.configs.load_full()
    }

    /// Whether it is the very same, and not only of the same files.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Keeps it at what the files say, until the task is dropped, and tells `stale` whether it is not. Connections that stand
    /// are not ended.
    pub async fn follow(self, now: Arc<Notify>, stale: impl Fn(bool) + Send) {
        let files = self.0.files.clone();
        let read = move || Contents::of(&files);
        let tls = &self;
        follow::follow(self.0.begun_with, now, read, move |contents| stale(!tls.take(contents))).await;
    }

    /// Whether the files stand, and are what connections are made with from now on.
    fn take(&self, contents: &Contents) -> bool {
        match configs(&self.0.files, contents) {
            Ok(configs) => {
                self.0.configs.store(Arc::new(configs));
                info!("the files of TLS to an upstream were read again");
                true
            }
            Err(problem) => {
                error!("TLS to an upstream stays as it was: {problem}");
                false
            }
        }
    }
}

fn configs(files: &UpstreamTlsFiles, contents: &Contents) -> Result<Configs, TlsError> {
    let of_system = PathBuf::from("the system's authorities");
    let fail = |error: String| TlsError::new(files.authorities.as_ref().unwrap_or(&of_system), error);
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| fail(error.to_string()))?;
    let builder = match files.authorities.as_ref().zip(contents.authorities.as_ref()) {
        None => builder.with_native_roots().map_err(|error| fail(error.to_string()))?,
        Some((file, content)) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(file, bytes(content)?)? {
                roots.add(authority).map_err(|_| fail("a certificate in it cannot be read".to_owned()))?;
            }
            builder.with_root_certificates(roots)
        }
    };
    let config = match files.own.as_ref().zip(contents.own.as_ref()) {
        None => builder.with_no_client_auth(),
        Some(((certificate, key), (certificate_content, key_content))) => {
            let chain = certificates(certificate, bytes(certificate_content)?)?;
            let parsed = private_key(key, bytes(key_content)?)?;
            builder.with_client_auth_cert(chain, parsed).map_err(|_| {
                let problem = format!("it is not the key of the certificate `{}`", certificate.display());
                TlsError::new(key, problem)
            })?
        }
    };
    let offering = |names: &[&[u8]]| {
        let mut config = config.clone();
        config.alpn_protocols = names.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    };
    Ok(Configs { either: offering(&[HTTP2, HTTP1]), http1: offering(&[HTTP1]) })
}

fn bytes(content: &Content) -> Result<&[u8], TlsError> {
    content.as_deref().map_err(TlsError::clone)
}

pub(super) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";
