//! Tokens that are bound to their senders: `dpop:` and `mtls:` of an issuer, and `token.public_url`, for which proofs are.

use std::path::Path;

use orgate_verify::{Binding, dpop::PublicUrls};

use super::{
    environment,
    secrets::{self, SecretSource},
};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{Field, MapReader, Node, Value},
};

/// What `dpop` and `mtls` can be.
pub(super) const BINDINGS: [(&str, Binding); 3] =
    [("off", Binding::Off), ("allowed", Binding::Allowed), ("required", Binding::Required)];

/// Who knows the nonces again that proofs must carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NonceSource {
    /// The gate that gave them out, and no other.
    Process,
    /// Every gate with this secret.
    Secret(SecretSource),
}

/// `dpop: required`, or `dpop: {mode: required, nonce: …}`.
pub(super) fn dpop(
    node: &Node,
    path: &str,
    directory: &Path,
    diagnostics: &mut Diagnostics,
) -> Option<(Binding, Option<NonceSource>)> {
    let path = format!("{path}.dpop");
    if node.entries().is_none() {
        return Some((Field::of(node, &path, diagnostics).one_of(&BINDINGS)?.value, None));
    }
    let mut map = MapReader::new(node, &path, diagnostics)?;
    let mode = map.required("mode").one_of(&BINDINGS);
    let nonce = map.optional("nonce").node();
    map.finish();
    let nonces = match nonce {
        None => None,
        Some(node) => match node.value {
            Value::Bool(true) => Some(NonceSource::Process),
            Value::Bool(false) => None,
            _ => Some(NonceSource::Secret(secrets::source(
                node,
                &format!("{path}.nonce"),
                directory,
                diagnostics,
            )?)),
        },
    };
    let mode = mode?;
    if let (Binding::Off, Some(node), Some(_)) = (mode.value, nonce, &nonces) {
        let message = format!("`{path}.nonce` speaks of proofs, and none is asked for");
        let finding = Diagnostic::error(codes::BAD_VALUE, message).at(node.span);
        diagnostics.push(finding.help("leave it away, or write `mode: allowed` or `mode: required`"));
        return None;
    }
    Some((mode.value, nonces))
}

/// `token.public_url`: one address, or several.
pub(super) fn public_urls(
    node: &Node,
    env: &dyn Fn(&str) -> Option<String>,
    diagnostics: &mut Diagnostics,
) -> PublicUrls {
    const PATH: &str = "token.public_url";
    let mut urls = PublicUrls::default();
    let texts = super::texts(node, PATH, diagnostics);
    if texts.is_empty() && matches!(node.value, Value::List(_)) {
        let finding = Diagnostic::error(codes::BAD_VALUE, format!("`{PATH}` is empty")).at(node.span);
        diagnostics.push(finding.help("leave it away: then the host of the request counts, by https"));
    }
    for (text, item) in texts {
        let Some(text) = environment::expand(item, text, env, diagnostics) else { continue };
        match urls.clone().with(&text.value) {
            Ok(more) => urls = more,
            Err(error) => {
                let message = format!("`{PATH}`: `{}` is {error}", text.value);
                let finding = Diagnostic::error(codes::BAD_VALUE, message).at(text.span);
                diagnostics.push(finding.help("write it as clients see it: `https://api.example.com`"));
            }
        }
    }
    urls
}
