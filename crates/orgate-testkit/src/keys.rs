//! Keys to sign with. They are made once per process, since an RSA key takes a second to make.

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::AsBigEndian,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use serde_json::{Value, json};

use crate::{b64url, compact};

/// A key pair with its `kid`.
#[derive(Debug)]
pub struct TestKey {
    kid: &'static str,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident = $make:ident($kid:literal);)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name() -> &'static Self {
            static KEY: LazyLock<TestKey> = LazyLock::new(|| TestKey::$make($kid));
            &KEY
        })*
    };
}

impl TestKey {
    keys! {
        /// The RSA key `rs-1`.
        rs256 = make_rs256("rs-1");
        /// Another RSA key, `rs-2`.
        other_rs256 = make_rs256("rs-2");
        /// The P-256 key `es-1`.
        es256 = make_es256("es-1");
        /// Another P-256 key, `es-2`.
        other_es256 = make_es256("es-2");
        /// The Ed25519 key `ed-1`.
        eddsa = make_eddsa("ed-1");
        /// Another Ed25519 key, `ed-2`.
        other_eddsa = make_eddsa("ed-2");
    }

    fn make_rs256(kid: &'static str) -> Self {
        Self { kid, pair: Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()) }
    }

    /// A fresh P-256 key.
    #[must_use]
    pub fn make_es256(kid: &'static str) -> Self {
        Self { kid, pair: Pair::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()) }
    }

    /// A fresh Ed25519 key.
    #[must_use]
    pub fn make_eddsa(kid: &'static str) -> Self {
        Self { kid, pair: Pair::Ed25519(Ed25519KeyPair::generate().unwrap()) }
    }

    /// Its `kid`.
    #[must_use]
    pub fn kid(&self) -> &'static str {
        self.kid
    }

    /// The `alg` that it signs with.
    #[must_use]
    pub fn alg(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
            Pair::Ed25519(_) => "EdDSA",
        }
    }

    /// The public key as a JWK, with `kid`, `use` and `alg`.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let (n, e) = rsa_numbers(pair.public_key().as_ref());
                json!({"kty": "RSA", "n": b64url(n), "e": b64url(e)})
            }
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": b64url(&point[1..33]), "y": b64url(&point[33..])})
            }
            Pair::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": b64url(pair.public_key())})
            }
        };
        jwk["kid"] = self.kid.into();
        jwk["use"] = "sig".into();
        jwk["alg"] = self.alg().into();
        jwk
    }

    /// The signature over `message`.
    #[must_use]
    pub fn signature(&self, message: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
            Pair::P256(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// A token with exactly these bytes as header and claims, whatever they are, and a right signature.
    #[must_use]
    pub fn sign(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        let input = format!("{}.{}", b64url(&header), b64url(&claims));
        compact(header, claims, self.signature(input.as_bytes()))
    }

    /// A right access token with `claims`.
    #[must_use]
    pub fn mint(&self, claims: &Value) -> String {
        self.sign(
            json!({"alg": self.alg(), "kid": self.kid, "typ": "at+jwt"}).to_string(),
            claims.to_string(),
        )
    }

    /// A right signature under a header that differs in `parameter`; `null` takes the parameter away.
    #[must_use]
    pub fn mint_with(&self, parameter: &str, value: Value, claims: &Value) -> String {
        let mut header = json!({"alg": self.alg(), "kid": self.kid, "typ": "at+jwt"});
        match value {
            Value::Null => drop(header.as_object_mut().unwrap().remove(parameter)),
            value => header[parameter] = value,
        }
        self.sign(header.to_string(), claims.to_string())
    }

    /// The seed of an Ed25519 key, to publish what must not be published.
    ///
    /// # Panics
    /// For other keys.
    #[must_use]
    pub fn ed25519_seed(&self) -> Vec<u8> {
        let Pair::Ed25519(pair) = &self.pair else { panic!("not an Ed25519 key") };
        pair.seed().unwrap().as_be_bytes().unwrap().as_ref().to_vec()
    }
}

/// The set of `keys`, as an issuer publishes it.
#[must_use]
pub fn jwks<'k>(keys: impl IntoIterator<Item = &'k TestKey>) -> String {
    json!({"keys": keys.into_iter().map(TestKey::jwk).collect::<Vec<_>>()}).to_string()
}

/// Modulus and exponent of a PKCS #1 public key of 2048 bits, whose layout is fixed: a sequence of 266 bytes, an integer
/// of 257 (with its leading zero), and the exponent.
fn rsa_numbers(der: &[u8]) -> (&[u8], &[u8]) {
    assert_eq!(der[..9], [0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00], "not a 2048 bit key");
    (&der[9..265], &der[267..])
}
