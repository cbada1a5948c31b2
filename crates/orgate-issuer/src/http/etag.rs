//! Whether whoever asks has the answer already (RFC 9110 §13.1.2).

use http::{HeaderMap, header};

/// Whether `If-None-Match` names `tag`, compared weakly.
pub(crate) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let bare = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).map(str::trim).any(|one| one == "*" || bare(one) == bare(tag))
}
