//! The order of rules in a formatted file: by host, then by path, then by method.
//!
//! Order means nothing in a policy, so this is for readers only: rules without a host first, what is under a path below
//! it, a literal before a parameter before a wildcard, and methods as people say them, `ANY` last.

/// What rules are ordered by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// Keys of other tools (`x-…`) and what is no rule stand behind the rules.
    is_other: bool,
    host: String,
    segments: Vec<(u8, String)>,
    methods: Vec<(usize, String)>,
    key: String,
}

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The rank of a rule's key, whether it is a good one or not.
pub(super) fn rank(key: &str) -> Rank {
    let (methods, target) = key.split_once(' ').unwrap_or(("", key));
    let target = target.trim();
    let (host, path) = match target.find('/') {
        Some(at) => target.split_at(at),
        None => (target, ""),
    };
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    Rank {
        is_other: !target.contains('/') || key.starts_with("x-"),
        host: host.to_owned(),
        segments: segments.map(|segment| (kind(segment), segment.to_owned())).collect(),
        methods: methods.split('|').map(method).collect(),
        key: key.to_owned(),
    }
}

fn kind(segment: &str) -> u8 {
    match segment {
        "**" => 3,
        "*" => 2,
        segment if segment.starts_with('{') => 1,
        _ => 0,
    }
}

fn method(name: &str) -> (usize, String) {
    let known = METHODS.iter().position(|known| *known == name);
    let behind = METHODS.len() + usize::from(name == "ANY");
    (known.unwrap_or(behind), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_then_paths_then_methods() {
        let sorted = [
            "GET /",
            "GET /a",
            "HEAD /a",
            "POST|PUT /a",
            "DELETE /a",
            "PURGE /a",
            "ANY /a",
            "GET /a/b",
            "GET /a/{id}",
            "GET /a/*",
            "GET /a/**",
            "GET /a-b",
            "ANY /**",
            "GET a.example.com/a",
            "GET b.example.com/",
            "x-note",
        ];
        let mut shuffled = sorted.to_vec();
        shuffled.reverse();
        shuffled.rotate_left(5);
        shuffled.sort_by_cached_key(|key| rank(key));
        assert_eq!(shuffled, sorted);
    }
}
