//! A8 time, A9 issuer, audience and type.

use orgate_testkit::TestKey;
use orgate_verify::VerifyErrorKind::*;
use serde_json::{Value, json};

use super::{AUDIENCE, Corpus, ISSUER, header};

pub(super) fn add(corpus: &mut Corpus) {
    corpus.row("A8");
    expiry(corpus);
    not_before(corpus);
    corpus.row("A9");
    issuer(corpus);
    audience(corpus);
    types(corpus);
}

fn expiry(corpus: &mut Corpus) {
    let (key, now) = (TestKey::es256(), corpus.now);
    let head = header(key).to_string();
    corpus.refused("no exp", key.mint(&corpus.without("exp")), MissingClaim);
    for (exp, kind) in [
        ("null", MissingClaim),
        ("true", MalformedClaim),
        ("false", MalformedClaim),
        ("\"never\"", MalformedClaim),
        ("\"9999999999\"", MalformedClaim),
        ("[9999999999]", MalformedClaim),
        ("{\"exp\":9999999999}", MalformedClaim),
        ("\"\"", MalformedClaim),
        ("[]", MalformedClaim),
        ("{}", MalformedClaim),
        ("0", Expired),
        ("1", Expired),
        ("-1", MalformedClaim),
        ("-9223372036854775808", MalformedClaim),
        ("-9223372036854775809", MalformedClaim),
        ("1.5", MalformedClaim),
        ("-0", MalformedClaim),
        ("-0.0", MalformedClaim),
        ("1e-5", MalformedClaim),
        ("-1e300", MalformedClaim),
        ("-1e400", Malformed),
        ("9999999999.5", MalformedClaim),
        ("1e10", MalformedClaim),
        ("9007199254740993", MalformedClaim),
        ("9223372036854775807", MalformedClaim),
        ("9223372036854775808", MalformedClaim),
        ("18446744073709551615", MalformedClaim),
        ("18446744073709551616", MalformedClaim),
        ("18446744075409551616", MalformedClaim),
        ("1e19", MalformedClaim),
        ("1e300", MalformedClaim),
        ("1e400", Malformed),
    ] {
        corpus.refused(format!("exp {exp}"), key.sign(&head, corpus.raw("exp", exp)), kind);
    }
    let digits = "9".repeat(300);
    corpus.refused("exp of 300 digits", key.sign(&head, corpus.raw("exp", &digits)), MalformedClaim);
    for ago in [30, 31, 40, 61, 301, 3_600, 86_400, 1_000_000_000] {
        let token = key.mint(&corpus.with("exp", (now - ago).into()));
        corpus.refused(format!("exp {ago} s ago"), token, Expired);
    }
    corpus.accepted("exp 20 s ago", key.mint(&corpus.with("exp", (now - 20).into())));
    corpus.accepted("exp 2^53", key.mint(&corpus.with("exp", (1_i64 << 53).into())));
}

fn not_before(corpus: &mut Corpus) {
    let (key, now) = (TestKey::es256(), corpus.now);
    let head = header(key).to_string();
    for name in ["nbf", "iat"] {
        for ahead in [3_600, 1_000_000_000, 1_i64 << 52] {
            let token = key.mint(&corpus.with(name, (now + ahead).into()));
            corpus.refused(format!("{name} {ahead} s ahead"), token, NotYetValid);
        }
        for value in [
            "\"1\"",
            "\"soon\"",
            "true",
            "[1]",
            "[]",
            "{}",
            "1.5",
            "-1",
            "4102444800.5",
            "1e300",
            "4611686018427387904",
            "18446744073709551616",
        ] {
            let token = key.sign(&head, corpus.raw(name, value));
            corpus.refused(format!("{name} {value}"), token, MalformedClaim);
        }
        if name == "nbf" {
            corpus.refused("nbf null", key.sign(&head, corpus.raw(name, "null")), MalformedClaim);
        }
        corpus.refused(format!("{name} 1e400"), key.sign(&head, corpus.raw(name, "1e400")), Malformed);
        corpus.accepted(format!("{name} now"), key.mint(&corpus.with(name, now.into())));
    }
}

fn issuer(corpus: &mut Corpus) {
    let key = TestKey::es256();
    for iss in [
        format!("{ISSUER}/"),
        ISSUER.to_uppercase(),
        ISSUER.replace("issuer", "Issuer"),
        format!(" {ISSUER}"),
        format!("{ISSUER} "),
        format!("{ISSUER}\0"),
        format!("{ISSUER}\n"),
        format!("{ISSUER}.evil.example"),
        format!("https://evil.example/{ISSUER}"),
        format!("https://evil.example#{ISSUER}"),
        ISSUER[..ISSUER.len() - 1].to_owned(),
        ISSUER[1..].to_owned(),
        "https://issuer.example".to_owned(),
        ISSUER.replace("https", "http"),
        ISSUER.replace(".example", ".example:443"),
        ISSUER.replace("https://", "https://user@"),
        format!("{ISSUER}?a=b"),
        format!("{ISSUER}#a"),
        ISSUER.replace("/p/", "/p/./"),
        ISSUER.replace("/p/", "//p/"),
        ISSUER.replace("/p/", "/%70/"),
        ISSUER.replace('e', "е"),
        "*".to_owned(),
        String::new(),
    ] {
        corpus.refused(format!("iss {iss:?}"), key.mint(&corpus.with("iss", iss.into())), UnknownIssuer);
    }
    for iss in [
        json!([ISSUER]),
        json!([ISSUER, "https://evil.example"]),
        json!(["https://evil.example", ISSUER]),
        json!(1),
        json!(true),
        json!({}),
        json!({"iss": ISSUER}),
        json!([]),
    ] {
        corpus.refused(format!("iss {iss}"), key.mint(&corpus.with("iss", iss)), MalformedClaim);
    }
    corpus.refused("iss null", key.mint(&corpus.with("iss", Value::Null)), MissingClaim);
    corpus.refused("no iss", key.mint(&corpus.without("iss")), MissingClaim);
}

fn audience(corpus: &mut Corpus) {
    let key = TestKey::es256();
    for (aud, kind) in [
        (json!("other"), WrongAudience),
        (json!(""), WrongAudience),
        (json!([]), WrongAudience),
        (json!([""]), WrongAudience),
        (json!("demo-ap"), WrongAudience),
        (json!("emo-api"), WrongAudience),
        (json!("demo-api2"), WrongAudience),
        (json!("demo-api "), WrongAudience),
        (json!("demo-api\0"), WrongAudience),
        (json!("Demo-Api"), WrongAudience),
        (json!("*"), WrongAudience),
        (json!(".*"), WrongAudience),
        (json!("demo-api,other"), WrongAudience),
        (json!("demo-api other"), WrongAudience),
        (json!(["demo-api other"]), WrongAudience),
        (json!(["other", "another"]), WrongAudience),
        (Value::Null, MissingClaim),
        (json!(7), MalformedClaim),
        (json!(1.5), MalformedClaim),
        (json!(true), MalformedClaim),
        (json!({}), MalformedClaim),
        (json!({"demo-api": true}), MalformedClaim),
        (json!([["demo-api"]]), MalformedClaim),
        (json!([7]), MalformedClaim),
        (json!(["demo-api", 7]), MalformedClaim),
        (json!([null, "demo-api"]), MalformedClaim),
        (json!(["demo-api", {}]), MalformedClaim),
    ] {
        corpus.refused(format!("aud {aud}"), key.mint(&corpus.with("aud", aud)), kind);
    }
    corpus.refused("no aud", key.mint(&corpus.without("aud")), MissingClaim);
    for aud in [json!([AUDIENCE]), json!(["other", AUDIENCE])] {
        corpus.accepted(format!("aud {aud}"), key.mint(&corpus.with("aud", aud)));
    }
}

fn types(corpus: &mut Corpus) {
    let key = TestKey::es256();
    let claims = corpus.claims();
    for typ in [
        "JWT",
        "jwt",
        "",
        "at+jwt ",
        " at+jwt",
        "at",
        "at_jwt",
        "application/",
        "application/JWT",
        "application/application/at+jwt",
        "text/at+jwt",
        "at+jwt;x=y",
        "JOSE",
        "ａt+jwt",
        "id+jwt",
        "id_token+jwt",
        "session+jwt",
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "refresh+jwt",
        "rt+jwt",
        "oauth-authz-req+jwt",
        "client-authentication+jwt",
        "entity-statement+jwt",
        "token-introspection+jwt",
    ] {
        corpus.refused(format!("typ {typ:?}"), key.mint_with("typ", typ.into(), &claims), WrongType);
    }
    corpus.refused("no typ", key.mint_with("typ", Value::Null, &claims), WrongType);
    for typ in [json!(1), json!(["at+jwt"]), json!({})] {
        corpus.refused(format!("typ {typ}"), key.mint_with("typ", typ, &claims), Malformed);
    }
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
        corpus.accepted(format!("typ {typ:?}"), key.mint_with("typ", typ.into(), &claims));
    }
    for name in ["nonce", "at_hash", "c_hash", "token_use"] {
        let id = corpus.with(name, "id".into());
        corpus.refused(
            format!("an ID token by its {name}"),
            key.mint_with("typ", "JWT".into(), &id),
            WrongType,
        );
    }
}
