//! A6 JSON, A7 encoding and shape.

use orgate_testkit::{TestKey, b64url};
use orgate_verify::VerifyErrorKind::*;
use serde_json::json;

use super::{Corpus, families, header};

pub(super) fn add(corpus: &mut Corpus) {
    corpus.row("A6");
    repeated(corpus);
    not_json(corpus);
    extreme(corpus);
    corpus.row("A7");
    spelling(corpus);
    shape(corpus);
    sizes(corpus);
}

fn repeated(corpus: &mut Corpus) {
    for key in families() {
        let (head, claims) = (header(key).to_string(), corpus.claims().to_string());
        for member in [
            r#""alg":"none""#.to_owned(),
            format!(r#""alg":"{}""#, key.alg()),
            r#""\u0061lg":"none""#.to_owned(),
            format!(r#""kid":"{}""#, key.kid()),
            r#""kid":"other""#.to_owned(),
            r#""typ":"JWT""#.to_owned(),
            r#""x":{"a":1,"a":1}"#.to_owned(),
        ] {
            let first = format!("{{{member},{}", head.strip_prefix('{').unwrap());
            let last = format!("{},{member}}}", head.strip_suffix('}').unwrap());
            corpus.refused(
                format!("{} header, first {member}", key.alg()),
                key.sign(first, &claims),
                Malformed,
            );
            corpus.refused(
                format!("{} header, last {member}", key.alg()),
                key.sign(last, &claims),
                Malformed,
            );
        }
    }
    let (key, claims) = (TestKey::es256(), corpus.claims().to_string());
    let head = header(key).to_string();
    for member in [
        r#""exp":9999999999"#,
        r#""iss":"https://evil.example""#,
        r#""iss":"https://issuer.example/p/demo""#,
        r#""aud":"demo-api""#,
        r#""aud":"other""#,
        r#""sub":"usr_root""#,
        r#""org_id":"org_other""#,
        r#""org_role":"owner""#,
        r#""org_permissions":["delete_org"]"#,
        r#""\u006frg_permissions":["delete_org"]"#,
        r#""x":{"a":1,"a":2}"#,
        r#""x":[{"a":1,"a":2}]"#,
    ] {
        let first = format!("{{{member},{}", claims.strip_prefix('{').unwrap());
        let last = format!("{},{member}}}", claims.strip_suffix('}').unwrap());
        corpus.refused(format!("claims, first {member}"), key.sign(&head, first), Malformed);
        corpus.refused(format!("claims, last {member}"), key.sign(&head, last), Malformed);
    }
}

fn not_json(corpus: &mut Corpus) {
    let key = TestKey::es256();
    let (head, claims) = (header(key).to_string(), corpus.claims().to_string());
    for text in ["header", "claims"] {
        let whole = if text == "header" { &head } else { &claims };
        let open = whole.strip_suffix('}').unwrap();
        let with = |member: &str| format!("{open},{member}}}").into_bytes();
        for (what, bytes) in [
            ("empty object", b"{}".to_vec()),
            ("BOM", [b"\xef\xbb\xbf", whole.as_bytes()].concat()),
            ("trailing byte", [whole.as_bytes(), b"x"].concat()),
            ("trailing NUL", [whole.as_bytes(), b"\0"].concat()),
            ("two objects", [whole.as_bytes(), whole.as_bytes()].concat()),
            ("array", format!("[{whole}]").into_bytes()),
            ("string", b"\"a\"".to_vec()),
            ("null", b"null".to_vec()),
            ("number", b"1".to_vec()),
            ("cut short", open.as_bytes().to_vec()),
            ("comment", format!("{open}/**/}}").into_bytes()),
            ("trailing comma", format!("{open},}}").into_bytes()),
            ("NaN", with("\"x\":NaN")),
            ("Infinity", with("\"x\":Infinity")),
            ("leading zero", with("\"x\":01")),
            ("single quotes", whole.replace('"', "'").into_bytes()),
            ("UTF-16", whole.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            ("Latin-1", [open.as_bytes(), b",\"x\":\"\xe9\"}"].concat()),
            ("overlong", [open.as_bytes(), b",\"x\":\"\xc0\xae\"}"].concat()),
            ("raw newline", with("\"x\":\"\n\"")),
            ("bad escape", with("\"x\":\"\\x41\"")),
            ("lone surrogate", with("\"x\":\"\\ud800\"")),
        ] {
            let token = if text == "header" { key.sign(&bytes, &claims) } else { key.sign(&head, &bytes) };
            let kind = if (what, text) == ("empty object", "claims") { MissingClaim } else { Malformed };
            corpus.refused(format!("{text}: {what}"), token, kind);
        }
    }
}

fn extreme(corpus: &mut Corpus) {
    let key = TestKey::es256();
    let (head, claims) = (header(key).to_string(), corpus.claims().to_string());
    let open = claims.strip_suffix('}').unwrap();
    let with = |member: String| key.sign(&head, format!("{open},\"x\":{member}}}"));
    corpus.refused("5,000 arrays deep", with("[".repeat(5_000) + &"]".repeat(5_000)), Malformed);
    corpus.refused("1,000 objects deep", with("{\"a\":".repeat(1_000) + "1" + &"}".repeat(1_000)), Malformed);
    corpus.refused("5,000 arrays that never end", with("[".repeat(5_000)), Malformed);
    corpus.refused("1e400", with("1e400".to_owned()), Malformed);
    corpus.refused("-1e400", with("-1e400".to_owned()), Malformed);
    corpus.accepted("500 digits that nobody reads", with("9".repeat(300)));
    corpus.accepted("30 levels that nobody reads", with("[".repeat(30) + &"]".repeat(30)));
    for text in ["a\0b", "a\r\nX-Orgate-Org-Id: org_evil", "\u{202e}"] {
        corpus.accepted(
            format!("{text:?} in a claim that nobody reads"),
            key.mint(&corpus.with("x", text.into())),
        );
    }
}

fn spelling(corpus: &mut Corpus) {
    for key in families() {
        let token = corpus.good(key);
        let (input, signature) = token.rsplit_once('.').unwrap();
        let (head, payload) = input.split_once('.').unwrap();
        for (what, other) in [
            ("padding behind", format!("{token}=")),
            ("two paddings behind", format!("{token}==")),
            ("padding in the header", format!("{head}=.{payload}.{signature}")),
            ("padding in the claims", format!("{head}.{payload}=.{signature}")),
            ("! behind", format!("{token}!")),
            ("# behind", format!("{token}#")),
            ("blank before", format!(" {token}")),
            ("blank behind", format!("{token} ")),
            ("newline behind", format!("{token}\n")),
            ("CRLF within", format!("{head}.\r\n{payload}.{signature}")),
            ("tab in the header", format!("{head}\t.{payload}.{signature}")),
            ("NUL behind", format!("{token}\0")),
            ("quotes", format!("\"{token}\"")),
            ("a percent sign for a dot", format!("{head}%2e{payload}.{signature}")),
            ("a full-width dot", format!("{head}．{payload}.{signature}")),
            ("the other alphabet", format!("{head}.{payload}.{}+/", &signature[..signature.len() - 2])),
            ("Bearer in it", format!("Bearer {token}")),
        ] {
            corpus.refused(format!("{} {what}", key.alg()), other, Malformed);
        }
        // The last character of these lengths has bits that mean nothing; they must be zero.
        let (last, rest) = (signature.as_bytes()[signature.len() - 1], &signature[..signature.len() - 1]);
        let slack = char::from(if last == b'_' { b'-' } else { last + 1 });
        corpus.refused(format!("{} slack bits", key.alg()), format!("{input}.{rest}{slack}"), Malformed);
    }
}

fn shape(corpus: &mut Corpus) {
    let token = corpus.good(TestKey::es256());
    let (input, signature) = token.rsplit_once('.').unwrap();
    let (head, payload) = input.split_once('.').unwrap();
    for (what, other) in [
        ("nothing", String::new()),
        ("one part", head.to_owned()),
        ("two parts", input.to_owned()),
        ("four parts", format!("{token}.{signature}")),
        ("six parts", format!("{token}.{token}")),
        ("no header", format!(".{payload}.{signature}")),
        ("no claims", format!("{head}..{signature}")),
        ("no signature", format!("{input}.")),
        ("only dots", "..".to_owned()),
        ("a dot before", format!(".{token}")),
        ("a dot behind", format!("{token}.")),
        ("4,000 dots", ".".repeat(4_000)),
        ("truncated to the header and a half", token[..head.len() + 40].to_owned()),
        ("an opaque token", "orgs_8f2c1d0b5a".to_owned()),
    ] {
        corpus.refused(what, other, Malformed);
    }
    corpus.refused("truncated by two", &token[..token.len() - 2], BadSignature);
}

fn sizes(corpus: &mut Corpus) {
    for size in [16 * 1024 + 1, 64 * 1024, 256 * 1024, 512 * 1024] {
        corpus.refused(format!("{size} bytes of garbage"), "a".repeat(size), TooLarge);
        corpus.refused(format!("{size} dots"), ".".repeat(size), TooLarge);
    }
    for size in [16 * 1024, 64 * 1024, 256 * 1024] {
        let token = TestKey::es256().mint(&corpus.with("x", "y".repeat(size).into()));
        corpus.refused(format!("a right token with {size} bytes in a claim"), token, TooLarge);
    }
    let mut head = json!({"alg": "ES256", "kid": "es-1", "typ": "at+jwt"});
    head["x"] = "y".repeat(16 * 1024).into();
    let token = TestKey::es256().sign(head.to_string(), corpus.claims().to_string());
    corpus.refused("a right token with a long header", token, TooLarge);
    corpus.refused(
        "a JWS within a JWS",
        TestKey::es256().sign(header(TestKey::es256()).to_string(), b64url("x")),
        Malformed,
    );
}
