//! Figures over time, as text.

/// `values` from left to right, as many to a column as there have to be, from nothing to a little above the largest.
#[must_use]
pub fn graph(what: &str, when: &str, values: &[u64]) -> String {
    let each = values.len().div_ceil(COLUMNS).max(1);
    let columns: Vec<u64> = values.chunks(each).filter_map(|part| part.iter().max().copied()).collect();
    let most = columns.iter().max().copied().unwrap_or(0);
    let step = most.div_ceil(ROWS).max(1);
    let mut text = String::new();
    for row in (1..=ROWS).rev() {
        let line: String =
            columns.iter().map(|value| if value.div_ceil(step) >= row { '#' } else { ' ' }).collect();
        text.push_str(&format!("{:>10} |{}\n", row * step, line.trim_end()));
    }
    let least = values.iter().min().copied().unwrap_or(0);
    text.push_str(&format!("{:>10} +{}\n", 0, "-".repeat(columns.len())));
    text.push_str(&format!(
        "{what}, {when}: {} figures, {each} to a column, {least} to {most}",
        values.len()
    ));
    text
}

const COLUMNS: usize = 90;
const ROWS: u64 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_of_each_column_is_shown() {
        let text = graph("KiB", "each second", &[0, 12, 6, 24]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            (lines[0], lines[6], lines[9], lines[11]),
            ("        24 |   #", "        12 | # #", "         6 | ###", "         2 | ###")
        );
        assert_eq!(lines[13], "KiB, each second: 4 figures, 1 to a column, 0 to 24");
        assert_eq!(graph("KiB", "", &vec![5; 1000]).lines().next().map(str::len), Some(12 + 84));
        assert!(graph("KiB", "", &[]).ends_with("0 figures, 1 to a column, 0 to 0"));
    }
}
