//! How many connections the process can really hold.
//!
//! Each exchange of the proxy takes two file descriptors, one to each side. When they run out nobody gets in, the probe
//! of the orchestrator included; so the soft limit is raised to the hard one, and connections are bounded below it.

use tracing::warn;

use super::{Http2Limits, Limits};

/// Descriptors that connections never take: listeners, databases, the admin listener.
const RESERVED: u64 = 96;
/// Connections of a listener that only probes and scrapers use.
const ADMIN_CONNECTIONS: usize = 64;

impl Limits {
    /// The default limits, as far as the process's file descriptors carry them. Raises the soft limit first.
    #[must_use]
    pub fn of_this_process() -> Self {
        let limits = Self::default();
        match rlimit::increase_nofile_limit(u64::MAX) {
            Ok(descriptors) => {
                Self { connections: limits.connections.min(connections(descriptors)), ..limits }
            }
            Err(error) => {
                warn!(%error, "cannot raise the limit of open files");
                limits
            }
        }
    }

    /// The same for a listener that serves HTTP/2 as well, where one connection may hold many exchanges, and so many
    /// descriptors to the other side.
    #[must_use]
    pub fn with_http2(self) -> Self {
        let third = (self.connections * 2 / 3).max(8);
        Self {
            connections: third,
            http2: Some(Http2Limits { exchanges: third, ..Http2Limits::default() }),
            ..self
        }
    }

    /// The limits of the admin listener: few connections, whatever the others take.
    #[must_use]
    pub fn of_admin() -> Self {
        Self { connections: ADMIN_CONNECTIONS, ..Self::default() }
    }
}

/// Half of what is not reserved; at least a handful, so that a tiny limit still serves.
fn connections(descriptors: u64) -> usize {
    let free = descriptors.saturating_sub(RESERVED.min(descriptors / 2));
    usize::try_from(free / 2).unwrap_or(usize::MAX).max(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_the_upstream_side_and_for_admin() {
        assert_eq!(connections(64), 16);
        assert_eq!(connections(256), 80);
        assert_eq!(connections(1024), 464);
        assert!(connections(1_048_576) > 10_000);
        let limits = Limits::of_this_process();
        let shared = limits.clone().with_http2();
        let exchanges = shared.http2.expect("it is served").exchanges;
        // A descriptor for each connection, and one to the upstream for each that is HTTP/1.1 and for each stream.
        assert!(shared.connections * 2 + exchanges <= (limits.connections * 2).max(24));
        assert!(limits.connections >= 8 && limits.connections <= Limits::default().connections);
    }
}
