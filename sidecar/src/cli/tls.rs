//! The flags of TLS, towards clients and towards the upstream.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Failure, settings::TlsSettings};
use crate::{
    serve::tls::{ClientCertificates, Tls, TlsFiles},
    upstream::{UpstreamTls, UpstreamTlsFiles},
};

/// Flags of a listener that may speak TLS.
#[derive(Debug, Args)]
pub(crate) struct TlsOptions {
    /// Serve TLS with this certificate: a PEM file, the server's own first. Read again when it changes, and on SIGHUP.
    #[arg(long, env = "ORGATE_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert: a PEM file without a passphrase.
    #[arg(long, env = "ORGATE_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Ask clients for a certificate of one of these authorities: a PEM file.
    #[arg(long, env = "ORGATE_TLS_CLIENT_CA", value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// Whether a client may come without one.
    #[arg(
        long,
        env = "ORGATE_TLS_CLIENT_AUTH",
        value_name = "WHEN",
        requires = "tls_client_ca",
        value_enum,
        default_value_t
    )]
    tls_client_auth: ClientAuth,
}

/// Whether clients need a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ClientAuth {
    /// A client without a certificate is turned away.
    #[default]
    Required,
    /// A client may come without a certificate; one that does not stand is turned away all the same.
    Optional,
}

impl TlsOptions {
    /// TLS, if the flags say so, or else the settings.
    pub(crate) fn load(&self, settings: &TlsSettings) -> Result<Option<Tls>, Failure> {
        let (own, authorities, required) = match self.tls_cert.clone().zip(self.tls_key.clone()) {
            Some(own) => (own, &self.tls_client_ca, self.tls_client_auth == ClientAuth::Required),
            None => match &settings.own {
                Some(own) => (own.clone(), &settings.client_ca, settings.client_required.unwrap_or(true)),
                None => return Ok(None),
            },
        };
        let clients = authorities.clone().map(|authorities| ClientCertificates { authorities, required });
        let files = TlsFiles { certificate: own.0, key: own.1, http2: true, clients };
        Tls::load(files).map(Some).map_err(Failure::could_not_run)
    }
}

/// Flags of an upstream that speaks TLS.
#[derive(Debug, Args)]
pub(crate) struct UpstreamTlsOptions {
    /// Believe an https upstream by these authorities: a PEM file [default: those of the system].
    #[arg(long, env = "ORGATE_UPSTREAM_CA", value_name = "FILE")]
    upstream_ca: Option<PathBuf>,
    /// Show an https upstream this certificate: a PEM file, our own first.
    #[arg(long, env = "ORGATE_UPSTREAM_CERT", value_name = "FILE", requires = "upstream_key")]
    upstream_cert: Option<PathBuf>,
    /// The private key of --upstream-cert: a PEM file without a passphrase.
    #[arg(long, env = "ORGATE_UPSTREAM_KEY", value_name = "FILE", requires = "upstream_cert")]
    upstream_key: Option<PathBuf>,
}

impl UpstreamTlsOptions {
    /// TLS to the upstream, if the flags say something of it.
    pub(crate) fn load(&self) -> Result<Option<UpstreamTls>, Failure> {
        let own = self.upstream_cert.clone().zip(self.upstream_key.clone());
        let files = UpstreamTlsFiles { authorities: self.upstream_ca.clone(), own };
        if files.authorities.is_none() && files.own.is_none() {
            return Ok(None);
        }
        UpstreamTls::load(&files).map(Some).map_err(Failure::could_not_run)
    }
}
