//! Boolean functions that can be compared.
//!
//! Reduced ordered binary decision diagrams: two functions of one [`Functions`] are equal exactly if they are the same
//! number, and a function that is not [`FALSE`] can be satisfied. What a policy can demand is small and mostly free of
//! repetition, so the diagrams stay small; one that does not is given up with an error, never with a guess.

use std::collections::HashMap;

/// A function, by its number.
pub(super) type Function = u32;
/// The function that never holds.
pub(super) const FALSE: Function = 0;
/// The function that always holds.
pub(super) const TRUE: Function = 1;

/// The most nodes before a comparison is given up.
const MAX_NODES: usize = 1 << 19;

/// A node: a variable, and the functions that remain when it is false and when it is true.
type Branch = (u32, Function, Function);

/// Functions over numbered variables; a lower number is decided first.
#[derive(Debug)]
pub(super) struct Functions {
    branches: Vec<Branch>,
    numbers: HashMap<Branch, Function>,
    known: HashMap<(Function, Function, Function), Function>,
    overflowed: bool,
}

impl Functions {
    pub(super) fn new() -> Self {
        let constants = vec![(u32::MAX, FALSE, FALSE), (u32::MAX, TRUE, TRUE)];
        Self { branches: constants, numbers: HashMap::new(), known: HashMap::new(), overflowed: false }
    }

    /// Whether a function grew too large; every answer since then is worthless.
    pub(super) fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// The function that is the variable itself.
    pub(super) fn variable(&mut self, variable: u32) -> Function {
        self.branch((variable, FALSE, TRUE))
    }

    pub(super) fn not(&mut self, f: Function) -> Function {
        self.choose(f, FALSE, TRUE)
    }

    pub(super) fn and(&mut self, f: Function, g: Function) -> Function {
        self.choose(f, g, FALSE)
    }

    pub(super) fn or(&mut self, f: Function, g: Function) -> Function {
        self.choose(f, TRUE, g)
    }

    /// `f` and not `g`.
    pub(super) fn without(&mut self, f: Function, g: Function) -> Function {
        let rest = self.not(g);
        self.and(f, rest)
    }

    /// `g` where `f` holds, else `h`.
    pub(super) fn choose(&mut self, f: Function, g: Function, h: Function) -> Function {
        match (f, g, h) {
            (TRUE, _, _) => return g,
            (FALSE, _, _) => return h,
            (_, TRUE, FALSE) => return f,
            _ if g == h => return g,
            _ => {}
        }
        if let Some(known) = self.known.get(&(f, g, h)) {
            return *known;
        }
        let [f_at, g_at, h_at] = [f, g, h].map(|function| self.at(function));
        let variable = f_at.0.min(g_at.0).min(h_at.0);
        let part = |(at, low, high): Branch, whole: Function| {
            if at == variable { (low, high) } else { (whole, whole) }
        };
        let (f_parts, g_parts, h_parts) = (part(f_at, f), part(g_at, g), part(h_at, h));
        let low = self.choose(f_parts.0, g_parts.0, h_parts.0);
        let high = self.choose(f_parts.1, g_parts.1, h_parts.1);
        let result = self.branch((variable, low, high));
        self.known.insert((f, g, h), result);
        result
    }

    /// An assignment under which `f` holds, as the variables that matter; `None` if there is none. Where both values
    /// will do, `preferred` decides.
    pub(super) fn example(&self, f: Function, preferred: impl Fn(u32) -> bool) -> Option<Vec<(u32, bool)>> {
        let mut assignment = Vec::new();
        let mut at = f;
        while at != TRUE {
            let (variable, low, high) = self.at(at);
            let value = match (low, high) {
                (FALSE, FALSE) => return None, // only the constant
                (FALSE, _) => true,
                (_, FALSE) => false,
                _ => preferred(variable),
            };
            assignment.push((variable, value));
            at = if value { high } else { low };
        }
        Some(assignment)
    }

    fn at(&self, function: Function) -> Branch {
        self.branches.get(function as usize).copied().unwrap_or((u32::MAX, FALSE, FALSE))
    }

    fn branch(&mut self, branch: Branch) -> Function {
        if branch.1 == branch.2 {
            return branch.1;
        }
        if let Some(number) = self.numbers.get(&branch) {
            return *number;
        }
        match u32::try_from(self.branches.len()) {
            Ok(number) if self.branches.len() < MAX_NODES => {
                self.branches.push(branch);
                self.numbers.insert(branch, number);
                number
            }
            _ => {
                self.overflowed = true;
                FALSE
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_functions_are_one_number() {
        let mut functions = Functions::new();
        let [a, b, c] = [0, 1, 2].map(|at| functions.variable(at));
        let (ab, ac) = (functions.and(a, b), functions.and(a, c));
        let one = functions.or(ab, ac);
        let either = functions.or(c, b);
        assert_eq!(functions.and(either, a), one);
        let not = functions.not(one);
        assert_eq!(functions.not(not), one);
        assert_eq!(functions.or(one, not), TRUE);
        assert_eq!(functions.without(one, a), FALSE);
    }

    #[test]
    fn an_example_satisfies_and_prefers() {
        let mut functions = Functions::new();
        let [a, b] = [0, 1].map(|at| functions.variable(at));
        let either = functions.or(a, b);
        assert_eq!(functions.example(either, |_| false), Some(vec![(0, false), (1, true)]));
        assert_eq!(functions.example(either, |_| true), Some(vec![(0, true)]));
        assert_eq!(functions.example(FALSE, |_| true), None);
        assert_eq!(functions.example(TRUE, |_| true), Some(vec![]));
    }

    #[test]
    fn a_function_that_grows_too_large_is_given_up() {
        // The textbook case: pairs whose halves are far apart in the order.
        let mut functions = Functions::new();
        let mut all = FALSE;
        for at in 0..24 {
            let (left, right) = (functions.variable(at), functions.variable(at + 24));
            let pair = functions.and(left, right);
            all = functions.or(all, pair);
        }
        assert!(functions.overflowed());
    }
}
