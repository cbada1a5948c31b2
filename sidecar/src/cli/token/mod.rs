//! `orgate token`: tokens, for developers.

#[cfg(feature = "issuer")]
pub(super) mod mint;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{Common, Failure, explain::token, output};

/// Flags of `orgate token`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate token mint --role admin --org acme
      a token for development, for `orgate proxy --dev-issuer`
  pbpaste | orgate token inspect -
      what a token says: its header, its claims, and whether its time is over
  orgate token inspect eyJ… --format json
      the same, for scripts

Exit codes: 0 shown · 2 it is no JWT")]
pub(crate) struct Options {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a token for development, which only a proxy with --dev-issuer believes.
    #[cfg(feature = "issuer")]
    Mint(Box<mint::Mint>),
    /// Show what a token says. Nothing is verified, and nothing is sent anywhere.
    Inspect(Inspect),
}

/// Flags of `orgate token inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pbpaste | orgate token inspect -
      what a token says: its header, its claims, and whether its time is over

Nothing is verified: anybody can write a token that says anything. `orgate explain METHOD PATH --token -` verifies.
The signature is not shown, so that what is printed cannot be used as a token.")]
struct Inspect {
    /// The token; `-` reads it from standard input, where no history keeps it.
    #[arg(value_name = "TOKEN")]
    token: String,
    /// How the answer looks.
    #[arg(long, env = "ORGATE_FORMAT", value_name = "FORMAT", value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// One object.
    Json,
}

pub(crate) fn run(options: &Options, common: &Common) -> Result<(), Failure> {
    #[cfg(not(feature = "issuer"))]
    let _ = common;
    match &options.verb {
        #[cfg(feature = "issuer")]
        Verb::Mint(options) => mint::run(options, common),
        Verb::Inspect(options) => inspect(options),
    }
}

fn inspect(options: &Inspect) -> Result<(), Failure> {
    let token = token::given(&options.token)?;
    let read = |number: usize| -> Option<Value> { serde_json::from_str(&token::part(&token, number)?).ok() };
    let (Some(header), Some(claims)) = (read(0), read(1)) else {
        let help = "a JWT has three parts joined by dots, the first two of which are JSON in base64url";
        return Err(Failure::could_not_run(format!("this is no JWT that can be read\nhelp: {help}")));
    };
    let now = orgate::clock::now().seconds();
    match options.format {
        Format::Json => {
            let expired = seconds(&claims, "exp").map(|exp| exp <= now);
            output::json(&json!({"verified": false, "header": header, "claims": claims, "expired": expired}));
        }
        Format::Text => output::result(&text(&header, &claims, now)),
    }
    Ok(())
}

fn seconds(claims: &Value, name: &str) -> Option<i64> {
    claims.get(name)?.as_i64()
}

fn text(header: &Value, claims: &Value, now: i64) -> String {
    let mut text = String::from("NOT VERIFIED: anybody could have written this token\n");
    text.push_str(&format!("header {header:#}\nclaims {claims:#}\nsignature (not shown)\n"));
    let bound = |member: &str| claims.get("cnf").is_some_and(|cnf| cnf.get(member).is_some());
    for (member, to) in
        [("jkt", "a key: whoever sends it must add a DPoP proof"), ("x5t#S256", "a client certificate")]
    {
        if bound(member) {
            text.push_str(&format!("it is bound to {to} (cnf.{member})\n"));
        }
    }
    for (name, before, after) in
        [("exp", "ends", "ended"), ("nbf", "begins", "began"), ("iat", "is issued", "was issued")]
    {
        let Some(at) = seconds(claims, name) else { continue };
        let told = match at.saturating_sub(now) {
            left if left > 0 => format!("it {before} in {} ({name})\n", span(left)),
            past => format!("it {after} {} ago ({name})\n", span(past.saturating_neg())),
        };
        text.push_str(&told);
    }
    text
}

/// A stretch of time in its largest unit.
fn span(seconds: i64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let unit = units.iter().find(|(unit, _)| seconds >= *unit).unwrap_or(&(1, "s"));
    format!("{}{}", seconds / unit.0, unit.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_and_the_signature_is_not() {
        let told = text(&json!({"alg": "ES256"}), &json!({"exp": 700, "iat": 40, "sub": "a\u{1b}[31m"}), 100);
        assert!(told.starts_with("NOT VERIFIED"), "{told}");
        assert!(
            told.contains("it ends in 10m (exp)") && told.contains("it was issued 1m ago (iat)"),
            "{told}"
        );
        assert!(!told.contains('\u{1b}'), "a token cannot drive the terminal");
        assert!(text(&json!({}), &json!({"exp": 1}), 86_401).contains("it ended 1d ago"));
        let bound = text(&json!({}), &json!({"cnf": {"jkt": "a", "x5t#S256": "b"}}), 0);
        assert!(
            bound.contains("a DPoP proof (cnf.jkt)") && bound.contains("certificate (cnf.x5t#S256)"),
            "{bound}"
        );
        assert!(!told.contains("bound"), "{told}");
        assert!(text(&json!({}), &json!({"exp": i64::MIN}), i64::MAX).contains("ago"));
    }
}
