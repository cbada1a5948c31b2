//! What a whole decision of the gate costs: with a token that is known, one that is new, one that was forged. The tables
//! are printed; what a hit allocates, and that a forgery that is sent again costs no signature, is asserted.

use std::{
    hint::black_box,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
        RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION, uri::PathAndQuery};
use orgate::{Checked, Gate, GateParts, RequestHead, Verdict};
use orgate_bench::{
    measure::{Cost, Counting, costs, round},
    routes, spec,
};
use orgate_claims::{IssuerUrl, UnixTime};
use orgate_policy::{Limit, Policy, PolicySpec};
use orgate_testkit::{TestKey, access_token_claims, jwks};
use orgate_verify::{Algorithm, KeySet, StaticKeys, TrustedIssuer, Verifier};
use serde_json::Value;

#[global_allocator]
static COUNTING: Counting = Counting;

const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "api";
/// How many rules the policy has.
const RULES: usize = 1_000;
/// How many different tokens a round of misses has; each is seen by a gate once. Few, so that most rounds end before the
/// machine turns to something else.
const TOKENS: usize = 8;
/// How many decisions a round of hits has.
const HITS: usize = 256;
/// What a decision with a known token may allocate: nothing. Once in some five hundred decisions the cache allocates to
/// sort what was read of it.
const ALLOCATIONS_OF_A_HIT: f64 = 0.01;
/// The part of the time of a fresh forgery that one that is sent again may take.
const REPLAY: f64 = 0.5;

/// One algorithm, its key, and tokens of it.
struct Kind {
    name: &'static str,
    algorithm: Algorithm,
    key: &'static TestKey,
    tokens: Vec<String>,
}

fn main() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let now = UnixTime::from_seconds(i64::try_from(now).unwrap());
    let kinds = [
        ("RS256", Algorithm::Rs256, TestKey::rs256()),
        ("ES256", Algorithm::Es256, TestKey::es256()),
        ("EdDSA", Algorithm::EdDsa, TestKey::eddsa()),
        ("HS256", Algorithm::Hs256, TestKey::hs256()),
    ]
    .map(|(name, algorithm, key)| {
        let tokens = (0..TOKENS).map(|number| mint(key, now, number)).collect();
        Kind { name, algorithm, key, tokens }
    });
    let mut failures = Vec::new();
    with_known_tokens(&kinds[1], now, &mut failures);
    with_new_tokens(&kinds, now, &mut failures);
    signatures(&kinds);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn mint(key: &TestKey, now: UnixTime, number: usize) -> String {
    let mut claims = access_token_claims(ISSUER, AUDIENCE, now.seconds());
    claims["jti"] = format!("tok_{number}").into();
    key.mint(&claims)
}

/// The policy of [`RULES`] rules, changed by `edit`.
fn gate(kind: &Kind, edit: impl FnOnce(&mut PolicySpec)) -> Gate {
    let mut spec = spec(&routes(RULES));
    edit(&mut spec);
    Gate::new(GateParts::new(Policy::compile(spec).unwrap(), verifier(kind)))
}

fn verifier(kind: &Kind) -> Verifier {
    let keys = match kind.algorithm {
        Algorithm::Hs256 => KeySet::from_secret(TestKey::SECRET, &[Algorithm::Hs256]).unwrap(),
        _ => KeySet::from_jwks(jwks([kind.key]).as_bytes()).unwrap().0,
    };
    let issuer = TrustedIssuer::new(IssuerUrl::parse(ISSUER).unwrap(), vec![AUDIENCE.to_owned()]).unwrap();
    let issuer = issuer.algorithms(vec![kind.algorithm]).unwrap();
    Verifier::new(vec![(issuer, Arc::new(StaticKeys::new(keys)))]).unwrap()
}

/// A request, as a door holds it.
struct Request {
    path: PathAndQuery,
    headers: HeaderMap,
}

impl Request {
    fn new(path: &str, token: Option<&str>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(http::header::USER_AGENT, HeaderValue::from_static("bench/1.0"));
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).unwrap());
        }
        Self { path: PathAndQuery::try_from(path).unwrap(), headers }
    }

    /// The status that the gate answers with; 200 if the request may go on.
    fn check(&self, gate: &Gate, now: UnixTime) -> u16 {
        let head = RequestHead {
            method: &Method::GET,
            authority: Some("api.example.com"),
            path_and_query: &self.path,
            headers: &self.headers,
            peer: None,
            client_certificate: None,
        };
        match gate.check_now(black_box(&head), now) {
            Checked::Done(Verdict::Forward(_)) => 200,
            Checked::Done(Verdict::Reject(rejection)) => rejection.status().as_u16(),
            other => panic!("{other:?}"),
        }
    }
}

const PATH: &str = "/api/v1/orgs/org_acme/projects-0/8f3a2c00";

/// Requests whose token was verified before.
fn with_known_tokens(kind: &Kind, now: UnixTime, failures: &mut Vec<String>) {
    let token = kind.tokens[0].as_str();
    let forged = forged(token);
    let limit = |spec: &mut PolicySpec| {
        let limit = Limit::parse("1000000/s per org").unwrap();
        let rules = spec.rules.iter_mut();
        let of_callers = rules.filter(|rule| !matches!(rule.requirement.as_str(), "public" | "deny"));
        of_callers.for_each(|rule| rule.limit = Some(limit));
    };
    let normalize = |spec: &mut PolicySpec| spec.normalize = true;
    let members = "/api/v1/orgs/org_acme/projects-0/8f3a2c00/members";
    let rows: [(&str, Gate, Request, u16); 7] = [
        ("no token asked for", gate(kind, |_| {}), Request::new("/healthz", None), 200),
        ("allowed", gate(kind, |_| {}), Request::new(PATH, Some(token)), 200),
        ("allowed, `limit:`", gate(kind, limit), Request::new(PATH, Some(token)), 200),
        ("allowed, `normalize`, in its form", gate(kind, normalize), Request::new(PATH, Some(token)), 200),
        (
            "allowed, `normalize`, in another form",
            gate(kind, normalize),
            Request::new(&PATH.replace("/v1", "//v1"), Some(token)),
            200,
        ),
        ("refused, a permission is missing", gate(kind, |_| {}), Request::new(members, Some(token)), 403),
        ("refused, a forgery sent again", gate(kind, |_| {}), Request::new(PATH, Some(&forged)), 401),
    ];
    println!("\nA decision, the token being known (nanoseconds, allocations)\n");
    println!("| request | ns | allocations |\n|---|---:|---:|");
    for (name, gate, request, expected) in rows {
        assert_eq!(request.check(&gate, now), expected, "{name}");
        let mut hits = || round(|| (0..HITS).for_each(|_| assert_eq!(request.check(&gate, now), expected)));
        let [Cost { nanoseconds, allocations }] = costs([(HITS, &mut hits)]);
        println!("| {name} | {nanoseconds:.0} | {allocations:.3} |");
        let in_its_form = !name.ends_with("another form");
        if expected == 200 && in_its_form && allocations > ALLOCATIONS_OF_A_HIT {
            failures.push(format!("{name}: {allocations} allocations for each decision"));
        }
    }
}

/// The token with a signature that does not hold.
fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{first}{}", &signature[1..])
}

/// Requests whose token the gate has not seen.
fn with_new_tokens(kinds: &[Kind], now: UnixTime, failures: &mut Vec<String>) {
    println!("\nA decision, the token being new (microseconds; in brackets, allocations)\n");
    println!(
        "| algorithm | allowed | forged | forged, sent again | only verified | `jsonwebtoken` decodes it | ratio |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for kind in kinds {
        let requests = |edit: fn(&str) -> String| -> Vec<Request> {
            kind.tokens.iter().map(|token| Request::new(PATH, Some(&edit(token)))).collect()
        };
        let (good, bad) = (requests(str::to_owned), requests(forged));
        let new = |requests: &[Request], expected: u16| {
            let gate = gate(kind, |_| {});
            round(|| requests.iter().for_each(|request| assert_eq!(request.check(&gate, now), expected)))
        };
        let known = gate(kind, |_| {});
        let again = || round(|| (0..HITS).for_each(|_| assert_eq!(bad[0].check(&known, now), 401)));
        let verifier = verifier(kind);
        let all = |holds: &dyn Fn(&str) -> bool| {
            round(|| kind.tokens.iter().for_each(|token| assert!(black_box(holds(token)))))
        };
        let plain = plain(kind);
        let [allowed, refused, again, verified, plain] = costs([
            (TOKENS, &mut || new(&good, 200)),
            (TOKENS, &mut || new(&bad, 401)),
            (HITS, &mut || again()),
            (TOKENS, &mut || all(&|token| verifier.verify_at(token, now).is_ok())),
            (TOKENS, &mut || all(&plain)),
        ]);
        println!(
            "| {} | {} | {} | {} | {} | {} | {:.2} |",
            kind.name,
            microseconds(allowed),
            microseconds(refused),
            microseconds(again),
            microseconds(verified),
            microseconds(plain),
            allowed.nanoseconds / plain.nanoseconds
        );
        if kind.algorithm != Algorithm::Hs256 && again.nanoseconds > refused.nanoseconds * REPLAY {
            failures.push(format!("{}: a forgery that is sent again is checked again", kind.name));
        }
    }
}

/// `jsonwebtoken` by itself on the same tokens: issuer, audience and time are checked, and the key is made once.
fn plain(kind: &Kind) -> impl Fn(&str) -> bool {
    use jsonwebtoken::{DecodingKey, Validation, decode};
    let key = match kind.algorithm {
        Algorithm::Hs256 => DecodingKey::from_secret(TestKey::SECRET.as_bytes()),
        _ => DecodingKey::from_jwk(&serde_json::from_value(kind.key.jwk()).unwrap()).unwrap(),
    };
    let mut validation = Validation::new(kind.name.parse().unwrap());
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    move |token| decode::<Value>(token, &key, &validation).is_ok()
}

/// The check of a signature alone, by a key that is kept parsed and by one that is parsed each time.
fn signatures(kinds: &[Kind]) {
    println!("\nA signature alone (microseconds; in brackets, allocations)\n");
    println!("| algorithm | key kept parsed | key parsed each time | ratio |\n|---|---:|---:|---:|");
    for kind in kinds {
        let (signed, signature) = kind.tokens[0].rsplit_once('.').unwrap();
        let (signed, signature) = (signed.as_bytes(), URL_SAFE_NO_PAD.decode(signature).unwrap());
        let jwk = kind.key.jwk();
        let member = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        let both = |scheme: &'static dyn VerificationAlgorithm, key: &[u8]| {
            let parsed = ParsedPublicKey::new(scheme, key).unwrap();
            let unparsed = UnparsedPublicKey::new(scheme, key);
            side_by_side(
                || parsed.verify_sig(signed, &signature).is_ok(),
                || unparsed.verify(signed, &signature).is_ok(),
            )
        };
        let [kept, each_time] = match kind.algorithm {
            Algorithm::Rs256 => {
                let key = RsaPublicKeyComponents { n: member("n"), e: member("e") };
                let parsed = key.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).unwrap();
                side_by_side(
                    || parsed.verify_sig(signed, &signature).is_ok(),
                    || key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, &signature).is_ok(),
                )
            }
            Algorithm::Es256 => {
                both(&ECDSA_P256_SHA256_FIXED, &[&[4][..], &member("x"), &member("y")].concat())
            }
            Algorithm::EdDsa => both(&ED25519, &member("x")),
            _ => {
                let make = || hmac::Key::new(hmac::HMAC_SHA256, TestKey::SECRET.as_bytes());
                let key = make();
                side_by_side(
                    || hmac::verify(&key, signed, &signature).is_ok(),
                    || hmac::verify(&make(), signed, &signature).is_ok(),
                )
            }
        };
        let ratio = each_time.nanoseconds / kept.nanoseconds;
        println!("| {} | {} | {} | {ratio:.2} |", kind.name, microseconds(kept), microseconds(each_time));
    }
    println!();
}

fn side_by_side(one: impl Fn() -> bool, other: impl Fn() -> bool) -> [Cost; 2] {
    let many = |check: &dyn Fn() -> bool| round(|| (0..TOKENS).for_each(|_| assert!(black_box(check()))));
    costs([(TOKENS, &mut || many(&one)), (TOKENS, &mut || many(&other))])
}

fn microseconds(cost: Cost) -> String {
    format!("{:.1} ({:.0})", cost.nanoseconds / 1e3, cost.allocations)
}
