//! Who may wait for a hash: a share for each peer and each account, so that one of them cannot fill the queue.
//!
//! A share is held only while somebody waits, and the table has an entry only for those who do: it cannot grow beyond
//! the queue. What is not done here: counting wrong passwords over time.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many may wait for one peer, and how many for one account.
pub(super) const WAITING_PER_KEY: usize = 4;

/// For whom a hash is made.
#[derive(Clone, Copy)]
pub(crate) enum For<'a> {
    /// For the issuer itself, at its start.
    Start,
    /// For a request.
    Request {
        /// Who sent it; all of whom nothing is known share one key.
        peer: Option<IpAddr>,
        /// Where accounts have this name: a project, or one of the issuer's own doors.
        realm: &'a str,
        /// The address that was given, whether there is such an account or not.
        account: &'a str,
    },
}

/// The shares that are taken. Keys are hashes under a secret of the process: whatever was typed, an entry is small.
#[derive(Default)]
pub(super) struct Admission {
    hasher: RandomState,
    taken: Mutex<HashMap<u64, usize>>,
}

impl Admission {
    /// A share of the peer and one of the account; `None` if one of them has none left.
    pub(super) fn enter(&self, who: For<'_>) -> Option<Share<'_>> {
        let For::Request { peer, realm, account } = who else {
            return Some(Share { admission: self, keys: None });
        };
        let keys = [
            self.hasher.hash_one(("peer", peer.map(network))),
            self.hasher.hash_one(("account", realm, account)),
        ];
        let mut taken = self.lock();
        if keys.iter().any(|key| taken.get(key).is_some_and(|count| *count >= WAITING_PER_KEY)) {
            return None;
        }
        for key in keys {
            *taken.entry(key).or_default() += 1;
        }
        drop(taken);
        Some(Share { admission: self, keys: Some(keys) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, usize>> {
        // Nothing that can panic happens under the lock.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.lock().len()
    }
}

/// The right to wait; it ends when the work begins or the caller goes away.
pub(super) struct Share<'a> {
    admission: &'a Admission,
    keys: Option<[u64; 2]>,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let Some(keys) = self.keys else { return };
        let mut taken = self.admission.lock();
        for key in keys {
            if let Some(count) = taken.get_mut(&key) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    taken.remove(&key);
                }
            }
        }
    }
}

/// What one customer of a network has: an address of IPv4, or 2^64 addresses of IPv6.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from<'a>(peer: &str, account: &'a str) -> For<'a> {
        For::Request { peer: Some(peer.parse().unwrap()), realm: "proj_p", account }
    }

    #[test]
    fn a_peer_and_an_account_have_a_share_each() {
        let admission = Admission::default();
        let names = ["a", "b", "c", "d", "e"];
        let mut shares: Vec<_> =
            names.iter().map_while(|name| admission.enter(from("192.0.2.1", name))).collect();
        assert_eq!(shares.len(), WAITING_PER_KEY, "one peer, many accounts");
        assert!(
            admission.enter(from("::ffff:192.0.2.1", "f")).is_none(),
            "the same peer in another spelling"
        );
        let other = admission.enter(from("192.0.2.2", "f"));
        assert!(other.is_some(), "another peer still gets in");
        shares.pop();
        assert!(admission.enter(from("192.0.2.1", "f")).is_some(), "a share comes back");
        drop((shares, other));
        assert_eq!(admission.entries(), 0);

        let peers: Vec<_> = (0..8).map(|at| format!("192.0.2.{at}")).collect();
        let shares: Vec<_> = peers.iter().map_while(|peer| admission.enter(from(peer, "a"))).collect();
        assert_eq!(shares.len(), WAITING_PER_KEY, "many peers, one account");
        assert!(admission.enter(from("192.0.2.7", "b")).is_some());
        let elsewhere = For::Request { peer: None, realm: "proj_q", account: "a" };
        assert!(admission.enter(elsewhere).is_some(), "another project's account");
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer() {
        let admission = Admission::default();
        let peers: Vec<_> = (0..8).map(|at| format!("2001:db8::{at}")).collect();
        let shares: Vec<_> = peers.iter().map_while(|peer| admission.enter(from(peer, peer))).collect();
        assert_eq!(shares.len(), WAITING_PER_KEY);
        assert!(admission.enter(from("2001:db8:0:1::1", "x")).is_some());
    }

    #[test]
    fn the_start_of_the_issuer_needs_no_share() {
        let admission = Admission::default();
        let shares: Vec<_> = (0..100).map_while(|_| admission.enter(For::Start)).collect();
        assert_eq!((shares.len(), admission.entries()), (100, 0));
    }
}
