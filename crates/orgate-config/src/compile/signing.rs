//! What an issuer signs with, and which of the tokens it signs are meant: `keys`, `algorithms` and `typ`.

use std::path::Path;

use orgate_verify::{Algorithm, TokenTypes};

use super::{
    address::{self, AddressError},
    environment,
    issuers::{Environment, insecure},
    secrets, texts,
};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{self, Field, MapReader, Node, closest},
    file::KeyLocation,
};

/// Algorithms that exist and that are not verified: nobody signs access tokens with them, or nobody should.
const UNSUPPORTED_ALGORITHMS: [&str; 3] = ["ES512", "ES256K", "Ed448"];

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
    if node.text() == Some("none") {
        return Some(KeyLocation::Nowhere);
    }
    if let Some(word) = node.text() {
        let message = format!("`{path}`: expected {PLACES}, found `{word}`");
        let help = closest(word, ["discover", "none"]).map(|meant| format!("did you mean `{meant}`?"));
        diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(node.span).maybe_help(help));
        return None;
    }
    if node.entries().is_none() {
        document::wrong_kind(node, &path, PLACES, diagnostics);
        return None;
    }
    let mut map = MapReader::new(node, &path, diagnostics)?;
    let _ = map.optional("max_stale"); // `key_life` reads it
    let uri = map.optional("jwks_uri").node();
    let file = map.optional("file").node();
    let secret = map.optional("secret").node();
    map.finish();
    match (uri, file, secret) {
        (Some(node), None, None) => jwks_uri(node, &path, env, diagnostics).map(KeyLocation::JwksUri),
        (None, Some(node), None) => {
            let text = Field::of(node, &format!("{path}.file"), diagnostics).text()?;
            let file = environment::expand(node, text.value, env, diagnostics)?.value;
            if file.is_empty() {
                let finding = Diagnostic::error(codes::BAD_VALUE, format!("`{path}.file` is empty"));
                diagnostics.push(finding.at(node.span));
                return None;
            }
            Some(KeyLocation::File(directory.join(file)))
        }
        (None, None, Some(node)) => {
            let source = secrets::source(node, &format!("{path}.secret"), directory, diagnostics);
            source.map(KeyLocation::Secret)
        }
        _ => {
            let finding = Diagnostic::error(codes::BAD_VALUE, format!("`{path}` needs exactly one place"));
            let help = "write `{jwks_uri: URL}`, `{file: PATH}` or `{secret: {env: NAME}}`";
            diagnostics.push(finding.at(node.span).help(help));
            None
        }
    }
}

const PLACES: &str = "`discover`, `{jwks_uri: URL}`, `{file: PATH}` or `{secret: {env: NAME}}`";

fn jwks_uri(node: &Node, path: &str, env: Environment<'_>, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = Field::of(node, &format!("{path}.jwks_uri"), diagnostics).text()?;
    let uri = environment::expand(node, text.value, env, diagnostics)?.value;
    let finding = match address::check(&uri) {
        Ok(()) => return Some(uri),
        Err(AddressError::Insecure) => insecure(&uri),
        Err(AddressError::NotAnAddress) => {
            Diagnostic::error(codes::BAD_VALUE, format!("`{uri}` is no https URL"))
        }
    };
    diagnostics.push(finding.at(node.span));
    None
}

/// The algorithms that the issuer may sign with: those that go with where its keys are.
pub(super) fn algorithms(
    node: Option<&Node>,
    keys: Option<&KeyLocation>,
    path: &str,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<Algorithm>> {
    let has_secret = matches!(keys, Some(KeyLocation::Secret(_)));
    let Some(node) = node else {
        return Some(if has_secret { vec![Algorithm::Hs256] } else { Algorithm::DEFAULT.to_vec() });
    };
    let path = format!("{path}.algorithms");
    let fits = |algorithm: Algorithm| keys.is_none() || algorithm.is_symmetric() == has_secret;
    let names: Vec<_> =
        Algorithm::ALL.iter().filter(|one| fits(**one)).map(|algorithm| algorithm.as_str()).collect();
    let before = diagnostics.errors();
    let mut algorithms = Vec::new();
    for (name, item) in texts(node, &path, diagnostics) {
        let finding = match name.parse::<Algorithm>() {
            Ok(algorithm) if fits(algorithm) => {
                algorithms.push(algorithm);
                continue;
            }
            Ok(algorithm) if algorithm.is_symmetric() => {
                let message = format!(
                    "`{algorithm}` is signed with a secret, and the keys of this issuer are published"
                );
                Diagnostic::error(codes::MIXED_KEYS, message)
                    .help("leave it away, or say where the secret is: `keys: {secret: {env: NAME}}`")
            }
            Ok(algorithm) => {
                let message =
                    format!("`{algorithm}` needs a published key, and this issuer signs with a secret");
                Diagnostic::error(codes::MIXED_KEYS, message).help("leave it away, or say where the keys are")
            }
            Err(_) => no_algorithm(name, &names),
        };
        diagnostics.push(finding.at(item.span));
    }
    if diagnostics.errors() > before {
        return None;
    }
    if algorithms.is_empty() {
        let finding = Diagnostic::error(codes::BAD_VALUE, format!("`{path}` is empty"));
        diagnostics.push(finding.at(node.span).help(format!("supported: {}", names.join(", "))));
        return None;
    }
    Some(algorithms)
}

fn no_algorithm(name: &str, names: &[&str]) -> Diagnostic {
    let supported = || format!("supported: {}", names.join(", "));
    if name.eq_ignore_ascii_case("none") {
        return Diagnostic::error(codes::ALGORITHM, "`none` is no signature and is never accepted")
            .help("leave it away");
    }
    if UNSUPPORTED_ALGORITHMS.contains(&name) {
        let message = format!("the algorithm `{name}` is not supported by this version");
        return Diagnostic::error(codes::UNSUPPORTED, message).help(supported());
    }
    let help = match closest(name, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => supported(),
    };
    Diagnostic::error(codes::BAD_VALUE, format!("`{name}` is no signature algorithm")).help(help)
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
