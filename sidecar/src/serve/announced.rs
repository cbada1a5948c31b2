//! The PROXY protocol, versions 1 and 2: a load balancer says with the first bytes of a connection where it comes from.
//!
//! Only peers that are trusted are asked for it, and each of their connections must begin with it: whoever else sends it
//! sends bytes that are neither HTTP nor TLS. Exactly its bytes are taken from the socket. What a balancer says about
//! itself (`LOCAL`, `UNKNOWN`), or of anything but TCP, leaves the address of the balancer.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Where the connection says that it comes from; `None` if from the peer itself.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).await?;
    if begin == SIGNATURE {
        return second(stream).await;
    }
    let mut line = begin.to_vec();
    if !line.starts_with(b"PROXY ") {
        return Err(malformed("it does not begin with the PROXY protocol"));
    }
    while !line.ends_with(b"\r\n") {
        if line.len() >= LONGEST_LINE {
            return Err(malformed("its line is too long"));
        }
        line.push(stream.read_u8().await?);
    }
    first(&line)
}

/// Version 1 is a line of text.
fn first(line: &[u8]) -> io::Result<Option<SocketAddr>> {
    let text = std::str::from_utf8(line).ok().and_then(|line| line.strip_suffix("\r\n"));
    let mut words = text.ok_or_else(|| malformed("its line is no text"))?.split(' ').skip(1);
    let is_wide = match words.next() {
        Some("UNKNOWN") => return Ok(None),
        Some("TCP4") => false,
        Some("TCP6") => true,
        _ => return Err(malformed("it speaks of another protocol")),
    };
    let mut address = || words.next()?.parse::<IpAddr>().ok().filter(|address| address.is_ipv6() == is_wide);
    let addresses = address().zip(address());
    let mut port = || words.next().filter(|text| is_number(text))?.parse::<u16>().ok();
    let ports = port().zip(port());
    match (addresses, ports, words.next()) {
        (Some((source, _)), Some((port, _)), None) => Ok(Some(SocketAddr::new(source, port))),
        _ => Err(malformed("its addresses cannot be read")),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
}

/// Version 2 is bytes: what is meant, of which family, how many follow.
async fn second(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let (command, family) = (stream.read_u8().await?, stream.read_u8().await?);
    let length = usize::from(stream.read_u16().await?);
    if length > LONGEST_BLOCK {
        return Err(malformed("it has too much to say"));
    }
    let mut block = vec![0; length];
    stream.read_exact(&mut block).await?;
    let wide = |at: usize| {
        block.get(at..)?.first_chunk::<16>().map(|bytes| Ipv6Addr::from_bits(u128::from_be_bytes(*bytes)))
    };
    let narrow = |at: usize| {
        block.get(at..)?.first_chunk::<4>().map(|bytes| Ipv4Addr::from_bits(u32::from_be_bytes(*bytes)))
    };
    let port = |at: usize| block.get(at..)?.first_chunk::<2>().map(|bytes| u16::from_be_bytes(*bytes));
    let source = match (command, family) {
        // What it says about itself, or of sockets that have no such address.
        (LOCAL, _) | (PROXY, UNSPECIFIED) => return Ok(None),
        (PROXY, TCP_OVER_4) => narrow(0).map(IpAddr::V4).zip(port(8)).filter(|_| length >= 12),
        (PROXY, TCP_OVER_6) => wide(0).map(IpAddr::V6).zip(port(32)).filter(|_| length >= 36),
        _ => return Err(malformed("it speaks of another protocol")),
    };
    let (source, port) = source.ok_or_else(|| malformed("it breaks off"))?;
    Ok(Some(SocketAddr::new(source, port)))
}

fn malformed(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const UNSPECIFIED: u8 = 0;
const TCP_OVER_4: u8 = 0x11;
const TCP_OVER_6: u8 = 0x21;
/// Of version 1, with its end.
const LONGEST_LINE: usize = 107;
/// Of version 2: addresses, and what some balancers say besides.
const LONGEST_BLOCK: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    async fn announced(bytes: &[u8]) -> Result<(Option<String>, Vec<u8>), String> {
        let mut rest = bytes;
        let found = read(&mut rest).await.map_err(|error| error.to_string())?;
        Ok((found.map(|address| address.to_string()), rest.to_vec()))
    }

    fn block(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).expect("short").to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, block, b"GET /"].concat()
    }

    #[tokio::test]
    async fn both_versions_name_the_client_and_take_no_byte_more() {
        let four = [192, 0, 2, 1, 10, 0, 0, 1, 0x1f, 0x90, 0, 80];
        let mut six = [0; 36];
        six[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        six[15] = 1;
        six[32..34].copy_from_slice(&[0x1f, 0x90]);
        for (bytes, expected) in [
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 8080 80\r\nGET /".to_vec(), Some("192.0.2.1:8080")),
            (b"PROXY TCP6 2001:db8::1 ::1 8080 80\r\nGET /".to_vec(), Some("[2001:db8::1]:8080")),
            (b"PROXY UNKNOWN\r\nGET /".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ::1 1 2\r\nGET /".to_vec(), None),
            (block(PROXY, TCP_OVER_4, &four), Some("192.0.2.1:8080")),
            (block(PROXY, TCP_OVER_4, &[&four[..], &[3, 0, 4, 1, 2, 3, 4]].concat()), Some("192.0.2.1:8080")),
            (block(PROXY, TCP_OVER_6, &six), Some("[2001:db8::1]:8080")),
            (block(LOCAL, UNSPECIFIED, &[]), None),
            (block(LOCAL, TCP_OVER_4, &four), None),
            (block(PROXY, UNSPECIFIED, &[1, 2, 3]), None),
        ] {
            let expected = Ok((expected.map(str::to_owned), b"GET /".to_vec()));
            assert_eq!(announced(&bytes).await, expected, "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        for bytes in [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            b"PROXY".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 8080 80\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 8080\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 8080 80 x\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 +8080 80\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 65536 80\r\n".to_vec(),
            b"PROXY TCP4 ::1 ::1 8080 80\r\n".to_vec(),
            b"PROXY TCP6 192.0.2.1 10.0.0.1 8080 80\r\n".to_vec(),
            b"PROXY TCP4  192.0.2.1 10.0.0.1 8080 80\r\n".to_vec(),
            b"PROXY UDP4 192.0.2.1 10.0.0.1 8080 80\r\n".to_vec(),
            b"proxy TCP4 192.0.2.1 10.0.0.1 8080 80\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 08080 80\r\n".to_vec(),
            [&b"PROXY TCP4 "[..], &[b'1'; 200], b"\r\n"].concat(),
            [&b"PROXY UNKNOWN "[..], &[b'1'; 200], b"\r\n"].concat(),
            block(0x11, TCP_OVER_4, &[0; 12]),
            block(0x22, TCP_OVER_4, &[0; 12]),
            block(PROXY, 0x12, &[0; 12]),
            block(PROXY, TCP_OVER_4, &[0; 11]),
            block(PROXY, TCP_OVER_6, &[0; 35]),
            block(PROXY, TCP_OVER_4, &[0; 5000]),
            SIGNATURE.to_vec(),
        ] {
            assert!(announced(&bytes).await.is_err(), "{}", String::from_utf8_lossy(&bytes));
        }
    }
}
