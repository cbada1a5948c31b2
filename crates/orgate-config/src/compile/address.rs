//! Which addresses keys may come from.

/// Why an address is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressError {
    /// It is no absolute http(s) URL, or holds more than scheme, host, port, path and query.
    NotAnAddress,
    /// It is plain http to another machine.
    Insecure,
}

/// Checks that `text` is an https URL, or an http URL of this machine.
pub(super) fn check(text: &str) -> Result<(), AddressError> {
    let Some((scheme, rest)) = text.split_once("://") else { return Err(AddressError::NotAnAddress) };
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>^`{|}#".contains(&byte));
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let Some(host) = host(authority) else { return Err(AddressError::NotAnAddress) };
    match scheme {
        _ if !printable => Err(AddressError::NotAnAddress),
        "https" => Ok(()),
        "http" if is_loopback(host) => Ok(()),
        "http" => Err(AddressError::Insecure),
        _ => Err(AddressError::NotAnAddress),
    }
}

/// The host of an authority without user information and with a port that is a number.
fn host(authority: &str) -> Option<&str> {
    if authority.contains('@') {
        return None;
    }
    let (host, port) = if authority.starts_with('[') {
        let end = authority.find(']')?;
        let host = authority.get(..=end)?;
        let address = host.strip_prefix('[')?.strip_suffix(']')?;
        address.parse::<std::net::Ipv6Addr>().ok()?;
        (host, authority.get(end + 1..)?)
    } else {
        let end = authority.find(':').unwrap_or(authority.len());
        (authority.get(..end)?, authority.get(end..)?)
    };
    let port_fits = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    (port_fits && !host.is_empty()).then_some(host)
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_protected_or_local_addresses_are_used() {
        for text in [
            "https://auth.example.com",
            "https://auth.example.com:8443/p/x?y=z",
            "http://127.0.0.1:8090/p/demo",
            "http://[::1]:1/",
            "http://localhost",
            "http://LOCALHOST:80",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in [
            "http://auth.example.com",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "http://127.0.0.1.x",
        ] {
            assert_eq!(check(text), Err(AddressError::Insecure), "{text}");
        }
        for text in [
            "",
            "auth.example.com",
            "ftp://x",
            "https://",
            "https:///x",
            "https://user@x",
            "https://x:port",
            "https://x:99999",
            "https://x#f",
            "https://x y",
            "http://127.0.0.1\\@evil.example",
            "http://localhost@evil.example",
            "https://[::zz]",
            "HTTPS://x",
        ] {
            assert_eq!(check(text), Err(AddressError::NotAnAddress), "{text}");
        }
    }
}
