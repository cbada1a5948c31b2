//! A stretch of time up to now, cut into steps.

use serde_json::{Map, Value, json};

use super::{Activity, Count, MINUTE_MS, queries};
use crate::{
    clock::rfc3339,
    db::{Conn, DbError},
};

/// How far back somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Window {
    Hour,
    Day,
    Week,
}

impl Window {
    pub(super) const NAMES: [&str; 3] = ["hour", "day", "week"];

    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "hour" => Some(Self::Hour),
            "day" => Some(Self::Day),
            "week" => Some(Self::Week),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
        }
    }

    /// How many minutes a step has, and how many steps there are.
    const fn steps(self) -> (i64, usize) {
        match self {
            Self::Hour => (1, 60),
            Self::Day => (15, 96),
            Self::Week => (60, 168),
        }
    }
}

/// The counts of a project in a window, the last step being the one of now.
#[derive(Clone, Debug)]
pub(super) struct Series {
    window: Window,
    /// The minute that the first step begins with.
    from: i64,
    counts: Vec<Vec<i64>>,
}

impl Series {
    /// What is in the rows and in the memory of this process.
    pub(super) async fn read(
        conn: &mut Conn,
        activity: &Activity,
        (project_id, window): (&str, Window),
        now_ms: i64,
    ) -> Result<Self, DbError> {
        let (step, length) = window.steps();
        let before = step.saturating_mul(i64::try_from(length).unwrap_or(i64::MAX) - 1);
        let from = now_ms.div_euclid(MINUTE_MS).div_euclid(step).saturating_mul(step).saturating_sub(before);
        let mut series = Self { window, from, counts: vec![vec![0; length]; Count::ALL.len()] };
        let _moving = activity.moving.read().await;
        for (at, kind, n) in queries::sums(conn, project_id, from, step).await? {
            if let Some(kind) = Count::parse(&kind) {
                series.add(kind, at, n);
            }
        }
        for (minute, kind, n) in activity.held_of(project_id) {
            series.add(kind, minute.saturating_sub(from).div_euclid(step), n);
        }
        Ok(series)
    }

    /// What lies outside of the window, of another process whose clock is ahead, is left out.
    fn add(&mut self, kind: Count, at: i64, n: i64) {
        let steps = self.counts.get_mut(kind.place());
        let place = usize::try_from(at).ok();
        if let Some(own) = steps.zip(place).and_then(|(steps, place)| steps.get_mut(place)) {
            *own = own.saturating_add(n);
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let steps = |kind: Count| self.counts.get(kind.place()).map(Vec::as_slice).unwrap_or_default();
        let total = |kind: Count| steps(kind).iter().sum::<i64>();
        let tokens = Count::TOKENS.into_iter();
        let tokens: Map<String, Value> =
            tokens.map(|kind| (kind.as_str().to_owned(), json!(steps(kind)))).collect();
        let (step, length) = self.window.steps();
        let to = self.from.saturating_add(step.saturating_mul(i64::try_from(length).unwrap_or(i64::MAX)));
        json!({
            "window": self.window.name(),
            "from": rfc3339(self.from.saturating_mul(MINUTE_MS)),
            "to": rfc3339(to.saturating_mul(MINUTE_MS)),
            "step": step.saturating_mul(60),
            "sign_ins": steps(Count::SignIn),
            "failed_sign_ins": steps(Count::FailedSignIn),
            "sign_ups": steps(Count::SignUp),
            "tokens": tokens,
            "totals": {
                "sign_ins": total(Count::SignIn),
                "failed_sign_ins": total(Count::FailedSignIn),
                "sign_ups": total(Count::SignUp),
                "tokens": Count::TOKENS.into_iter().map(total).sum::<i64>(),
            },
        })
    }
}
