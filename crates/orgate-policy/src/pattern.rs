//! Path patterns, and how two of them lie to each other.

use std::fmt;

use crate::{PathOptions, SyntaxError, target::MAX_SEGMENTS};

/// The most named parameters of one path.
const MAX_PARAMETERS: usize = 8;

/// The pattern of a path: `/orgs/{org_id}/files/**`.
///
/// Each segment is a literal (decoded text), `{name}` or `*` (exactly one segment that is not empty); a final `**`
/// stands for any number of further segments, none included, with and without a `/` at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    segments: Vec<Segment>,
    rest: bool,
}

/// One segment of a [`Pattern`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// This text, byte by byte. The empty text is the end of a path that ends in `/` (`PathOptions::distinct_slash`);
    /// it is the last segment, and no parameter stands for it.
    Literal(Box<str>),
    /// Any one segment, under a name.
    Parameter(Box<str>),
    /// Any one segment, without a name: `*`.
    Any,
}

/// How the paths of one pattern lie to those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// No path is in both.
    Disjoint,
    /// The same paths.
    Equal,
    /// The first has a part of the second's paths: it is more specific.
    Within,
    /// The second has a part of the first's paths.
    Around,
    /// They share paths and each has others besides.
    Crossing,
}

impl Segment {
    fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Parameter(_) | Self::Any => None,
        }
    }

    /// Whether this is the end of a path that ends in `/`.
    fn is_slash(&self) -> bool {
        self.literal() == Some("")
    }
}

impl Pattern {
    /// Reads a pattern that is compared byte by byte and has both forms of a path, with and without a `/` at the end.
    ///
    /// # Errors
    /// [`SyntaxError`] with the byte offset in `text`.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        Self::parse_with(text, PathOptions::default())
    }

    /// Reads a pattern of a policy with these options. Only patterns that were read with the same ones are to be compared.
    ///
    /// # Errors
    /// [`SyntaxError`] with the byte offset in `text`.
    pub fn parse_with(text: &str, paths: PathOptions) -> Result<Self, SyntaxError> {
        let Some(body) = text.strip_prefix('/') else {
            return Err(SyntaxError::new(0, text.len().min(1), "a path starts with `/`"));
        };
        let mut pattern = Self { segments: Vec::new(), rest: false };
        if body.is_empty() {
            return Ok(pattern);
        }
        let mut at = 1;
        for part in body.split('/') {
            if pattern.rest {
                return Err(SyntaxError::new(at, part.len().max(1), "nothing can follow `**`"));
            }
            match part {
                "" if at == text.len() && !pattern.segments.is_empty() => {
                    if !paths.distinct_slash {
                        return Err(PathOptions::slash_at_end(at - 1));
                    }
                    pattern.segments.push(Segment::Literal("".into()));
                }
                "" => return Err(SyntaxError::new(at, 1, "the path has an empty segment")),
                "**" => pattern.rest = true,
                "*" => pattern.segments.push(Segment::Any),
                part => pattern.segments.push(segment(part, at, paths)?),
            }
            at += part.len() + 1;
        }
        if pattern.path_segments() > MAX_SEGMENTS {
            let message = format!("a path has at most {MAX_SEGMENTS} segments");
            return Err(SyntaxError::new(0, text.len(), message));
        }
        if pattern.parameters().nth(1).is_none() {
            return Ok(pattern);
        }
        if let Some((name, _)) = pattern.parameters().nth(MAX_PARAMETERS) {
            let at = text.find(&format!("{{{name}}}")).unwrap_or(0);
            let message = format!("a path has at most {MAX_PARAMETERS} parameters");
            return Err(SyntaxError::new(at, name.len() + 2, message));
        }
        let mut names: Vec<&str> = pattern.parameters().map(|(name, _)| name).collect();
        names.sort_unstable();
        if let Some([name, _]) = names.windows(2).find(|pair| matches!(pair, [a, b] if a == b)) {
            let at = text.rfind(&format!("{{{name}}}")).unwrap_or(0);
            return Err(SyntaxError::new(at, name.len() + 2, format!("the parameter `{name}` stands twice")));
        }
        Ok(pattern)
    }

    /// The same pattern as a policy with these options reads it; `slash`: with a `/` at its end.
    #[must_use]
    pub fn under(&self, paths: PathOptions, slash: bool) -> Self {
        let folded = self.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => Segment::Literal(paths.literal(text)),
            other => other.clone(),
        });
        let mut segments: Vec<Segment> = folded.collect();
        if slash && paths.distinct_slash && !self.rest && !segments.is_empty() {
            segments.push(Segment::Literal("".into()));
        }
        Self { segments, rest: self.rest }
    }

    /// The pattern of these segments, without a final `**`.
    pub(crate) fn of(segments: Vec<Segment>) -> Self {
        Self { segments, rest: false }
    }

    /// How many segments that are not empty stand before a final `**`.
    pub(crate) fn path_segments(&self) -> usize {
        self.segments.len() - usize::from(self.segments.last().is_some_and(Segment::is_slash))
    }

    /// The segments before a final `**`.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether it ends in `**`.
    #[must_use]
    pub fn has_rest(&self) -> bool {
        self.rest
    }

    /// The named parameters, each with the index of its segment.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, usize)> {
        self.segments.iter().enumerate().filter_map(|(at, segment)| match segment {
            Segment::Parameter(name) => Some((&**name, at)),
            Segment::Literal(_) | Segment::Any => None,
        })
    }

    /// Whether a path with these decoded segments is one of this pattern's. An empty one at the end is the `/` at the end
    /// of a path.
    #[must_use]
    pub fn matches(&self, path: &[&str]) -> bool {
        let length_fits =
            if self.rest { path.len() >= self.segments.len() } else { path.len() == self.segments.len() };
        length_fits
            && self
                .segments
                .iter()
                .zip(path)
                .all(|(s, p)| s.literal().map_or(!p.is_empty(), |text| text == *p))
    }

    /// How the paths of `self` lie to those of `other`, by the set of paths alone; names do not count.
    #[must_use]
    pub fn relation(&self, other: &Self) -> Relation {
        // Whether either has a path that the other lacks.
        let (mut more_here, mut more_there) = (false, false);
        let mut cut = false;
        for at in 0..self.segments.len().max(other.segments.len()) {
            match (self.segments.get(at), other.segments.get(at)) {
                (Some(a), Some(b)) if a.is_slash() != b.is_slash() => return Relation::Disjoint,
                (Some(a), Some(b)) => match (a.literal(), b.literal()) {
                    (Some(a), Some(b)) if a != b => return Relation::Disjoint,
                    (Some(_), None) => more_there = true,
                    (None, Some(_)) => more_here = true,
                    _ => {}
                },
                (Some(_), None) if other.rest => {
                    more_there = true;
                    cut = true;
                }
                (None, Some(_)) if self.rest => {
                    more_here = true;
                    cut = true;
                }
                _ => return Relation::Disjoint,
            }
            if cut {
                break;
            }
        }
        if !cut && self.rest != other.rest {
            more_here |= self.rest;
            more_there |= other.rest;
        }
        match (more_here, more_there) {
            (false, false) => Relation::Equal,
            (false, true) => Relation::Within,
            (true, false) => Relation::Around,
            (true, true) => Relation::Crossing,
        }
    }

    /// The pattern of exactly the paths that are in both; `None` where there are none.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        if self.relation(other) == Relation::Disjoint {
            return None;
        }
        let length = self.segments.len().max(other.segments.len());
        let pick = |at: usize| {
            let (here, there) = (self.segments.get(at), other.segments.get(at));
            match here {
                Some(Segment::Literal(_)) => here.cloned(),
                _ => match there {
                    Some(Segment::Literal(_)) => there.cloned(),
                    _ => here.or(there).cloned(),
                },
            }
        };
        let mut segments: Vec<Segment> = (0..length).filter_map(pick).collect();
        // Both may have the same name for different segments; the first keeps it.
        for at in 1..segments.len() {
            let (before, after) = segments.split_at_mut(at);
            if let Some(segment) = after.first_mut()
                && matches!(segment, Segment::Parameter(_))
                && before.contains(segment)
            {
                *segment = Segment::Any;
            }
        }
        Some(Self { segments, rest: self.rest && other.rest })
    }
}

fn segment(part: &str, at: usize, paths: PathOptions) -> Result<Segment, SyntaxError> {
    if let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        if let Some(name) = name.strip_prefix('*') {
            let help = format!("write `**` for any number of segments (instead of `{{*{name}}}`)");
            return Err(
                SyntaxError::new(at, part.len(), "a parameter stands for exactly one segment").help(help)
            );
        }
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let message =
                format!("`{name}` is no parameter name: letters, digits and `_`, not starting with a digit");
            return Err(SyntaxError::new(at, part.len(), message));
        }
        return Ok(Segment::Parameter(name.into()));
    }
    if let Some(name) = part.strip_prefix(':') {
        let help = format!("write `{{{name}}}`");
        return Err(SyntaxError::new(at, part.len(), "a segment cannot start with `:`").help(help));
    }
    if part.contains(['{', '}', '*']) {
        let help = "a parameter or `*` stands for a whole segment: `/files/{name}`";
        return Err(SyntaxError::new(at, part.len(), "only whole segments can vary").help(help));
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if part.bytes().all(is_plain) {
        return Ok(Segment::Literal(paths.literal(part)));
    }
    let strange = |c: char| {
        c.is_control() || c.is_whitespace() && c != ' ' || matches!(c, '\\' | ';' | '#' | '?' | '%')
    };
    if let Some((offset, c)) = part.char_indices().find(|&(_, c)| strange(c)) {
        let message = format!("a path in a policy cannot hold {c:?}");
        let error = SyntaxError::new(at + offset, c.len_utf8(), message);
        return Err(match c {
            '%' => error.help("write the decoded text: `/größe`, not `/gr%C3%B6%C3%9Fe`"),
            '?' => error.help("the query never selects a rule"),
            _ => error,
        });
    }
    if part.ends_with('.') || part.starts_with(' ') || part.ends_with(' ') {
        return Err(SyntaxError::new(at, part.len(), "no request with this segment is ever accepted")
            .help("segments that end in a dot, or start or end with a space, are refused with 400"));
    }
    Ok(Segment::Literal(paths.literal(part)))
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Parameter(name) => write!(f, "/{{{name}}}")?,
                Segment::Any => f.write_str("/*")?,
            }
        }
        match (self.rest, self.segments.is_empty()) {
            (true, _) => f.write_str("/**"),
            (false, true) => f.write_str("/"),
            (false, false) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn patterns_read_back_as_written() {
        for text in ["/", "/a", "/orgs/{org_id}/x", "/files/**", "/**", "/a/*/c", "/a b/é"] {
            assert_eq!(pattern(text).to_string(), text);
        }
    }

    #[test]
    fn errors_name_the_place() {
        for (text, at, message) in [
            ("", 0, "a path starts with `/`"),
            ("orgs", 0, "a path starts with `/`"),
            ("/orgs/", 5, "a pattern cannot end in `/`"),
            ("/a//b", 3, "the path has an empty segment"),
            ("/a/**/b", 6, "nothing can follow `**`"),
            ("/a/{*rest}", 3, "a parameter stands for exactly one segment"),
            ("/:id", 1, "a segment cannot start with `:`"),
            ("/a-{id}", 1, "only whole segments can vary"),
            ("/{}", 1, "`` is no parameter name: letters, digits and `_`, not starting with a digit"),
            ("/{id}/x/{id}", 8, "the parameter `id` stands twice"),
            ("/a%20b", 2, "a path in a policy cannot hold '%'"),
            ("/a?b", 2, "a path in a policy cannot hold '?'"),
            ("/..", 1, "no request with this segment is ever accepted"),
        ] {
            let error = Pattern::parse(text).unwrap_err();
            assert_eq!((error.at, error.message.as_str()), (at, message), "{text}");
        }
    }

    #[test]
    fn a_rest_stands_for_nothing_too() {
        assert!(pattern("/admin/**").matches(&["admin"]));
        assert!(pattern("/admin/**").matches(&["admin", "a", "b"]));
        assert!(!pattern("/admin/**").matches(&["administrator"]));
        assert!(pattern("/**").matches(&[]));
    }

    #[test]
    fn relations_follow_the_sets_of_paths() {
        for (a, b, relation) in [
            ("/a", "/b", Relation::Disjoint),
            ("/a", "/a/b", Relation::Disjoint),
            ("/{x}", "/*", Relation::Equal),
            ("/a", "/{x}", Relation::Within),
            ("/a/**", "/a", Relation::Around),
            ("/a/{x}/c", "/a/b/{y}", Relation::Crossing),
            ("/a/{x}/**", "/a/b", Relation::Around),
            ("/{x}/b", "/a/**", Relation::Crossing),
        ] {
            assert_eq!(pattern(a).relation(&pattern(b)), relation, "{a} to {b}");
        }
        assert_eq!(pattern("/a/{x}/c").meet(&pattern("/a/b/{y}")), Some(pattern("/a/b/c")));
        assert_eq!(pattern("/a").meet(&pattern("/b")), None);
        assert_eq!(
            pattern("/{x}/**").meet(&pattern("/*/{x}")),
            Some(pattern("/{x}/*")),
            "a name stands once"
        );
    }
}
