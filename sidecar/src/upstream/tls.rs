//! TLS to the upstream: whom to believe, and who to be.

use std::{path::PathBuf, sync::Arc};

use hyper_rustls::ConfigBuilderExt as _;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs::default_provider};

use crate::serve::tls::{TlsError, certificates, private_key};

/// What TLS to the upstream is made of.
#[derive(Clone, Debug, Default)]
pub struct UpstreamTlsFiles {
    /// The authorities that are believed; PEM. Those of the system where there is none.
    pub authorities: Option<PathBuf>,
    /// The certificate that is shown, with those that lead to its authority, and its private key; PEM.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// TLS to the upstream. There is no way to leave its certificate unverified.
#[derive(Clone, Debug)]
pub struct UpstreamTls {
    /// HTTP/2 or HTTP/1.1, as the upstream chooses.
    pub(super) either: Arc<ClientConfig>,
    /// HTTP/1.1 alone, for requests that switch to another protocol.
    pub(super) http1: Arc<ClientConfig>,
}

impl UpstreamTls {
    /// TLS of these files, which are read once.
    ///
    /// # Errors
    /// [`TlsError`], which names the file and what is wrong with it.
    pub fn load(files: &UpstreamTlsFiles) -> Result<Self, TlsError> {
        let read = |file: &PathBuf| {
            orgate_config::read_bytes(file).map_err(|error| TlsError::new(file, error.to_string()))
        };
        let of_system = PathBuf::from("the system's authorities");
        let fail = |error: String| TlsError::new(files.authorities.as_ref().unwrap_or(&of_system), error);
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| fail(error.to_string()))?;
        let builder = match &files.authorities {
            None => builder.with_native_roots().map_err(|error| fail(error.to_string()))?,
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(file, &read(file)?)? {
                    roots
                        .add(authority)
                        .map_err(|_| fail("a certificate in it cannot be read".to_owned()))?;
                }
                builder.with_root_certificates(roots)
            }
        };
        let config = match &files.own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate, &read(certificate)?)?;
                let parsed = private_key(key, &read(key)?)?;
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
        Ok(Self { either: offering(&[HTTP2, HTTP1]), http1: offering(&[HTTP1]) })
    }
}

pub(super) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";
