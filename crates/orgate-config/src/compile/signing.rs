//! What an issuer signs with, and which of the tokens it signs are meant: `keys`, `algorithms` and `typ`.

use std::path::Path;

use orgate_verify::{Algorithm, TokenTypes};

use super::{
    address::{self, AddressError},
    environment,
    issuers::{Environment, insecure},
    texts,
};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{self, Field, MapReader, Node, closest},
    file::KeyLocation,
};

/// Algorithms that exist and that this version does not verify.
const LATER_ALGORITHMS: [&str; 11] =
    ["RS384", "RS512", "PS256", "PS384", "PS512", "ES384", "ES512", "HS256", "HS384", "HS512", "Ed448"];

/// Where the keys are.
pub(super) fn key_location(
    node: Option<&Node>,
    path: &str,
    directory: &Path,
    env: Environment<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<KeyLocation> {
    let Some(node) = node else { return Some(KeyLocation::Discover) };
    let path = format!("{path}.keys");
    if node.text() == Some("discover") {
        return Some(KeyLocation::Discover);
    }
    if let Some(word) = node.text() {
        let message =
            format!("`{path}`: expected `discover`, `{{jwks_uri: URL}}` or `{{file: PATH}}`, found `{word}`");
        let help = closest(word, ["discover"]).map(|meant| format!("did you mean `{meant}`?"));
        diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(node.span).maybe_help(help));
        return None;
    }
    if node.entries().is_none() {
        document::wrong_kind(node, &path, "`discover`, `{jwks_uri: URL}` or `{file: PATH}`", diagnostics);
        return None;
    }
    let mut map = MapReader::new(node, &path, diagnostics)?;
    let _ = map.optional("max_stale"); // `key_life` reads it
    let uri = map.optional("jwks_uri").node();
    let file = map.optional("file").node();
    map.unsupported("secret");
    let has_secret = map.has("secret");
    map.finish();
    match (uri, file) {
        (Some(node), None) => {
            let text = Field::of(node, &format!("{path}.jwks_uri"), diagnostics).text()?;
            let uri = environment::expand(node, text.value, env, diagnostics)?.value;
            let finding = match address::check(&uri) {
                Ok(()) => return Some(KeyLocation::JwksUri(uri)),
                Err(AddressError::Insecure) => insecure(&uri),
                Err(AddressError::NotAnAddress) => {
                    Diagnostic::error(codes::BAD_VALUE, format!("`{uri}` is no https URL"))
                }
            };
            diagnostics.push(finding.at(node.span));
            None
        }
        (None, Some(node)) => {
            let text = Field::of(node, &format!("{path}.file"), diagnostics).text()?;
            let file = environment::expand(node, text.value, env, diagnostics)?.value;
            if file.is_empty() {
                let finding = Diagnostic::error(codes::BAD_VALUE, format!("`{path}.file` is empty"));
                diagnostics.push(finding.at(node.span));
                return None;
            }
            Some(KeyLocation::File(directory.join(file)))
        }
        _ => {
            if !has_secret {
                let finding =
                    Diagnostic::error(codes::BAD_VALUE, format!("`{path}` needs exactly one place"));
                diagnostics.push(finding.at(node.span).help("write `{jwks_uri: URL}` or `{file: PATH}`"));
            }
            None
        }
    }
}

/// The algorithms that the issuer may sign with.
pub(super) fn algorithms(node: &Node, path: &str, diagnostics: &mut Diagnostics) -> Option<Vec<Algorithm>> {
    let path = format!("{path}.algorithms");
    let supported = Algorithm::ALL.iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>();
    let before = diagnostics.errors();
    let mut algorithms = Vec::new();
    for (name, item) in texts(node, &path, diagnostics) {
        if let Ok(algorithm) = name.parse::<Algorithm>() {
            algorithms.push(algorithm);
            continue;
        }
        let finding = if name.eq_ignore_ascii_case("none") {
            Diagnostic::error(codes::ALGORITHM, "`none` is no signature and is never accepted")
                .help("leave it away")
        } else if LATER_ALGORITHMS.contains(&name) {
            let message = format!("the algorithm `{name}` is not supported by this version");
            Diagnostic::error(codes::UNSUPPORTED, message)
                .help(format!("supported: {}", supported.join(", ")))
        } else {
            let help = match closest(name, supported.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("supported: {}", supported.join(", ")),
            };
            Diagnostic::error(codes::BAD_VALUE, format!("`{name}` is no signature algorithm")).help(help)
        };
        diagnostics.push(finding.at(item.span));
    }
    if diagnostics.errors() > before {
        return None;
    }
    if algorithms.is_empty() {
        let finding = Diagnostic::error(codes::BAD_VALUE, format!("`{path}` is empty"));
        diagnostics.push(finding.at(node.span).help(format!("supported: {}", supported.join(", "))));
        return None;
    }
    Some(algorithms)
}

/// The values that the `typ` of a token may have.
pub(super) fn token_types(node: &Node, path: &str, diagnostics: &mut Diagnostics) -> Option<TokenTypes> {
    let path = format!("{path}.typ");
    let before = diagnostics.errors();
    let mut types: Option<TokenTypes> = None;
    for (name, item) in texts(node, &path, diagnostics) {
        let one = match name {
            "at+jwt" | "application/at+jwt" => TokenTypes::ACCESS_TOKEN,
            "JWT" => TokenTypes::JWT,
            "absent" => TokenTypes::ABSENT,
            _ => {
                let message = format!("`{path}`: `{name}` is no type of an access token");
                let finding = Diagnostic::error(codes::BAD_VALUE, message);
                let names = ["at+jwt", "JWT", "absent"];
                diagnostics.push(finding.at(item.span).help(match closest(name, names) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "the types are at+jwt, JWT and absent".to_owned(),
                }));
                continue;
            }
        };
        types = Some(types.map_or(one, |types| types.or(one)));
    }
    if diagnostics.errors() > before {
        return None;
    }
    if types.is_none() {
        let finding = Diagnostic::error(codes::BAD_VALUE, format!("`{path}` is empty"));
        diagnostics.push(finding.at(node.span).help("write `[at+jwt]`, or leave it away"));
    }
    types
}
