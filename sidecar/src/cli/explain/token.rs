//! A token that somebody has in hand: verified, or only decoded.
//!
//! It is never printed, not even in part: what is told of it is what its claims mean.

use std::io::Read as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use orgate::testing::tools::{Proven, prove};
use orgate_config::{PolicyFile, caller};

use super::{Known, caller::issuer_name};
use crate::cli::{Failure, runtime};

/// The longest token that is looked at; a gate takes 16 KiB.
const MOST: u64 = 64 * 1024;

/// What a token says of its caller. With `verify` a token that does not hold is refused as a door would.
pub(super) fn known(
    file: &PolicyFile,
    token: &str,
    issuer: Option<&str>,
    verify: bool,
) -> Result<Known, Failure> {
    let token = given(token)?;
    if !verify {
        let claims = part(&token, 1)
            .ok_or_else(|| Failure::could_not_run("this is no JWT: its claims cannot be decoded"))?;
        let iss = serde_json::from_str::<serde_json::Value>(&claims).ok();
        let iss = iss.as_ref().and_then(|claims| claims.get("iss")?.as_str());
        let principal = caller::from_claims(file, &claims, iss, issuer).map_err(Failure::could_not_run)?;
        let claims = Some(issuer_name(file, &principal));
        return Ok(Known { principal: Some(principal), verified: Some(false), claims, refused: None });
    }
    let proven = runtime(Some(1))?.block_on(prove(file, &token, orgate::clock::now()));
    match proven {
        Ok(Proven { issuer: found, .. }) if issuer.is_some_and(|wanted| wanted != found) => {
            let text = format!(
                "the token is one of issuer `{found}`\nhelp: leave --issuer away; a token names its issuer"
            );
            Err(Failure::could_not_run(text))
        }
        Ok(Proven { principal, issuer, .. }) => Ok(Known {
            principal: Some(principal),
            verified: Some(true),
            claims: Some(issuer),
            refused: None,
        }),
        Err(unproven) => {
            let refused = Some((unproven.code, unproven.detail));
            Ok(Known { refused, verified: Some(false), ..Known::default() })
        }
    }
}

/// The token of a flag, or of standard input.
pub(crate) fn given(flag: &str) -> Result<String, Failure> {
    let mut text = flag.to_owned();
    if flag == "-" {
        text.clear();
        let read = std::io::stdin().lock().take(MOST).read_to_string(&mut text);
        read.map_err(|error| Failure::could_not_run(format!("cannot read standard input: {error}")))?;
    }
    let text = text.trim();
    let scheme = ["Bearer ", "DPoP "].iter().find_map(|scheme| text.strip_prefix(scheme));
    let text = scheme.unwrap_or(text).trim();
    if text.is_empty() { Err(Failure::could_not_run("there is no token")) } else { Ok(text.to_owned()) }
}

/// A part of a compact JWS, decoded: 0 is the header, 1 the claims. The third part is not looked at.
pub(crate) fn part(token: &str, number: usize) -> Option<String> {
    let parts: Vec<&str> = token.split('.').collect();
    let part = parts.get(number).filter(|_| parts.len() == 3 && number < 2)?;
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
