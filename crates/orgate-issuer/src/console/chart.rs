//! Pictures of what is counted: bars that stand on each other, one for each step of time.
//!
//! They are drawn here and nowhere else: the page has them in it, and while it is looked at its script asks for the same
//! shapes and texts anew ([`live`]), each by the id of the element that shows it. All of it is whole numbers.

use minijinja::{Value, context};
use serde_json::{Map, Value as Json, json};

use crate::clock::{from_rfc3339, rfc3339};

/// How wide a step is drawn, and how high everything.
const WIDTH: usize = 10;
const HEIGHT: i64 = 1_000;

/// A chart: its id, its title, and where in the counts its parts are, with their names.
type Plan = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const PLANS: [Plan; 2] = [
    ("sign-ins", "Sign-ins", &[("/sign_ins", "Succeeded"), ("/failed_sign_ins", "Failed")]),
    (
        "tokens",
        "Tokens, by the grant",
        &[
            ("/tokens/authorization_code", "Sign-in"),
            ("/tokens/refresh_token", "Renewal"),
            ("/tokens/client_credentials", "Machine"),
            ("/tokens/token_exchange", "Exchange"),
            ("/tokens/device_code", "Device"),
            ("/tokens/session_token", "Session"),
        ],
    ),
];

/// The figures above the charts: their ids, where in the counts they are, and what they are called.
const FIGURES: [(&str, &str, &str); 4] = [
    ("total-sign-ins", "/totals/sign_ins", "Sign-ins"),
    ("total-failed", "/totals/failed_sign_ins", "Failed sign-ins"),
    ("total-sign-ups", "/totals/sign_ups", "Sign-ups"),
    ("total-tokens", "/totals/tokens", "Tokens"),
];

/// A part of a chart.
struct Part {
    id: String,
    name: &'static str,
    counts: Vec<i64>,
    shape: String,
}

impl Part {
    fn total(&self) -> i64 {
        self.counts.iter().sum()
    }
}

/// A chart that is drawn.
struct Chart {
    id: &'static str,
    title: &'static str,
    /// What its upper edge stands for.
    top: i64,
    parts: Vec<Part>,
}

fn counts(activity: &Json, path: &str) -> Vec<i64> {
    let steps = activity.pointer(path).and_then(Json::as_array);
    steps.into_iter().flatten().map(|n| n.as_i64().unwrap_or_default().max(0)).collect()
}

/// The next of 5, 10, 20, 50, 100, … that is not below `most`.
fn round_up(most: i64) -> i64 {
    let mut scale = 5_i64;
    while scale < most && scale < i64::MAX / 5 {
        // Behind 2 comes 5, and behind the others what is twice as much.
        let leading = scale.to_string();
        scale = if leading.starts_with('2') { scale / 2 * 5 } else { scale * 2 };
    }
    scale.max(most)
}

impl Chart {
    fn draw((id, title, parts): Plan, activity: &Json) -> Self {
        let all: Vec<Vec<i64>> = parts.iter().map(|(path, _)| counts(activity, path)).collect();
        let steps = all.iter().map(Vec::len).max().unwrap_or_default();
        let count = |part: &Vec<i64>, at: usize| part.get(at).copied().unwrap_or_default();
        let sum = |at: usize| all.iter().map(|part| count(part, at)).sum::<i64>();
        let top = round_up((0..steps).map(sum).max().unwrap_or_default());
        let height = |n: i64| n.saturating_mul(HEIGHT) / top;
        let mut base = vec![0_i64; steps];
        let drawn = parts.iter().zip(&all).enumerate().map(|(place, ((_, name), part))| {
            let mut shape = String::from("M0 0");
            for (at, base) in base.iter_mut().enumerate() {
                let n = count(part, at);
                if n == 0 {
                    continue;
                }
                let (left, lower, upper) =
                    (at * WIDTH + 1, HEIGHT - height(*base), HEIGHT - height(*base + n));
                *base += n;
                shape.push_str(&format!("M{left} {lower}V{upper}H{}V{lower}Z", left + WIDTH - 2));
            }
            Part { id: format!("{id}-{place}"), name, counts: part.clone(), shape }
        });
        let parts = drawn.collect();
        Self { id, title, top, parts }
    }

    /// In words what it shows.
    fn description(&self) -> String {
        let parts = self.parts.iter().map(|part| format!("{}: {}", part.name, part.total()));
        format!("{}. At most {} in a step of time.", parts.collect::<Vec<_>>().join(", "), self.most())
    }

    fn most(&self) -> i64 {
        let steps = self.parts.iter().map(|part| part.counts.len()).max().unwrap_or_default();
        let sum = |at: usize| self.parts.iter().filter_map(|part| part.counts.get(at)).sum::<i64>();
        (0..steps).map(sum).max().unwrap_or_default()
    }

    /// The steps in which there was anything, the latest first.
    fn rows(&self, times: &[String]) -> Vec<Value> {
        let row = |(at, time): (usize, &String)| {
            let counts: Vec<i64> =
                self.parts.iter().map(|part| part.counts.get(at).copied().unwrap_or_default()).collect();
            counts.iter().any(|n| *n > 0).then(|| context! { time => time.as_str(), counts => counts })
        };
        times.iter().enumerate().rev().filter_map(row).collect()
    }

    fn values(&self, times: &[String]) -> Value {
        let parts: Vec<Value> = self
            .parts
            .iter()
            .map(|part| {
                context! { id => part.id.as_str(), name => part.name, shape => part.shape.as_str(), total => part.total() }
            })
            .collect();
        context! {
            id => self.id,
            title => self.title,
            top => self.top,
            about => self.description(),
            width => times.len() * WIDTH,
            parts => parts,
            rows => self.rows(times),
        }
    }
}

/// What each step is called: the time that it begins at, in universal time, with its day where there are several.
fn times(activity: &Json) -> Vec<String> {
    let from = activity["from"].as_str().and_then(from_rfc3339).unwrap_or_default();
    let step = activity["step"].as_i64().unwrap_or_default();
    let length = activity["sign_ins"].as_array().map_or(0, Vec::len);
    let begin = if activity["window"] == "hour" { 11 } else { 5 };
    (0..length)
        .map(|at| {
            let ms = i64::try_from(at).unwrap_or_default().saturating_mul(step).saturating_mul(1_000);
            let moment = rfc3339(from.saturating_add(ms)).unwrap_or_default();
            moment.get(begin..16).unwrap_or_default().replace('T', " ")
        })
        .collect()
}

fn figure(activity: &Json, path: &str) -> i64 {
    activity.pointer(path).and_then(Json::as_i64).unwrap_or_default()
}

/// The charts of the counts that the API gave, for the page.
pub(super) fn values(activity: &Json) -> Value {
    let times = times(activity);
    let charts: Vec<Value> = PLANS.map(|plan| Chart::draw(plan, activity).values(&times)).to_vec();
    let figures = FIGURES.map(|(id, path, name)| {
        context! { id => id, name => name, n => figure(activity, path) }
    });
    context! { charts => charts, figures => figures.to_vec(), from => times.first() }
}

/// The same for a page that is there: what each shape is now, and each text, by the ids of their elements.
pub(super) fn live(activity: &Json, now_ms: i64) -> Json {
    let (mut shapes, mut texts) = (Map::new(), Map::new());
    for plan in PLANS {
        let chart = Chart::draw(plan, activity);
        texts.insert(format!("{}-top", chart.id), chart.top.to_string().into());
        texts.insert(format!("{}-about", chart.id), chart.description().into());
        if let Some(first) = times(activity).into_iter().next() {
            texts.insert(format!("{}-from", chart.id), first.into());
        }
        for part in chart.parts {
            texts.insert(format!("{}-n", part.id), part.total().to_string().into());
            shapes.insert(part.id, part.shape.into());
        }
    }
    for (id, path, _) in FIGURES {
        texts.insert(id.to_owned(), figure(activity, path).to_string().into());
    }
    texts.insert("as-of".to_owned(), as_of(now_ms).into());
    json!({ "shapes": shapes, "texts": texts })
}

/// The time of a look, in universal time.
pub(super) fn as_of(now_ms: i64) -> String {
    rfc3339(now_ms).and_then(|moment| moment.get(11..19).map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_edge_is_a_round_number() {
        for (most, edge) in
            [(0, 5), (5, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, 200), (201, 500), (4_999, 5_000)]
        {
            assert_eq!(round_up(most), edge, "{most}");
        }
        assert!(round_up(i64::MAX) >= i64::MAX - 1);
    }

    #[test]
    fn bars_stand_on_each_other() {
        let activity = json!({ "sign_ins": [0, 3], "failed_sign_ins": [1, 2] });
        let chart = Chart::draw(PLANS[0], &activity);
        assert_eq!(chart.top, 5);
        assert_eq!(chart.parts[0].shape, "M0 0M11 1000V400H19V1000Z");
        assert_eq!(chart.parts[1].shape, "M0 0M1 1000V800H9V1000ZM11 400V0H19V400Z");
        assert_eq!(chart.description(), "Succeeded: 3, Failed: 3. At most 5 in a step of time.");
    }

    #[test]
    fn steps_are_called_by_their_time() {
        let mut activity =
            json!({ "window": "hour", "from": "2027-01-15T07:59:00.000Z", "step": 60, "sign_ins": [0, 1] });
        assert_eq!(times(&activity), ["07:59", "08:00"]);
        activity["window"] = json!("day");
        assert_eq!(times(&activity), ["01-15 07:59", "01-15 08:00"]);
    }
}
