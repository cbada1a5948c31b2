//! `mode:` and `until:`: whether refusals are made or only told.

use orgate_claims::UnixTime;

use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics, Span},
    document::{Key, Node, Spanned},
};

/// Whether a policy is enforced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// What it refuses is refused.
    #[default]
    Enforce,
    /// What it would refuse is let through and told, up to a day.
    Observe(Until),
}

/// The last day of a policy's observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Until {
    day: String,
    over_at: UnixTime,
    span: Span,
}

impl Until {
    /// The day as written, such as `2027-01-31`.
    #[must_use]
    pub fn day(&self) -> &str {
        &self.day
    }

    /// Whether the day is over, by UTC.
    #[must_use]
    pub fn is_over(&self, now: UnixTime) -> bool {
        now >= self.over_at
    }

    /// What is wrong with a policy that is still only observed: an error once its day is over.
    #[must_use]
    pub fn finding(&self, now: UnixTime) -> Option<Diagnostic> {
        let message = format!("the policy was to be observed until {}, and refuses nothing still", self.day);
        let finding = Diagnostic::error(codes::OBSERVED_TOO_LONG, message).at(self.span);
        self.is_over(now).then(|| finding.help("write `mode: enforce`, or choose another day"))
    }
}

/// The choices of `mode:`.
const MODES: [(&str, bool); 2] = [("enforce", false), ("observe", true)];

/// The keys of the file that say it.
pub(super) struct Written<'n> {
    pub(super) mode: Option<Spanned<bool>>,
    pub(super) until: Option<(&'n Key, &'n Node)>,
}

impl<'n> Written<'n> {
    pub(super) fn of(map: &mut crate::document::MapReader<'n, '_>) -> Self {
        Self { mode: map.optional("mode").one_of(&MODES), until: map.optional("until").entry() }
    }

    pub(super) fn read(self, diagnostics: &mut Diagnostics) -> Mode {
        let observe = self.mode.filter(|mode| mode.value);
        match (observe, self.until) {
            (None, None) => Mode::Enforce,
            (Some(mode), None) => {
                let finding = Diagnostic::error(codes::MISSING_KEY, "`mode: observe` needs `until`");
                diagnostics.push(
                    finding
                        .at(mode.span)
                        .help("say by when the policy is to be enforced: `until: 2027-01-31`"),
                );
                Mode::Enforce
            }
            (None, Some((key, _))) => {
                let finding =
                    Diagnostic::error(codes::BAD_VALUE, "`until` without `mode: observe` means nothing");
                diagnostics.push(finding.at(key.span).help("leave it away"));
                Mode::Enforce
            }
            (Some(_), Some((_, node))) => until(node, diagnostics).map_or(Mode::Enforce, Mode::Observe),
        }
    }
}

fn until(node: &Node, diagnostics: &mut Diagnostics) -> Option<Until> {
    let text = crate::document::Field::of(node, "until", diagnostics).text()?;
    if let Some(first) = first_second_after(text.value) {
        return Some(Until { day: text.value.to_owned(), over_at: first, span: text.span });
    }
    let message = format!("`until`: `{}` is no day", text.value);
    diagnostics
        .push(Diagnostic::error(codes::BAD_VALUE, message).at(text.span).help("write it as `2027-01-31`"));
    None
}

/// The first second after a day `YYYY-MM-DD` of the proleptic Gregorian calendar, by UTC.
fn first_second_after(text: &str) -> Option<UnixTime> {
    let mut parts = text.split('-');
    let mut number = |digits: usize| {
        let part = parts.next().filter(|part| part.len() == digits)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<i64>().ok())?
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    if parts.next().is_some() || !(1970..=9998).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Years that start in March have their leap day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some(UnixTime::from_seconds((days - DAYS_TO_1970 + 1) * 86_400))
}

/// From 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_over_at_midnight_by_utc() {
        // date -u -d '2027-02-01' +%s, and so on.
        for (day, over) in [
            ("2027-01-31", 1_801_440_000),
            ("1970-01-01", 86_400),
            ("2028-02-28", 1_835_395_200),
            ("2028-02-29", 1_835_481_600),
            ("2026-12-31", 1_798_761_600),
            ("2000-02-29", 951_868_800),
            ("2100-02-28", 4_107_542_400),
        ] {
            assert_eq!(first_second_after(day), Some(UnixTime::from_seconds(over)), "{day}");
        }
        for day in [
            "",
            "2027-1-31",
            "2027-02-29",
            "2100-02-29",
            "2027-13-01",
            "2027-00-01",
            "2027-01-00",
            "2027-01-32",
            "2027-01-31-",
            "27-01-31",
            "2027/01/31",
            "+027-01-31",
            "9999-01-01",
        ] {
            assert_eq!(first_second_after(day), None, "{day}");
        }
    }
}
