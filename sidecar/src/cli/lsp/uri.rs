//! `file:` URIs and the paths they stand for (RFC 8089, RFC 3986 §2.1).

use std::path::{Path, PathBuf};

/// The path of a `file:` URI of this machine; `None` for any other URI.
pub(super) fn to_path(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return None;
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit =
            |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(high * 16 + low);
    }
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

/// The URI of an absolute path.
pub(super) fn of_path(path: &Path) -> String {
    let mut uri = String::from("file://");
    for byte in path.to_string_lossy().bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_there_and_back() {
        for path in ["/a/orgate.yaml", "/ü 𝄞/%/#?.yaml"] {
            assert_eq!(to_path(&of_path(Path::new(path))), Some(PathBuf::from(path)));
        }
        assert_eq!(to_path("file://localhost/a%20b"), Some(PathBuf::from("/a b")));
        for other in ["untitled:a", "file://host/a", "file:///a%2", "file:///a%zz", "file:///%ff"] {
            assert_eq!(to_path(other), None, "{other}");
        }
    }
}
