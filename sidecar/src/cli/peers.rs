//! The flag that names who is believed about where requests come from.

use clap::Args;
use tracing::warn;

use super::settings::ListenerSettings;
use crate::trust::{Network, TrustedPeers};

/// Flags of a listener behind balancers or proxies.
#[derive(Debug, Args)]
pub(crate) struct PeerOptions {
    /// Continue the X-Forwarded-For and Forwarded of peers in this network; everybody else's are replaced. May be given
    /// several times [default: nobody].
    #[arg(long, env = "ORGATE_TRUST_PEER", value_name = "CIDR", value_delimiter = ',')]
    trust_peer: Vec<Network>,
}

impl PeerOptions {
    /// Who is believed, by the flags or else by the settings.
    pub(crate) fn or(&self, settings: &ListenerSettings) -> TrustedPeers {
        let networks = if self.trust_peer.is_empty() { &settings.trust_peers } else { &self.trust_peer };
        if networks.iter().any(Network::is_everybody) {
            warn!(
                "everybody is believed about where requests come from: name the networks of your own proxies"
            );
        }
        TrustedPeers::new(networks, settings.proxy_protocol.unwrap_or(false))
    }
}
