//! Which values the requests that two rules win can have in place of what a rule captures.
//!
//! A captured value is any value, except where more specific rules of either policy win what has certain ones: beside
//! `/a/*`, no request that `/{id}/*` wins has the id `a`; beside `/a/b`, none that `/{x}/{y}` wins has both. Only words
//! that a requirement mentions can tell such a value from another, so every combination of them, and of none of them, is
//! tried with a request of its own: a witness like those of [`regions`](super::regions), and for the same reason.
//! Where the case of literals is folded, what stands for one is one of its spellings.

use super::{
    Pairs, Winners,
    facts::Term,
    functions::{FALSE, Function, TRUE},
    pair::{narrower, shared},
    variables::Variables,
    winner,
};
use crate::{
    RequestTarget,
    pattern::{Pattern, Segment},
};

/// The most combinations of words that are tried for one pair of rules.
const MAX_COMBINATIONS: usize = 1 << 12;

/// What is known of the values that a pair of rules captures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Captures {
    /// Those that are always the same word.
    literals: Vec<(Term, Box<str>)>,
    /// Those of which certain words matter.
    words: Vec<(Term, Vec<Box<str>>)>,
    /// What these never are together; `None` is any value that is none of the words.
    never: Vec<Vec<Option<Box<str>>>>,
    /// Values that are never equal.
    apart: Vec<(Term, Term)>,
}

impl Captures {
    /// What stands for a value in every request in question, where that is always the same.
    pub(super) fn literal(&self, term: &Term) -> Term {
        let known = self.literals.iter().find(|(known, _)| known == term);
        known.map_or_else(|| term.clone(), |(_, word)| Term::Text(word.clone()))
    }

    /// When some request has such values.
    pub(super) fn possible(&self, over: &mut Variables) -> Function {
        let mut all = TRUE;
        let mut none = Vec::new();
        for (term, words) in &self.words {
            let mut any = FALSE;
            for word in words {
                let equal = over.equal(term.clone(), Term::Text(word.clone()));
                let two = over.functions.and(equal, any);
                all = over.functions.without(all, two);
                any = over.functions.or(any, equal);
            }
            none.push(over.functions.not(any));
        }
        for values in &self.never {
            let mut these = TRUE;
            for (((term, _), value), none) in self.words.iter().zip(values).zip(&none) {
                let this = match value {
                    Some(word) => over.equal(term.clone(), Term::Text(word.clone())),
                    None => *none,
                };
                these = over.functions.and(these, this);
            }
            all = over.functions.without(all, these);
        }
        for (a, b) in &self.apart {
            let equal = over.equal(a.clone(), b.clone());
            all = over.functions.without(all, equal);
        }
        all
    }
}

/// A captured value that is not always the same, and the words that it is compared with.
struct Free<'t> {
    term: &'t Term,
    words: Vec<Box<str>>,
    /// The literal of which it is a spelling.
    folded: Option<&'t str>,
}

impl Free<'_> {
    /// Its value in a request.
    fn value<'v>(&self, target: &'v RequestTarget<'_>) -> Option<&'v str> {
        match self.term {
            Term::Segment(at) => target.segment(*at),
            Term::Value(name) => target.host()?.strip_suffix(name.strip_prefix("host.")?)?.strip_suffix('.'),
            Term::Text(_) | Term::Bool(_) => None,
        }
    }

    /// Whether a request has this word in its place, or for `None` any other one.
    fn is(&self, word: Option<&str>, target: &RequestTarget<'_>) -> bool {
        self.value(target).is_some_and(|value| match word {
            Some(word) => value == word,
            None => !self.words.iter().any(|known| **known == *value),
        })
    }
}

impl Pairs<'_, '_> {
    /// What the requests that two rules win with one of these methods have in place of the values that one of them looks
    /// at; `None` if that is too much to find out.
    pub(super) fn captures(&self, winners: Winners, methods: &[String]) -> Option<Captures> {
        let (before, after) = (self.demand(0, winners.0).1, self.demand(1, winners.1).1);
        let mut looked_at: Vec<&Term> = before.captures().chain(after.captures()).collect();
        if looked_at.is_empty() {
            return Some(Captures::default());
        }
        looked_at.sort_unstable();
        looked_at.dedup();
        let (old, new) = (self.rule(0, winners.0), self.rule(1, winners.1));
        let pattern = shared(old, new)?;
        let folds = self.paths().fold_case;
        let host = narrower(old, new).and_then(|host| host.suffix_or_host().1);
        let (mut captures, mut free) = (Captures::default(), Vec::new());
        for term in looked_at {
            let literal = match term {
                Term::Segment(at) => pattern.segments().get(*at).and_then(Segment::literal),
                Term::Value(name) => {
                    host.and_then(|host| host.strip_suffix(name.strip_prefix("host.")?)?.strip_suffix('.'))
                }
                Term::Text(_) | Term::Bool(_) => None,
            };
            let spelled = folds && matches!(term, Term::Segment(_));
            match literal {
                Some(text) if !(spelled && letters(text) > 0) => {
                    captures.literals.push((term.clone(), text.into()));
                }
                folded => free.push(Free { term, words: Vec::new(), folded }),
            }
        }
        let mut words: Vec<Box<str>> = before.words().chain(after.words()).map(Into::into).collect();
        words.extend(captures.literals.iter().map(|(_, word)| word.clone()));
        // One with few spellings is one of them, others have always another one.
        let few = |text: &str| letters(text) < 32 && 1 << letters(text) <= words.len() + free.len() + 1;
        let few: Vec<&str> = free.iter().filter_map(|free| free.folded).filter(|text| few(text)).collect();
        words.extend(few.into_iter().flat_map(spellings).map(Into::into));
        words.sort_unstable();
        words.dedup();
        for free in &mut free {
            let tells = |word: &str| match free.term {
                Term::Segment(at) => free.folded.is_some() || self.unknown.is_told(*at, word, self.paths()),
                _ => true,
            };
            free.words = words.iter().filter(|word| tells(word)).cloned().collect();
        }
        for (at, a) in free.iter().enumerate() {
            let others = free.iter().skip(at + 1);
            let apart = others.filter(|b| match (a.term, b.term) {
                (Term::Segment(_), Term::Segment(_)) => {
                    a.folded.is_some() && b.folded.is_some() && a.folded != b.folded
                }
                // One is the end of the other.
                (Term::Value(_), Term::Value(_)) => true,
                _ => false,
            });
            captures.apart.extend(apart.map(|b| (a.term.clone(), b.term.clone())));
        }
        free.retain(|free| !free.words.is_empty());
        captures.never = self.never(winners, &pattern, &free, methods)?;
        if !captures.never.is_empty() {
            captures.words = free.into_iter().map(|free| (free.term.clone(), free.words)).collect();
        }
        Some(captures)
    }

    /// The combinations of words that no request has which the two rules win.
    fn never(
        &self,
        winners: Winners,
        pattern: &Pattern,
        free: &[Free<'_>],
        methods: &[String],
    ) -> Option<Vec<Vec<Option<Box<str>>>>> {
        let mut count = 1usize;
        for free in free {
            count = count.checked_mul(free.words.len() + 1).filter(|count| *count <= MAX_COMBINATIONS)?;
        }
        let mut never = Vec::new();
        for number in 0..count {
            let mut rest = number;
            let values = free.iter().map(|free| {
                let at = rest % (free.words.len() + 1);
                rest /= free.words.len() + 1;
                free.words.get(at).map(|word| &**word)
            });
            let values: Vec<Option<&str>> = values.collect();
            if count > 1 && !self.is_won(winners, pattern, free, &values, methods) {
                never.push(values.into_iter().map(|word| word.map(Into::into)).collect());
            }
        }
        Some(never)
    }

    /// Whether two rules win a request with these values.
    fn is_won(
        &self,
        winners: Winners,
        pattern: &Pattern,
        free: &[Free<'_>],
        values: &[Option<&str>],
        methods: &[String],
    ) -> bool {
        let mut host = None;
        let mut segments: Vec<Option<String>> =
            pattern.segments().iter().map(|segment| segment.literal().map(str::to_owned)).collect();
        for (free, value) in free.iter().zip(values) {
            match (free.term, value) {
                (Term::Segment(at), value) => {
                    let known = |text: &String| free.words.iter().any(|word| **word == **text);
                    let other = || {
                        free.folded.and_then(|text| {
                            spellings(text).take(free.words.len() + 1).find(|text| !known(text))
                        })
                    };
                    if let Some(segment) = segments.get_mut(*at) {
                        *segment = value.map_or_else(other, |word| Some(word.to_owned()));
                    }
                }
                (Term::Value(name), Some(word)) => {
                    let suffix = name.strip_prefix("host.").unwrap_or_default();
                    host = Some(format!("{word}.{suffix}"));
                }
                _ => {}
            }
        }
        let (old, new) = (self.rule(0, winners.0), self.rule(1, winners.1));
        let host = host.or_else(|| self.unknown.host(narrower(old, new)));
        let segments: Vec<Option<&str>> = segments.iter().map(Option::as_deref).collect();
        let [old, new] = self.sides;
        self.unknown.paths(&segments, pattern.has_rest(), self.paths()).iter().any(|path| {
            methods.iter().any(|method| {
                let target =
                    RequestTarget::parse(method, path).and_then(|target| target.at_host(host.as_deref()));
                target.is_ok_and(|target| {
                    free.iter().zip(values).all(|(free, word)| free.is(*word, &target))
                        && (winner(old.policy, &target), winner(new.policy, &target)) == winners
                })
            })
        })
    }
}

/// How many letters a text has that are folded.
fn letters(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_alphabetic).count()
}

/// The texts that differ from this one only by the case of their letters: all of them, or a great many.
fn spellings(text: &str) -> impl Iterator<Item = String> {
    let count = 1u32 << letters(text).min(31);
    (0..count).map(move |upper| {
        let mut at = 0;
        let spell = |c: char| {
            let turns = c.is_ascii_alphabetic() && at < 32 && upper & (1 << at) != 0;
            at += u32::from(c.is_ascii_alphabetic());
            if turns { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
        };
        text.chars().map(spell).collect()
    })
}
