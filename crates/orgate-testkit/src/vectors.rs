//! Public test vectors, which are not kept in the repository.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The file `name` of `$ORGATE_VECTORS`, or of `shared/vectors` beside the repository. Without that folder the caller has
/// nothing to test, which is said; where `CI` or `ORGATE_VECTORS` is set, that is a failure.
#[must_use]
pub fn vectors(name: &str) -> Option<Value> {
    let named = std::env::var_os("ORGATE_VECTORS").map(PathBuf::from);
    let is_needed = named.is_some() || std::env::var_os("CI").is_some();
    let folder =
        named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"));
    if !folder.is_dir() {
        let missing =
            format!("there are no test vectors in {}; name their folder in ORGATE_VECTORS", folder.display());
        assert!(!is_needed, "{missing}");
        eprintln!("{missing}");
        return None;
    }
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(serde_json::from_str(&text).unwrap())
}
