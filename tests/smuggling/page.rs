//! The page for readers and this suite say the same.

use std::{collections::BTreeSet, fs, path::Path};

use crate::rows;

/// Every row of the page names classes of this suite, or tests that exist; and every class is on the page.
#[test]
fn the_page_of_what_is_refused_names_what_shows_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("docs/hardening.md")).unwrap();
    let classes: BTreeSet<&str> = rows().into_iter().map(|(name, _)| name).collect();
    let mut named = BTreeSet::new();
    let mut problems = Vec::new();
    let mut tests = 0;
    let cells =
        page.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.split(" | ").nth(2));
    for proof in cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
        match proof.split_once("::") {
            None if classes.contains(proof) => drop(named.insert(proof)),
            None => problems.push(format!("there is no class `{proof}`")),
            Some((file, test)) => {
                tests += 1;
                let text = fs::read_to_string(root.join(file)).unwrap_or_default();
                if !text.contains(&format!("fn {test}(")) {
                    problems.push(format!("there is no test `{test}` in `{file}`"));
                }
            }
        }
    }
    problems.extend(classes.difference(&named).map(|class| format!("the page has no row for `{class}`")));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(tests > 10, "{tests} tests are named");
}
