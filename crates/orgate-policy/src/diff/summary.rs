//! A difference in one line, for a log.

use super::{ChangeKind, Diff};

/// How many routes are named of each kind.
const NAMED: usize = 5;

impl Diff {
    /// The changes in one line, such as `1 loosened: POST /docs; 2 tightened: GET /a, GET /b`; empty where nothing changes.
    #[must_use]
    pub fn summary(&self) -> String {
        let kinds = [ChangeKind::Public, ChangeKind::Unbound, ChangeKind::Loosened, ChangeKind::Tightened];
        let told = kinds.into_iter().filter_map(|kind| {
            let all: Vec<_> = self.changes.iter().filter(|change| change.kind == kind).collect();
            let routes = all.iter().take(NAMED);
            let routes = routes.map(|change| format!("{} {}", change.methods.join("|"), change.path));
            let more = if all.len() > NAMED { ", …" } else { "" };
            let routes = routes.collect::<Vec<_>>().join(", ");
            (!all.is_empty()).then(|| format!("{} {}: {routes}{more}", all.len(), kind.as_str()))
        });
        told.collect::<Vec<_>>().join("; ")
    }
}
