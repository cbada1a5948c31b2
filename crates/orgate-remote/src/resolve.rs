//! Names that a document gave, looked up so that they cannot lead to the inside of a network.
//!
//! An issuer's document may name another host for its keys. Whoever writes that document, or answers for that name in
//! DNS, could mean the metadata service of a cloud or a machine behind the firewall (SSRF, DNS rebinding). So only public
//! addresses are connected to, and they are judged where they are used, not beforehand. What an operator writes is
//! looked up as it is.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

/// The resolver of the system, without the addresses that are not public.
#[derive(Clone, Debug)]
pub(crate) struct PublicOnly(GaiResolver);

impl PublicOnly {
    pub(crate) fn new() -> Self {
        Self(GaiResolver::new())
    }
}

impl Service<Name> for PublicOnly {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let found = self.0.call(name);
        Box::pin(async move {
            let public: Vec<_> = found.await?.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(io::Error::other(
                    "the host that the issuer's document names has no public address; if it is right, name it by `jwks_uri`",
                ));
            }
            Ok(public.into_iter())
        })
    }
}

/// Whether an address belongs to a machine that anybody could reach (IANA special-purpose registries).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))
        || a >= 224)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    // Forms that hold an address of the other kind lead to it: mapped, translated (RFC 6052), 6to4, and the old
    // "compatible" one.
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let inner = |high: u16, low: u16| {
        let ([w, x], [y, z]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(w, x, y, z))
    };
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0 | 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => inner(g, h),
        [0x2002, ..] => inner(b, c),
        [0x2001, 0xdb8, ..] | [0x2001, 0..=0x1ff, ..] => false,
        // What is given out as global unicast; the rest is local, reserved or multicast.
        _ => a & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_anybody_could_reach_are_public() {
        for text in
            ["1.1.1.1", "142.250.74.110", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::"]
        {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "192.0.0.192",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_has_no_address() {
        let mut resolver = PublicOnly::new();
        let error = resolver.call("localhost".parse().unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("no public address"), "{error}");
        // Not an IP address as we read them, but one to the system.
        assert!(resolver.call("2130706433".parse().unwrap()).await.is_err());
    }
}
