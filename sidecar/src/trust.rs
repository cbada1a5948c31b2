//! Peers that are believed about where a request comes from: load balancers and proxies of the operator's own. None by
//! default.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

use http::{HeaderMap, HeaderValue};

/// Addresses that begin with the same bits: `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// An address of version 4 in its place in version 6.
    first: u128,
    /// Of 128.
    bits: u32,
}

impl Network {
    /// Whether it is all addresses of a version.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        self.bits == 0 || self.bits == 96 && self.contains(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED))
    }

    /// Whether `address` is one of them. An address of version 4 is the same within version 6.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        (wide(address) ^ self.first) & mask(self.bits) == 0
    }
}

fn wide(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
    .to_bits()
}

fn mask(bits: u32) -> u128 {
    u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or(0)
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let fail = |problem: String| InvalidNetwork { text: text.to_owned(), problem };
        let (address, length) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address
            .parse()
            .map_err(|_| fail("it has no address of version 4 or 6, in its usual form".to_owned()))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => most,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with("00") => {
                digits.parse::<u32>().ok().filter(|bits| *bits <= most).ok_or_else(|| {
                    fail(format!("behind the `/` stands how many bits count, from 0 to {most}"))
                })?
            }
            Some(_) => {
                return Err(fail(format!("behind the `/` stands how many bits count, from 0 to {most}")));
            }
        };
        let bits = length + 128 - most;
        let first = wide(address) & mask(bits);
        if first != wide(address) {
            let begin = Ipv6Addr::from_bits(first);
            let begin = begin.to_ipv4_mapped().filter(|_| most == 32).map_or(IpAddr::V6(begin), IpAddr::V4);
            return Err(fail(format!("the network begins at another address: write `{begin}/{length}`")));
        }
        Ok(Self { first, bits })
    }
}

/// A text that says no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidNetwork {
    text: String,
    problem: String,
}

impl fmt::Display for InvalidNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, problem } = self;
        write!(f, "`{text}` is no network: {problem}")
    }
}

impl std::error::Error for InvalidNetwork {}

/// The peers of a listener that are believed. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct TrustedPeers {
    networks: Arc<[Network]>,
    /// Whether each of their connections begins with the address that it comes from.
    pub(crate) announce: bool,
}

impl TrustedPeers {
    /// These, about `X-Forwarded-For` and `Forwarded`; with `announce`, each of their connections begins with the PROXY
    /// protocol.
    #[must_use]
    pub fn new(networks: &[Network], announce: bool) -> Self {
        Self { networks: networks.into(), announce }
    }

    /// Whether it is one of them.
    #[must_use]
    pub fn include(&self, peer: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(peer))
    }

    /// Where a request with these headers comes from, that `peer` has sent: the peer itself, unless it is believed. Then it
    /// is the last address in `X-Forwarded-For` that is none of theirs: what stands before it was written by somebody
    /// who is not believed. What is no address ends the list, and `Forwarded` is not asked.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        let lines: Vec<&[u8]> =
            headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes).collect();
        let mut said = lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
        while self.include(client)
            && let Some(Ok(address)) =
                said.next().map(|hop| str::from_utf8(hop).unwrap_or_default().trim().parse())
        {
            client = address;
        }
        client.to_canonical()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_the_addresses_that_begin_as_it_does() {
        for (network, inside, outside) in [
            (
                "10.0.0.0/8",
                &["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"][..],
                &["11.0.0.0", "9.255.255.255", "::a00:0"][..],
            ),
            ("127.0.0.1", &["127.0.0.1", "::ffff:127.0.0.1"], &["127.0.0.2", "::1"]),
            ("192.168.1.128/25", &["192.168.1.128", "192.168.1.255"], &["192.168.1.127"]),
            ("2001:db8::/32", &["2001:db8::1", "2001:db8:ffff::"], &["2001:db9::", "10.0.0.1"]),
            ("::1/128", &["::1"], &["::2", "127.0.0.1"]),
            ("0.0.0.0/0", &["1.2.3.4"], &["::1"]),
            ("::/0", &["1.2.3.4", "::1"], &[]),
        ] {
            let network: Network = network.parse().expect(network);
            for address in inside {
                assert!(network.contains(address.parse().expect(address)), "{address}");
            }
            for address in outside {
                assert!(!network.contains(address.parse().expect(address)), "{address}");
            }
        }
    }

    #[test]
    fn who_is_believed_says_where_a_request_comes_from() {
        let networks: Vec<Network> =
            ["10.0.0.0/8", "::1"].iter().map(|text| text.parse().expect(text)).collect();
        let peers = TrustedPeers::new(&networks, false);
        for (peer, said, client) in [
            // Nobody is believed about themselves.
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
            // What a client has written itself stands before its address.
            ("10.0.0.1", &["127.0.0.1, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["127.0.0.1", "198.51.100.7,10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &["10.9.9.9, 198.51.100.7 , 10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            // All of them are ours.
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // What is no address is nobody's, and nor is what stands before it.
            ("10.0.0.1", &["198.51.100.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7, 10.0.0.2:80, 10.0.0.3"], "10.0.0.3"),
            ("10.0.0.1", &["198.51.100.7,"], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("forwarded", HeaderValue::from_static("for=203.0.113.9"));
            for line in said {
                headers.append("x-forwarded-for", HeaderValue::from_static(line));
            }
            let found = peers.client(peer.parse().expect(peer), &headers);
            assert_eq!(found, client.parse::<IpAddr>().expect(client), "{peer} {said:?}");
            let alone = TrustedPeers::default().client(peer.parse().expect(peer), &headers);
            assert_eq!(
                alone,
                peer.parse::<IpAddr>().expect(peer).to_canonical(),
                "by default nobody is believed"
            );
        }
    }

    #[test]
    fn everybody_is_all_of_a_version() {
        for (network, is_everybody) in
            [("0.0.0.0/0", true), ("::/0", true), ("0.0.0.0/1", false), ("::/96", false), ("::/1", false)]
        {
            assert_eq!(network.parse::<Network>().expect(network).is_everybody(), is_everybody, "{network}");
        }
    }

    #[test]
    fn what_could_mean_another_network_is_refused_with_the_right_one() {
        for text in [
            "",
            "10",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "::1/129",
            "010.0.0.0/8",
            "[::1]",
            "a.example",
            "10.0.0.0/008",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        let told = |text: &str| text.parse::<Network>().expect_err(text).to_string();
        assert!(told("10.1.2.3/8").ends_with("write `10.0.0.0/8`"), "{}", told("10.1.2.3/8"));
        assert!(told("2001:db8::1/32").ends_with("write `2001:db8::/32`"), "{}", told("2001:db8::1/32"));
    }
}
