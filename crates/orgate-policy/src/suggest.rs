//! "Did you mean …?"

/// The candidate that `word` is most likely a misspelling of: at most two edits away (insertions, deletions,
/// substitutions, swaps of neighbours), and at most a third of the word. The first of equals wins.
#[must_use]
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = folded(word);
    let mut limit = (word.len().div_ceil(3)).min(2);
    let mut best: Option<&str> = None;
    for candidate in candidates {
        // Characters are at least one byte and at most four: most candidates need not be looked at.
        if candidate.len() + limit < word.len() || candidate.len() > 4 * (word.len() + limit) {
            continue;
        }
        let Some(distance) = edits(&word, &folded(candidate), limit) else { continue };
        best = Some(candidate);
        match distance {
            0 => break,
            _ => limit = distance - 1,
        }
    }
    best
}

fn folded(text: &str) -> Vec<char> {
    text.chars().map(|c| c.to_ascii_lowercase()).collect()
}

/// The optimal string alignment distance, if it is at most `limit`. Only the cells near the diagonal are looked at, and
/// none behind a row in which all of them are too far away.
fn edits(a: &[char], b: &[char], limit: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let far = limit + 1;
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).map(|j| j.min(far)).collect();
    let mut row = vec![far; b.len() + 1];
    for (i, &x) in a.iter().enumerate() {
        let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(far);
        let (from, to) = (i.saturating_sub(limit), (i + limit + 1).min(b.len()));
        row.fill_from(from, to, far);
        let mut least = far;
        if from == 0 {
            row.put(0, (i + 1).min(far));
            least = (i + 1).min(far);
        }
        for j in from..to {
            let Some(&y) = b.get(j) else { break };
            let mut cost =
                (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(&y) && b.get(j - 1) == Some(&x);
            if swapped {
                cost = cost.min(at(&before_last, j - 1) + 1);
            }
            row.put(j + 1, cost.min(far));
            least = least.min(cost);
        }
        if least > limit {
            return None;
        }
        let free = std::mem::replace(&mut before_last, std::mem::take(&mut last));
        last = std::mem::replace(&mut row, free);
        row.resize(b.len() + 1, far);
    }
    last.last().copied().filter(|distance| *distance <= limit)
}

/// Writing into a row without a check that could panic.
trait Row {
    fn put(&mut self, at: usize, value: usize);
    fn fill_from(&mut self, from: usize, to: usize, value: usize);
}

impl Row for Vec<usize> {
    fn put(&mut self, at: usize, value: usize) {
        if let Some(cell) = self.get_mut(at) {
            *cell = value;
        }
    }

    /// The cells that this row writes, and one on either side.
    fn fill_from(&mut self, from: usize, to: usize, value: usize) {
        let end = (to + 2).min(self.len());
        if let Some(cells) = self.get_mut(from.min(end)..end) {
            cells.fill(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_is_recognised() {
        let known = ["delete_org", "read", "write"];
        assert_eq!(closest("delet_org", known), Some("delete_org"));
        assert_eq!(closest("raed", known), Some("read"));
        assert_eq!(closest("Write", known), Some("write"));
        assert_eq!(closest("billing", known), None);
        assert_eq!(closest("x", known), None);
        assert_eq!(closest("", known), None);
        assert_eq!(closest("größe", ["grösse", "grüße"]), Some("grüße"));
        assert_eq!(
            closest("abcdef", ["abcdxx", "abcdex", "abcdey"]),
            Some("abcdex"),
            "the closest, then the first"
        );
    }

    /// The whole table, without any short cut.
    fn plainly(a: &str, b: &str) -> usize {
        let (a, b) = (folded(a), folded(b));
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                table[i][j] = match (i, j) {
                    (0, n) | (n, 0) => n,
                    _ => {
                        let substituted = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                        let mut cost = substituted.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                        if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                            cost = cost.min(table[i - 2][j - 2] + 1);
                        }
                        cost
                    }
                };
            }
        }
        table[a.len()][b.len()]
    }

    #[test]
    fn the_short_cuts_change_no_distance() {
        let words: Vec<String> = (0..1_100_usize)
            .map(|n| {
                let digits = format!("{:b}", n * 2_654_435_761 % 4096);
                digits
                    .chars()
                    .map(|c| if c == '0' { 'a' } else { 'B' })
                    .chain("ä€".chars().take(n % 3))
                    .collect()
            })
            .collect();
        for a in words.iter().step_by(43) {
            for b in words.iter().step_by(37) {
                for limit in 0..=2 {
                    let expected = Some(plainly(a, b)).filter(|distance| *distance <= limit);
                    assert_eq!(edits(&folded(a), &folded(b), limit), expected, "{a} {b} {limit}");
                }
            }
        }
    }
}
