//! Certificates for tests, made where they are used: P-256, good for a long time or for none.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A certificate with its key.
#[derive(Debug)]
pub struct Certificate {
    name: String,
    der: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    /// A certificate that vouches for itself and for others.
    #[must_use]
    pub fn authority(name: &str) -> Self {
        let key = new_key();
        let public = pair(&key);
        let constraints = extension(&[0x55, 0x1d, 0x13], true, &sequence(&[&tlv(0x01, &[0xff])]));
        let tbs = to_be_signed(name, name, LONG, &public, &constraints);
        Self { name: name.to_owned(), der: signed(&tbs, &public), key }
    }

    /// A certificate for `name` (`localhost`, or what a client calls itself) and for 127.0.0.1, under this authority.
    #[must_use]
    pub fn issue(&self, name: &str) -> Self {
        self.issue_for(name, LONG)
    }

    /// The same, but its time is over.
    #[must_use]
    pub fn issue_expired(&self, name: &str) -> Self {
        self.issue_for(name, OVER)
    }

    fn issue_for(&self, name: &str, times: [&str; 2]) -> Self {
        let key = new_key();
        let names = sequence(&[&tlv(0x82, name.as_bytes()), &tlv(0x87, &[127, 0, 0, 1])]);
        let names = extension(&[0x55, 0x1d, 0x11], false, &names);
        let tbs = to_be_signed(&self.name, name, times, &pair(&key), &names);
        Self { name: name.to_owned(), der: signed(&tbs, &pair(&self.key)), key }
    }

    /// The certificate itself.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its key, as PKCS #8.
    #[must_use]
    pub fn key_der(&self) -> &[u8] {
        &self.key
    }

    /// The certificate as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }

    /// Its key as PEM.
    #[must_use]
    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key)
    }
}

const LONG: [&str; 2] = ["200101000000Z", "491231235959Z"];
const OVER: [&str; 2] = ["200101000000Z", "200201000000Z"];

fn new_key() -> Vec<u8> {
    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
        .unwrap()
        .as_ref()
        .to_vec()
}

fn pair(key: &[u8]) -> EcdsaKeyPair {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key).unwrap()
}

fn to_be_signed(
    issuer: &str,
    subject: &str,
    [from, until]: [&str; 2],
    key: &EcdsaKeyPair,
    extension: &[u8],
) -> Vec<u8> {
    let mut serial = [0; 9];
    aws_lc_rs::rand::fill(&mut serial[1..]).unwrap();
    serial[0] = 1;
    let elliptic = [tlv(0x06, &EC_PUBLIC_KEY), tlv(0x06, &P256)].concat();
    let point = [&[0], key.public_key().as_ref()].concat();
    sequence(&[
        &tlv(0xa0, &tlv(0x02, &[2])),
        &tlv(0x02, &serial),
        &sequence(&[&tlv(0x06, &ECDSA_SHA256)]),
        &distinguished(issuer),
        &sequence(&[&tlv(0x17, from.as_bytes()), &tlv(0x17, until.as_bytes())]),
        &distinguished(subject),
        &sequence(&[&tlv(0x30, &elliptic), &tlv(0x03, &point)]),
        &tlv(0xa3, &sequence(&[extension])),
    ])
}

fn signed(tbs: &[u8], key: &EcdsaKeyPair) -> Vec<u8> {
    let signature = key.sign(&SystemRandom::new(), tbs).unwrap();
    let signature = [&[0], signature.as_ref()].concat();
    sequence(&[tbs, &sequence(&[&tlv(0x06, &ECDSA_SHA256)]), &tlv(0x03, &signature)])
}

fn distinguished(name: &str) -> Vec<u8> {
    let common_name = sequence(&[&tlv(0x06, &[0x55, 0x04, 0x03]), &tlv(0x0c, name.as_bytes())]);
    sequence(&[&tlv(0x31, &common_name)])
}

fn extension(name: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { tlv(0x01, &[0xff]) } else { Vec::new() };
    sequence(&[&tlv(0x06, name), &critical, &tlv(0x04, value)])
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    let [high, low] = length.to_be_bytes();
    let mut bytes = match length {
        0..=0x7f => vec![tag, low],
        0x80..=0xff => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    bytes.extend_from_slice(value);
    bytes
}

fn pem(what: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
}

const EC_PUBLIC_KEY: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ECDSA_SHA256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
