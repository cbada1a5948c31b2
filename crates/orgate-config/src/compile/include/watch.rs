//! Which files a policy includes now, for whoever waits for a new one.

use std::path::{Path, PathBuf};

use super::{not_a_pattern, walk};
use crate::files::Directory;

/// The files beside the policy file `policy` that the patterns of its `include:` match now, as [`PolicyFile`] names them;
/// what cannot be looked at is left away.
///
/// [`PolicyFile`]: crate::PolicyFile
#[must_use]
pub fn included(policy: &Path, patterns: &[String]) -> Vec<PathBuf> {
    let files = Directory::of(policy);
    let mut found = Vec::new();
    for pattern in patterns {
        let segments: Vec<&str> = pattern.split('/').collect();
        if not_a_pattern(pattern, &segments).is_none() {
            // What is found up to an error stays.
            let _ = walk(String::new(), &segments, &files, &mut found);
        }
    }
    let directory = policy.parent().unwrap_or(Path::new(""));
    let mut found: Vec<PathBuf> = found.into_iter().map(|path| directory.join(path)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_patterns_match_now_is_found() {
        let folder = std::env::temp_dir().join(format!("orgate-included-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("parts")).unwrap();
        let policy = folder.join("orgate.yaml");
        let patterns = ["parts/*.yaml".to_owned(), "parts/b*".to_owned(), "../*".to_owned()];
        assert_eq!(included(&policy, &patterns), [""; 0].map(PathBuf::from));
        for name in ["b.yaml", "a.yaml", "c.txt"] {
            std::fs::write(folder.join("parts").join(name), "").unwrap();
        }
        let expected = ["parts/a.yaml", "parts/b.yaml"].map(|name| folder.join(name));
        assert_eq!(included(&policy, &patterns), expected);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
