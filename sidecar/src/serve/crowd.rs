//! How many connections each peer has, where that is bounded, so that one cannot take the places of all.
//!
//! A peer is an address of version 4, or the first 64 bits of one of version 6: whoever has one address there has them all.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// The peers of a listener.
#[derive(Clone, Debug)]
pub(super) struct Crowd {
    most: usize,
    peers: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Member {
    of: Crowd,
    peer: IpAddr,
}

impl Crowd {
    /// At most so many connections of each peer.
    pub(super) fn of(most: usize) -> Self {
        Self { most, peers: Arc::default() }
    }

    /// A place for a connection, if the peer has not too many.
    pub(super) fn join(&self, peer: IpAddr) -> Option<Member> {
        let peer = shared(peer);
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let count = peers.entry(peer).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Member { of: self.clone(), peer })
    }
}

fn shared(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut peers = self.of.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = peers.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                peers.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peer_has_so_many_places_and_leaves_no_trace() {
        let crowd = Crowd::of(2);
        let join = |address: &str| crowd.join(address.parse().expect(address));
        let places = [join("192.0.2.1"), join("::ffff:192.0.2.1"), join("192.0.2.2")];
        assert!(places.iter().all(Option::is_some));
        assert!(join("192.0.2.1").is_none());
        let wide = [join("2001:db8::1"), join("2001:db8::2")];
        assert!(wide.iter().all(Option::is_some));
        assert!(join("2001:db8::3").is_none() && join("2001:db8:0:1::3").is_some());
        drop((places, wide));
        assert!(join("192.0.2.1").is_some());
        assert!(crowd.peers.lock().expect("unpoisoned").is_empty());
    }
}
