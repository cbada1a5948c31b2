//! A2 signature.

use orgate_testkit::{TestKey, b64url};
use orgate_verify::VerifyErrorKind::*;
use serde_json::json;

use super::{Corpus, families};

/// The order of P-256, big-endian.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// The order of Ed25519's base point, little-endian.
const ED_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

pub(super) fn add(corpus: &mut Corpus) {
    corpus.row("A2");
    for key in TestKey::published() {
        corpus.accepted(format!("{} right", key.alg()), corpus.good(key));
        any(corpus, key);
    }
    ecdsa(corpus);
    eddsa(corpus);
    mixed(corpus);
}

fn any(corpus: &mut Corpus, key: &TestKey) {
    let input = corpus.input(key);
    let right = key.signature(input.as_bytes());
    let flipped = |at: usize| {
        let mut bytes = right.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    for (what, signature) in [
        ("one byte", vec![1]),
        ("zeros", vec![0; right.len()]),
        ("0xff", vec![0xff; right.len()]),
        ("short", right[..right.len() - 1].to_vec()),
        ("long", [&right[..], &[0]].concat()),
        ("leading zero", [&[0], &right[..]].concat()),
        ("doubled", [&right[..], &right].concat()),
        ("of another message", key.signature(b"another")),
        ("first bit", flipped(0)),
        ("middle bit", flipped(right.len() / 2)),
        ("last bit", flipped(right.len() - 1)),
        ("of another P-256 key", TestKey::make_es256("x").signature(input.as_bytes())),
        ("of another P-384 key", TestKey::make_es384("x").signature(input.as_bytes())),
        ("of another Ed25519 key", TestKey::make_eddsa("x").signature(input.as_bytes())),
    ] {
        corpus.refused(
            format!("{} {what}", key.alg()),
            format!("{input}.{}", b64url(signature)),
            BadSignature,
        );
    }
    corpus.refused(format!("{} empty", key.alg()), format!("{input}."), Malformed);
}

fn ecdsa(corpus: &mut Corpus) {
    let key = TestKey::es256();
    let input = corpus.input(key);
    let right = key.signature(input.as_bytes());
    let (r, s) = right.split_at(32);
    let (zero, mut one) = ([0; 32], [0; 32]);
    one[31] = 1;
    let integer = |half: &[u8]| [&[2, 33, 0][..], half].concat();
    for (what, signature) in [
        ("r = s = 0", [zero, zero].concat()),
        ("r = 0", [&zero[..], s].concat()),
        ("s = 0", [r, &zero].concat()),
        ("r = s = 1", [one, one].concat()),
        ("r = n", [&ORDER[..], s].concat()),
        ("s = n", [r, &ORDER].concat()),
        ("r = s = n", [ORDER, ORDER].concat()),
        ("s in 33 bytes", [r, &[1], s].concat()),
        ("66 bytes", [&[0], r, &[0], s].concat()),
        ("halves swapped", [s, r].concat()),
        ("DER", [&[0x30, 70][..], &integer(r), &integer(s)].concat()),
        ("by P-384", TestKey::es384().signature(input.as_bytes())),
    ] {
        corpus.refused(format!("ES256 {what}"), format!("{input}.{}", b64url(signature)), BadSignature);
    }
    // RFC 7518 §3.4 does not bound s, so both are right.
    let other = [r, &minus(s)].concat();
    corpus.accepted("ES256 n - s", format!("{input}.{}", b64url(other)));
}

/// `ORDER - s`.
fn minus(s: &[u8]) -> Vec<u8> {
    let (mut borrow, mut difference) = (0, vec![0; 32]);
    for at in (0..32).rev() {
        let digit = i16::from(ORDER[at]) - i16::from(s[at]) - borrow;
        borrow = i16::from(digit < 0);
        difference[at] = digit.rem_euclid(256) as u8;
    }
    difference
}

fn eddsa(corpus: &mut Corpus) {
    let key = TestKey::eddsa();
    let input = corpus.input(key);
    let right = key.signature(input.as_bytes());
    let (r, s) = right.split_at(32);
    let mut carry = 0;
    let beyond: Vec<u8> = s
        .iter()
        .zip(ED_ORDER)
        .map(|(a, b)| {
            let sum = u16::from(*a) + u16::from(b) + carry;
            carry = sum >> 8;
            sum as u8
        })
        .collect();
    let (zero, mut identity) = ([0; 32], [0; 32]);
    identity[0] = 1;
    for (what, signature) in [
        ("S + L", [r, &beyond].concat()),
        ("R = identity, S = 0", [identity, zero].concat()),
        ("R = 0, S = 0", [zero, zero].concat()),
        ("halves swapped", [s, r].concat()),
        ("S alone", s.to_vec()),
    ] {
        corpus.refused(format!("EdDSA {what}"), format!("{input}.{}", b64url(signature)), BadSignature);
    }
    let head = json!({"alg": "Ed25519", "kid": key.kid(), "typ": "at+jwt"}).to_string();
    corpus.accepted("Ed25519, its other name", key.sign(head, corpus.claims().to_string()));
}

fn mixed(corpus: &mut Corpus) {
    for key in families() {
        let (one, two) = (corpus.good(key), key.mint(&corpus.with("org_role", "owner".into())));
        let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
        let (one, two) = (parts(&one), parts(&two));
        let other = b64url(json!({"alg": key.alg(), "kid": key.kid(), "typ": "at+jwt", "x": 1}).to_string());
        for (what, token) in [
            ("payload", format!("{}.{}.{}", one[0], two[1], one[2])),
            ("signature", format!("{}.{}.{}", one[0], one[1], two[2])),
            ("header", format!("{other}.{}.{}", one[1], one[2])),
        ] {
            corpus.refused(format!("{} {what} of another token", key.alg()), token, BadSignature);
        }
    }
}
