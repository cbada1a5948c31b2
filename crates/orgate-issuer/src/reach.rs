//! Where the issuer may send something to. Addresses come from people, and the issuer stands inside a network that those
//! people may not see: so only public addresses are sent to, those of this machine while the issuer is a developer's, and
//! networks that its operator has named.
//!
//! What counts is the address that is dialled, after the name was resolved: a name may mean another address each time it is
//! asked for. Whoever sends asks [`Reach::allows`] of each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// A network in the form `10.0.0.0/8` or `fd00::/8`; an address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads a network.
    ///
    /// # Errors
    /// A message for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no network\nhelp: for example `10.0.0.0/8` or `fd00::/8`");
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(wrong)?,
        };
        Ok(Self { address, bits })
    }

    fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differs = own.to_bits() ^ other.to_bits();
                self.bits == 0 || differs.checked_shr(32 - self.bits).is_none_or(|rest| rest == 0)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differs = own.to_bits() ^ other.to_bits();
                self.bits == 0 || differs.checked_shr(128 - self.bits).is_none_or(|rest| rest == 0)
            }
            _ => false,
        }
    }
}

/// Which addresses may be sent to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Whether this machine may be.
    this_machine: bool,
    networks: Vec<Network>,
}

impl Reach {
    /// Everybody's addresses, those of this machine if `this_machine` says so, and these networks.
    #[must_use]
    pub fn new(this_machine: bool, networks: Vec<Network>) -> Self {
        Self { this_machine, networks }
    }

    /// Whether `address`, which a name was resolved to, may be dialled.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.holds(address))
            || (self.this_machine && address.is_loopback())
            || is_public(address)
    }

    /// Refuses what no answer of a name server could make good; says why.
    pub(crate) fn check(&self, url: &Url) -> Result<(), &'static str> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err("has no user and no password in it");
        }
        if url.fragment().is_some() {
            return Err("has no `#` in it");
        }
        let (address, name) = match url.host() {
            Some(Host::Ipv4(address)) => (Some(IpAddr::V4(address)), ""),
            Some(Host::Ipv6(address)) => (Some(IpAddr::V6(address)), ""),
            Some(Host::Domain(name)) => (None, name.trim_end_matches('.')),
            None => return Err("names a host"),
        };
        let is_here = address.is_some_and(|address| address.to_canonical().is_loopback())
            || name == "localhost"
            || name.ends_with(".localhost");
        if url.scheme() != "https" && !(url.scheme() == "http" && is_here && self.this_machine) {
            return Err("begins with https://");
        }
        let allowed = match address {
            Some(address) => self.allows(address),
            None if is_here => self.this_machine,
            // Names of networks that are nobody else's; behind others the address will tell.
            None => !self.networks.is_empty() || (name.contains('.') && !is_of_an_inside(name)),
        };
        if allowed {
            Ok(())
        } else {
            Err("is a public address; an operator can allow others (`--allow-network`)")
        }
    }
}

fn is_of_an_inside(name: &str) -> bool {
    [".internal", ".local", ".lan", ".home.arpa"].iter().any(|end| name.ends_with(end))
}

/// Whether an address is everybody's (the registries of special addresses, RFC 6890 and after).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|(network, bits)| {
            (address.to_bits() ^ Ipv4Addr::from(*network).to_bits()) >> (32 - bits) == 0
        }),
        IpAddr::V6(address) => {
            let within = |network: [u16; 8], bits: u32| {
                (address.to_bits() ^ Ipv6Addr::from(network).to_bits()) >> (128 - bits) == 0
            };
            // Only this eighth is given out to be reached; some of it is special, some hides an address of IPv4.
            within([0x2000, 0, 0, 0, 0, 0, 0, 0], 3)
                && !within([0x2001, 0, 0, 0, 0, 0, 0, 0], 23)
                && !within([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32)
                && !within([0x2002, 0, 0, 0, 0, 0, 0, 0], 16)
                && !within([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20)
        }
    }
}

const SPECIAL_V4: [([u8; 4], u32); 15] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(this_machine: bool, networks: &[&str]) -> Reach {
        Reach::new(this_machine, networks.iter().map(|text| Network::parse(text).unwrap()).collect())
    }

    #[test]
    fn only_public_addresses_are_dialled() {
        let (strict, developer) = (reach(false, &[]), reach(true, &[]));
        for address in
            ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "192.169.0.1", "2606:4700::1111", "2a00::1"]
        {
            assert!(strict.allows(address.parse().unwrap()), "{address}");
        }
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert!(!strict.allows(address), "{address}");
            assert_eq!(developer.allows(address), address.to_canonical().is_loopback(), "{address}");
        }
    }

    #[test]
    fn an_operator_names_networks_that_are_allowed() {
        let reach = reach(false, &["10.1.0.0/16", "fd00:1::/32", "192.168.1.7"]);
        for (address, allowed) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("10.2.0.1", false),
            ("fd00:1::5", true),
            ("fd00:2::5", false),
            ("192.168.1.7", true),
            ("192.168.1.8", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(reach.allows(address.parse().unwrap()), allowed, "{address}");
        }
        assert!(super::Network::parse("0.0.0.0/0").unwrap().holds("9.9.9.9".parse().unwrap()));
        for wrong in
            ["", "10.0.0.0/33", "10.0.0/8", "fd00::/129", "10.0.0.0/", "host", "10.0.0.0/-1", "10.0.0.0/8/8"]
        {
            assert!(Network::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_that_cannot_become_good_is_refused_at_once() {
        let check = |reach: &Reach, url: &str| {
            Url::parse(url).map_err(|_| "unreadable").and_then(|url| reach.check(&url))
        };
        let (strict, developer) = (reach(false, &[]), reach(true, &[]));
        for good in ["https://hooks.example.com/x?a=b", "https://1.1.1.1/", "https://example.com:8443/"] {
            assert_eq!(check(&strict, good), Ok(()), "{good}");
            assert_eq!(check(&developer, good), Ok(()), "{good}");
        }
        let here = [
            "http://127.0.0.1:1/",
            "http://localhost/",
            "https://localhost/",
            "http://[::1]/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "https://a.localhost./",
        ];
        for url in here {
            assert!(check(&strict, url).is_err(), "{url}");
            assert_eq!(check(&developer, url), Ok(()), "{url}");
        }
        for bad in [
            "http://example.com/",
            "https://user@example.com/",
            "https://example.com/#a",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest",
            "https://[fd00::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://metadata/",
            "https://metadata.google.internal/",
            "https://printer.local/",
            "http://10.0.0.1/",
            "https://0.0.0.0/",
            "https://3232235777/",
            "data:text/plain,a",
        ] {
            assert!(check(&strict, bad).is_err(), "{bad}");
            assert!(check(&developer, bad).is_err(), "{bad}");
        }
        let allowed = reach(false, &["10.0.0.0/8"]);
        assert_eq!(check(&allowed, "https://10.0.0.1/"), Ok(()));
        assert_eq!(check(&allowed, "https://metadata/"), Ok(()), "the address will tell");
        assert!(check(&allowed, "https://192.168.0.1/").is_err());
        assert!(check(&allowed, "http://10.0.0.1/").is_err(), "never in the clear");
    }
}
