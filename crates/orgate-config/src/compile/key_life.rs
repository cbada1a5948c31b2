//! How long the keys of an issuer are trusted that cannot be renewed: `keys: {…, max_stale}`.

use std::time::Duration;

use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{MapReader, Node},
};

/// The limit, and what is left of `keys` to say where they are: nothing if the limit stands alone.
pub(super) fn max_stale<'n>(
    keys: Option<&'n Node>,
    path: &str,
    diagnostics: &mut Diagnostics,
) -> (Option<Duration>, Option<&'n Node>) {
    let Some(node) = keys else { return (None, None) };
    let Some(entries) =
        node.entries().filter(|entries| entries.iter().any(|(key, _)| key.text == "max_stale"))
    else {
        return (None, keys);
    };
    let path = format!("{path}.keys");
    if entries.iter().any(|(key, _)| key.text == "secret") {
        let message = format!("`{path}`: a secret is not renewed, so `max_stale` says nothing of it");
        diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(node.span).help("leave it away"));
    }
    let alone = entries.len() == 1;
    let limit = MapReader::new(node, &path, diagnostics)
        .and_then(|mut map| map.optional("max_stale").duration(60..=30 * 24 * 60 * 60));
    (limit.map(|limit| limit.value), keys.filter(|_| !alone))
}
