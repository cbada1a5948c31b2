//! Keys to sign with. RSA keys take a second to make and stand in `data/`; the others are made once per process.

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::AsBigEndian,
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
        RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
    },
};
use serde_json::{Value, json};

use crate::{b64url, compact};

/// A key pair, or a secret, with its `kid` and the one `alg` that it signs with.
#[derive(Debug)]
pub struct TestKey {
    kid: &'static str,
    alg: &'static str,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Secret(&'static str),
}

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident = $make:expr;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name() -> &'static Self {
            static KEY: LazyLock<TestKey> = LazyLock::new(|| $make);
            &KEY
        })*
    };
}

/// An RSA key of `data/`.
macro_rules! rsa {
    ($kid:literal, $alg:literal, $file:literal) => {
        TestKey {
            kid: $kid,
            alg: $alg,
            pair: Pair::Rsa(RsaKeyPair::from_der(include_bytes!(concat!("../data/", $file))).unwrap()),
        }
    };
}

impl TestKey {
    /// The secret of the keys for HMAC.
    pub const SECRET: &'static str = "a-test-secret-that-is-as-long-as-the-longest-hash-which-is-64-bytes";

    keys! {
        /// The RSA key `rs-1` of 2048 bits.
        rs256 = rsa!("rs-1", "RS256", "rsa-2048-1.der");
        /// Another RSA key, `rs-2`.
        other_rs256 = rsa!("rs-2", "RS256", "rsa-2048-2.der");
        /// The RSA key `rs384-1` of 3072 bits.
        rs384 = rsa!("rs384-1", "RS384", "rsa-3072.der");
        /// The RSA key `rs512-1` of 4096 bits.
        rs512 = rsa!("rs512-1", "RS512", "rsa-4096.der");
        /// The key of [`other_rs256`](Self::other_rs256) as `ps-1` for PS256.
        ps256 = rsa!("ps-1", "PS256", "rsa-2048-2.der");
        /// The key of [`rs384`](Self::rs384) as `ps384-1`.
        ps384 = rsa!("ps384-1", "PS384", "rsa-3072.der");
        /// The key of [`rs512`](Self::rs512) as `ps512-1`.
        ps512 = rsa!("ps512-1", "PS512", "rsa-4096.der");
        /// The P-256 key `es-1`.
        es256 = TestKey::make_es256("es-1");
        /// Another P-256 key, `es-2`.
        other_es256 = TestKey::make_es256("es-2");
        /// The P-384 key `es384-1`.
        es384 = TestKey::make_es384("es384-1");
        /// The Ed25519 key `ed-1`.
        eddsa = TestKey::make_eddsa("ed-1");
        /// Another Ed25519 key, `ed-2`.
        other_eddsa = TestKey::make_eddsa("ed-2");
        /// [`SECRET`](Self::SECRET) for HS256, as `hs-1`.
        hs256 = TestKey::secret("hs-1", "HS256", TestKey::SECRET);
        /// [`SECRET`](Self::SECRET) for HS384.
        hs384 = TestKey::secret("hs-1", "HS384", TestKey::SECRET);
        /// [`SECRET`](Self::SECRET) for HS512.
        hs512 = TestKey::secret("hs-1", "HS512", TestKey::SECRET);
    }

    /// One key of each algorithm whose keys are published.
    #[must_use]
    pub fn published() -> [&'static Self; 9] {
        [
            Self::rs256(),
            Self::rs384(),
            Self::rs512(),
            Self::ps256(),
            Self::ps384(),
            Self::ps512(),
            Self::es256(),
            Self::es384(),
            Self::eddsa(),
        ]
    }

    /// A fresh P-256 key.
    #[must_use]
    pub fn make_es256(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { kid, alg: "ES256", pair: Pair::Ec(pair) }
    }

    /// A fresh P-384 key.
    #[must_use]
    pub fn make_es384(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        Self { kid, alg: "ES384", pair: Pair::Ec(pair) }
    }

    /// A fresh Ed25519 key.
    #[must_use]
    pub fn make_eddsa(kid: &'static str) -> Self {
        Self { kid, alg: "EdDSA", pair: Pair::Ed25519(Ed25519KeyPair::generate().unwrap()) }
    }

    /// A secret for `alg`, one of HS256, HS384 and HS512.
    #[must_use]
    pub const fn secret(kid: &'static str, alg: &'static str, secret: &'static str) -> Self {
        Self { kid, alg, pair: Pair::Secret(secret) }
    }

    /// Its `kid`.
    #[must_use]
    pub fn kid(&self) -> &'static str {
        self.kid
    }

    /// The `alg` that it signs with.
    #[must_use]
    pub fn alg(&self) -> &'static str {
        self.alg
    }

    /// The public key as a JWK, with `kid`, `use` and `alg`; a secret as what must never be published.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let RsaPublicKeyComponents::<Vec<u8>> { n, e } = pair.public_key().into();
                json!({"kty": "RSA", "n": b64url(n), "e": b64url(e)})
            }
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "x": b64url(x), "y": b64url(y)})
            }
            Pair::Ed25519(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": b64url(pair.public_key())}),
            Pair::Secret(secret) => json!({"kty": "oct", "k": b64url(secret)}),
        };
        jwk["kid"] = self.kid.into();
        jwk["use"] = "sig".into();
        jwk["alg"] = self.alg.into();
        jwk
    }

    /// The signature over `message`.
    #[must_use]
    pub fn signature(&self, message: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let scheme: &'static dyn RsaEncoding = match self.alg {
                    "RS256" => &RSA_PKCS1_SHA256,
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    _ => &RSA_PSS_SHA512,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(scheme, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Secret(secret) => mac(self.alg, secret.as_bytes(), message),
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

/// The code over `message` under any bytes as the secret.
#[must_use]
pub fn mac(alg: &str, secret: &[u8], message: &[u8]) -> Vec<u8> {
    let hash = match alg {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        _ => hmac::HMAC_SHA512,
    };
    hmac::sign(&hmac::Key::new(hash, secret), message).as_ref().to_vec()
}
