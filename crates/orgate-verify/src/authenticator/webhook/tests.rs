//! The signatures here were computed with another implementation of HMAC, and those of Stripe and Standard Webhooks are
//! accepted by, and equal to, what the senders' own packages make (`stripe` 16.1 and `standardwebhooks` 1.1 for Python).

use super::*;

const NOW: i64 = 1_700_000_000;
const BODY: &[u8] = br#"{"id":"evt_1","type":"invoice.paid"}"#;

const STRIPE_ONE: (&str, &str) =
    ("whsec_test_stripe_secret_1", "451d5ce8016a8ede3f431f1b1df7248af2c2d841217b90d79b269e8c6394ecb0");
const STRIPE_TWO: (&str, &str) =
    ("whsec_test_stripe_secret_2", "18165b136524c3cd205de0eb907fa2bf4eed122b15079ec0c537136798617ce3");
const STANDARD_ONE: (&str, &str) =
    ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "OIVTiNRrhJSBx6zl79nIEOHpS2EbXqN7S6enn5T8DlQ=");
const STANDARD_TWO: (&str, &str) =
    ("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "to16Mzm4/TY63XmwE+YR2/y5x0pwADouY97Cov+jd+w=");
const GITHUB: (&str, &str) =
    ("github_secret_0001", "d107f4233f21e7b2a36f8aa4a15c237e1d0c9b874ea27aa08cf72d1909704081");

fn webhook(scheme: WebhookScheme, secrets: &[(&str, &str)]) -> Webhook {
    Webhook::new(scheme, secrets.iter().map(|(secret, _)| *secret), 300).unwrap()
}

fn judged(
    webhook: &Webhook,
    headers: &[(&str, &str)],
    body: &[u8],
    now: i64,
) -> Result<Fingerprint, AuthenticatorError> {
    let header = |name: &str| {
        let mut found = headers.iter().filter(|(other, _)| *other == name).map(|(_, value)| *value);
        match (found.next(), found.next()) {
            (None, _) => HeaderText::Absent,
            (Some(value), None) => HeaderText::One(value),
            _ => HeaderText::Unreadable,
        }
    };
    webhook.delivery(header, UnixTime::from_seconds(now))?.verify(webhook, body)
}

fn stripe(header: &str, body: &[u8], now: i64) -> Result<Fingerprint, AuthenticatorError> {
    let webhook = webhook(WebhookScheme::Stripe, &[STRIPE_ONE, STRIPE_TWO]);
    judged(&webhook, &[("stripe-signature", header)], body, now)
}

fn standard(id: &str, time: &str, signature: &str, body: &[u8]) -> Result<Fingerprint, AuthenticatorError> {
    let webhook = webhook(WebhookScheme::StandardWebhooks, &[STANDARD_ONE, STANDARD_TWO]);
    let headers = [("webhook-id", id), ("webhook-timestamp", time), ("webhook-signature", signature)];
    judged(&webhook, &headers, body, NOW)
}

#[test]
fn a_delivery_of_stripe_is_good_with_any_of_the_secrets_and_signatures() {
    let (one, two, zero) = (STRIPE_ONE.1, STRIPE_TWO.1, "0".repeat(64));
    for header in [
        format!("t={NOW},v1={one}"),
        format!("t={NOW},v1={two}"),
        format!("v1={zero},v1={one},v0=beef,t={NOW}"),
        format!("t={NOW}, v1={}", one.to_uppercase()),
    ] {
        assert!(stripe(&header, BODY, NOW).is_ok(), "{header}");
    }
    for (header, body) in [
        (format!("t={NOW},v1={one}"), &b"{}"[..]),
        (format!("t={NOW},v1={one}"), b""),
        (format!("t={},v1={one}", NOW + 1), BODY),
        (format!("t=0{NOW},v1={one}"), BODY),
        (format!("t={NOW},v1={zero}"), BODY),
    ] {
        assert_eq!(stripe(&header, body, NOW), Err(AuthenticatorError::Wrong), "{header}");
    }
}

#[test]
fn times_too_far_away_are_refused_in_both_directions() {
    let header = format!("t={NOW},v1={}", STRIPE_ONE.1);
    for (now, good) in [(NOW + 300, true), (NOW - 300, true), (NOW + 301, false), (NOW - 301, false)] {
        let got = stripe(&header, BODY, now);
        assert_eq!(got.is_ok(), good, "{now}");
        assert!(good || got == Err(AuthenticatorError::TooOld));
    }
    for time in ["", "+1700000000", "-1", "1.7e9", " 1700000000", "99999999999999999999", "1700000000000"] {
        let got = stripe(&format!("t={time},v1={}", STRIPE_ONE.1), BODY, NOW).unwrap_err();
        let expected =
            if time.len() == 13 { AuthenticatorError::TooOld } else { AuthenticatorError::Malformed };
        assert_eq!(got, expected, "{time}");
    }
    assert!(judged(&webhook(WebhookScheme::Stripe, &[STRIPE_ONE]), &[], BODY, i64::MIN).is_err());
}

#[test]
fn a_delivery_of_standard_webhooks_is_good_with_any_of_the_secrets_and_signatures() {
    let (time, one, two) = (NOW.to_string(), STANDARD_ONE.1, STANDARD_TWO.1);
    for signature in [format!("v1,{one}"), format!("v1,{two}"), format!("v1a,xyz v2,abc v1,{two} v1,{one}")] {
        assert!(standard("msg_1", &time, &signature, BODY).is_ok(), "{signature}");
    }
    for (id, time, signature, expected) in [
        ("msg_2", &*time, format!("v1,{one}"), AuthenticatorError::Wrong),
        ("", &time, format!("v1,{one}"), AuthenticatorError::Missing),
        ("msg_1", "", format!("v1,{one}"), AuthenticatorError::Missing),
        ("msg_1", "1699999999", format!("v1,{one}"), AuthenticatorError::Wrong),
        ("msg_1", "1600000000", format!("v1,{one}"), AuthenticatorError::TooOld),
        ("msg_1", &time, String::new(), AuthenticatorError::Missing),
        ("msg_1", &time, format!("v1a,{one}"), AuthenticatorError::Malformed),
        ("msg_1", &time, one.to_owned(), AuthenticatorError::Malformed),
        ("msg_1", &time, format!("v1,{}", one.trim_end_matches('=')), AuthenticatorError::Malformed),
        ("msg_1", &time, format!("v1,{one} ").repeat(17), AuthenticatorError::Malformed),
    ] {
        assert_eq!(standard(id, time, &signature, BODY), Err(expected), "{id} {time} {signature}");
    }
}

/// The example of the specification.
#[test]
fn the_published_example_is_good() {
    let webhook = webhook(WebhookScheme::StandardWebhooks, &[STANDARD_ONE]);
    let headers = [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ];
    assert!(judged(&webhook, &headers, br#"{"test": 2432232314}"#, 1_614_265_330).is_ok());
}

/// `a.b` and `c`, or `a` and `b.c`: the signed text would be the same.
#[test]
fn nothing_moves_from_the_time_into_the_id() {
    let moved = standard(&format!("msg_1.{NOW}"), "1", &format!("v1,{}", STANDARD_ONE.1), BODY);
    assert_eq!(moved, Err(AuthenticatorError::Malformed));
}

#[test]
fn a_delivery_of_github_is_signed_over_the_body_alone() {
    let webhook = webhook(WebhookScheme::GitHub, &[GITHUB]);
    let good = format!("sha256={}", GITHUB.1);
    assert!(judged(&webhook, &[("x-hub-signature-256", &good)], BODY, NOW).is_ok());
    assert_eq!(
        judged(&webhook, &[("x-hub-signature-256", &good)], b"{}", NOW),
        Err(AuthenticatorError::Wrong)
    );
    for header in
        [GITHUB.1.to_owned(), format!("sha1={}", GITHUB.1), good.replace('=', ":"), format!("{good} ")]
    {
        let got = judged(&webhook, &[("x-hub-signature-256", &header)], BODY, NOW);
        assert_eq!(got, Err(AuthenticatorError::Malformed), "{header}");
    }
    // The example of GitHub's documentation.
    let webhook = Webhook::new(WebhookScheme::GitHub, ["It's a Secret to Everybody"], 300).unwrap();
    let example = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert!(judged(&webhook, &[("x-hub-signature-256", example)], b"Hello, World!", NOW).is_ok());
}

#[test]
fn headers_that_are_missing_or_repeated_are_refused() {
    let header = format!("t={NOW},v1={}", STRIPE_ONE.1);
    let webhook = webhook(WebhookScheme::Stripe, &[STRIPE_ONE]);
    let named = ("stripe-signature", header.as_str());
    assert_eq!(judged(&webhook, &[], BODY, NOW), Err(AuthenticatorError::Missing));
    assert_eq!(judged(&webhook, &[named, named], BODY, NOW), Err(AuthenticatorError::Malformed));
    assert_eq!(
        judged(&webhook, &[("x-hub-signature-256", &header)], BODY, NOW),
        Err(AuthenticatorError::Missing)
    );
}

#[test]
fn one_delivery_has_one_fingerprint_however_its_header_is_written() {
    let (one, two) = (STRIPE_ONE.1, STRIPE_TWO.1);
    let first = stripe(&format!("t={NOW},v1={one},v1={two}"), BODY, NOW).unwrap();
    for header in [format!("t={NOW},v1={two}"), format!("v1={one},t={NOW}"), format!("t={NOW},v1={one},v9=x")]
    {
        assert_eq!(stripe(&header, BODY, NOW), Ok(first), "{header}");
    }
    let github = webhook(WebhookScheme::GitHub, &[GITHUB]);
    assert_eq!(github.replay_window(), None);
    assert_eq!(webhook(WebhookScheme::Stripe, &[STRIPE_ONE]).replay_window(), Some(601));
    assert_eq!(Webhook::new(WebhookScheme::Stripe, [], 300).unwrap_err(), SecretError::None);
}

#[test]
fn neither_secrets_nor_signatures_are_shown() {
    let webhook = webhook(WebhookScheme::Stripe, &[STRIPE_ONE]);
    let header = format!("t={NOW},v1={}", STRIPE_ONE.1);
    let delivery = webhook.delivery(|_| HeaderText::One(&header), UnixTime::from_seconds(NOW)).unwrap();
    let shown = format!("{webhook:?} {delivery:?}");
    assert!(!shown.contains("stripe_secret") && !shown.contains("451d5c"), "{shown}");
}
