//! The compact serialisation of a JWS (RFC 7515 §7.1), and its header.
//!
//! Three parts, two dots, each part in base64url without padding, without slack bits and without anything else
//! (RFC 7515 §2). Of the header only `alg`, `kid` and `typ` count; a key that a token brings along or points to (`jwk`,
//! `jku`, `x5c`, `x5u`) is not read. A parameter that would change how the token is to be read is refused: `crit` in
//! whatever form, since no extension is understood here (RFC 7515 §4.1.11), `b64` (RFC 7797) and `zip`.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    Algorithm, VerifyError,
    VerifyErrorKind::{CriticalHeader, Encrypted, Malformed, TooLarge, UnsupportedAlgorithm},
    json::{self, Map, Value},
};

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Whether `token` is none that says something itself: it has not the parts of a JWS (three) or a JWE (five), nor more dots
/// than one. Only such a token may be shown to the issuer that is asked about opaque ones; a JWT is nobody's but its own
/// issuer's.
#[must_use]
pub fn is_opaque(token: &str) -> bool {
    token.len() <= MAX_TOKEN_BYTES && token.bytes().filter(|byte| *byte == b'.').count() < 2
}

/// The parts of a token, still encoded.
#[derive(Clone, Copy)]
pub(crate) struct Compact<'t> {
    pub(crate) header: &'t str,
    pub(crate) payload: &'t str,
    pub(crate) signature: &'t str,
    /// Header and payload with the dot between them: what is signed.
    pub(crate) signing_input: &'t str,
}

/// The parts of `token`, without decoding and without allocating.
pub(crate) fn split(token: &str) -> Result<Compact<'_>, VerifyError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(VerifyError::new(TooLarge, "the token is longer than 16 KiB"));
    }
    let malformed = |detail: &'static str| VerifyError::new(Malformed, detail);
    let shape = || malformed("the token does not have three parts");
    let opaque = || malformed("the token is opaque, as session tokens and API keys are, and not a JWT");
    let (signing_input, signature) = token.rsplit_once('.').ok_or_else(opaque)?;
    let (header, payload) = signing_input.split_once('.').ok_or_else(shape)?;
    if payload.contains('.') {
        let five = payload.bytes().filter(|&byte| byte == b'.').count() == 2;
        return Err(if five { VerifyError::new(Encrypted, "the token is encrypted (JWE)") } else { shape() });
    }
    if header.is_empty() || payload.is_empty() || signature.is_empty() {
        return Err(VerifyError::new(Malformed, "a part of the token is empty"));
    }
    Ok(Compact { header, payload, signature, signing_input })
}

/// The bytes of one part.
pub(crate) fn decode(part: &str) -> Result<Vec<u8>, VerifyError> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| VerifyError::new(Malformed, "a part of the token is not strict base64url"))
}

/// What counts of a header. Nothing in it is proven.
#[derive(Debug, PartialEq)]
pub(crate) struct UnverifiedHeader<'h> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<Cow<'h, str>>,
    pub(crate) typ: Option<Cow<'h, str>>,
}

/// Reads a decoded header.
pub(crate) fn parse_header(bytes: &[u8]) -> Result<UnverifiedHeader<'_>, VerifyError> {
    let mut map = json::parse_object(bytes)
        .map_err(|fault| VerifyError::new(Malformed, format!("the header of the token {fault}")))?;
    for name in ["crit", "b64", "zip"] {
        if map.contains_key(name) {
            return Err(VerifyError::new(
                CriticalHeader,
                format!("the header of the token has `{name}`, which is not supported"),
            ));
        }
    }
    let algorithm = take_text(&mut map, "alg")?
        .ok_or_else(|| VerifyError::new(Malformed, "the header of the token has no `alg`"))?
        .parse()
        .map_err(|error| {
            VerifyError::new(UnsupportedAlgorithm, format!("the `alg` of the token is {error}"))
        })?;
    let kid = take_text(&mut map, "kid")?;
    let typ = take_text(&mut map, "typ")?;
    // Not read, and yet of the kind that the RFC gives them: a header that says otherwise was not made by an issuer.
    for name in ["jku", "x5u", "x5t", "x5t#S256", "cty"] {
        take_text(&mut map, name)?;
    }
    match map.get("jwk") {
        None | Some(Value::Map(_)) => {}
        Some(_) => return Err(VerifyError::new(Malformed, "the `jwk` of the token is not an object")),
    }
    Ok(UnverifiedHeader { algorithm, kid, typ })
}

fn take_text<'h>(map: &mut Map<'h>, name: &str) -> Result<Option<Cow<'h, str>>, VerifyError> {
    match map.remove(name) {
        None => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text)),
        Some(_) => Err(VerifyError::new(Malformed, format!("the `{name}` of the token is not a string"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VerifyErrorKind;

    #[test]
    fn a_token_has_three_parts() {
        let compact = split("aa.bb.cc").unwrap();
        assert_eq!((compact.header, compact.payload, compact.signature), ("aa", "bb", "cc"));
        assert_eq!(compact.signing_input, "aa.bb");
        for token in
            ["", ".", "..", "a", "a.b", "a.b.", ".b.c", "a..c", "a.b.c.", ".a.b.c", "a.b.c.d", "a.b.c.d.e.f"]
        {
            assert_eq!(split(token).err().map(|e| e.kind()), Some(Malformed), "{token}");
        }
        assert_eq!(split(&".".repeat(4_000)).err().map(|e| e.kind()), Some(Malformed));
    }

    #[test]
    fn an_encrypted_token_is_refused_by_name() {
        let error = split("a.b.c.d.e").err().unwrap();
        assert_eq!((error.kind(), error.to_string().as_str()), (Encrypted, "the token is encrypted (JWE)"));
        let error = split("orgs_8f2c").err().unwrap();
        assert!(error.to_string().starts_with("the token is opaque, as session tokens"), "{error}");
    }

    #[test]
    fn the_size_is_judged_before_all_else() {
        let at = |bytes: usize| split(&"a".repeat(bytes)).err().map(|e| e.kind());
        assert_eq!(at(MAX_TOKEN_BYTES), Some(Malformed));
        assert_eq!(at(MAX_TOKEN_BYTES + 1), Some(TooLarge));
        assert_eq!(at(512 * 1024), Some(TooLarge));
    }

    #[test]
    fn base64url_has_one_spelling() {
        assert_eq!(decode("AQ").unwrap(), [1]);
        assert_eq!(decode("-_8").unwrap(), [0xfb, 0xff]);
        for part in
            ["AQ=", "AQ==", "AR", "+/8", "A", "A Q", "AQ\n", " AQ", "AQ\t", "AQ%3D", "ＡＱ", "AQ!", "\"AQ\""]
        {
            assert_eq!(decode(part).unwrap_err().kind(), Malformed, "{part:?}");
        }
    }

    #[test]
    fn the_header_is_read_for_three_things() {
        let header = parse_header(
            br#"{"alg":"ES256","kid":"k","typ":"at+jwt","jku":"https://evil.example","x":[{}]}"#,
        )
        .unwrap();
        assert_eq!(header.algorithm, Algorithm::Es256);
        assert_eq!(header.kid.as_deref(), Some("k"));
        assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    }

    #[test]
    fn headers_that_lack_or_bend_a_parameter_are_refused() {
        let rows: &[(&str, VerifyErrorKind)] = &[
            (r#"{}"#, Malformed),
            (r#"{"alg":null}"#, Malformed),
            (r#"{"alg":1}"#, Malformed),
            (r#"{"alg":true}"#, Malformed),
            (r#"{"alg":["RS256"]}"#, Malformed),
            (r#"{"alg":{"alg":"RS256"}}"#, Malformed),
            (r#"{"alg":"none"}"#, UnsupportedAlgorithm),
            (r#"{"alg":"RS256","kid":1}"#, Malformed),
            (r#"{"alg":"RS256","kid":null}"#, Malformed),
            (r#"{"alg":"RS256","typ":["at+jwt"]}"#, Malformed),
            (r#"{"alg":"RS256","jku":[]}"#, Malformed),
            (r#"{"alg":"RS256","x5t":1}"#, Malformed),
            (r#"{"alg":"RS256","cty":null}"#, Malformed),
            (r#"{"alg":"RS256","jwk":"k"}"#, Malformed),
            (r#"{"alg":"RS256","crit":[]}"#, CriticalHeader),
            (r#"{"alg":"RS256","crit":null}"#, CriticalHeader),
            (r#"{"alg":"RS256","crit":["alg"]}"#, CriticalHeader),
            (r#"{"alg":"none","crit":["b64"]}"#, CriticalHeader),
            (r#"{"alg":"RS256","b64":false}"#, CriticalHeader),
            (r#"{"alg":"RS256","b64":true}"#, CriticalHeader),
            (r#"{"alg":"RS256","zip":"DEF"}"#, CriticalHeader),
            (r#"{"alg":"RS256","alg":"RS256"}"#, Malformed),
            (r#"["alg"]"#, Malformed),
        ];
        for (text, kind) in rows {
            assert_eq!(parse_header(text.as_bytes()).unwrap_err().kind(), *kind, "{text}");
        }
    }
}
