//! The certificate of a client, as a token names it (RFC 8705 §3.1).

use aws_lc_rs::digest;

/// The thumbprint of a client's certificate: SHA-256 over its DER form. A token that is bound to the certificate names it
/// in `cnf["x5t#S256"]`.
///
/// SECURITY: it says that somebody proved to hold the certificate's private key. So it is made only of the certificate of
/// a TLS handshake that succeeded, never of a header: whoever can reach the gate could write one.
///
/// A door puts it into the head of the request. In front of the tower layer, whoever accepts connections puts it into the
/// extensions of each request, beside the address of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CertificateThumbprint([u8; 32]);

impl CertificateThumbprint {
    /// The thumbprint of the certificate that the client has shown, in DER: of the first one in the chain that TLS libraries
    /// give, the client's own.
    #[must_use]
    pub fn of_der(certificate: &[u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, certificate);
        Self(hash.as_ref().first_chunk().copied().unwrap_or_default())
    }

    /// The thumbprint that a TLS library, or a token, gives as bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_the_hash_of_the_whole_certificate() {
        // FIPS 180-4, of `abc`.
        let abc = [
            0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
            0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
        ];
        assert_eq!(CertificateThumbprint::of_der(b"abc"), CertificateThumbprint::from_bytes(abc));
        assert_ne!(CertificateThumbprint::of_der(b"abd"), CertificateThumbprint::from_bytes(abc));
    }
}
