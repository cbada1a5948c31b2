//! A part of the feed.

use serde_json::{Value, json};

use super::queries::{self, State};
use crate::db::{Conn, DbError};

/// How many events are looked at for one message.
pub(super) const STEP: i64 = 10_000;
/// The longest that a verifier takes a token beyond its end, for the sake of clocks that differ
/// (`orgate_verify::TrustedIssuer::MAX_LEEWAY`).
const LEEWAY_MS: i64 = 300_000;
/// How far the clocks of issuers on one database, and the order of events, may be apart.
const DISORDER_MS: i64 = 600_000;

/// What a reader is told at once.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Page {
    /// Behind which number it goes on.
    pub(super) seq: i64,
    /// Whether everything of before is to be forgotten: the reader has been further than the project is now.
    reset: bool,
    /// Whether there is more already.
    pub(super) more: bool,
    marks: Vec<Value>,
}

impl Page {
    /// Whether it says anything.
    pub(super) fn is_news(&self) -> bool {
        self.reset || self.more || !self.marks.is_empty()
    }

    pub(super) fn to_json(&self) -> Value {
        let mut body = json!({ "seq": self.seq, "marks": self.marks });
        if let Some(object) = body.as_object_mut() {
            for (name, value) in [("reset", self.reset), ("more", self.more)] {
                if value {
                    object.insert(name.to_owned(), true.into());
                }
            }
        }
        body
    }
}

impl State {
    /// When the last token is over that was issued before `at`, in milliseconds.
    fn end(&self, at: i64) -> i64 {
        let usual = at.saturating_add(self.ttl_ms);
        let before = self.before_until.min(at.saturating_add(self.before_ms));
        usual.max(before).saturating_add(LEEWAY_MS)
    }

    /// No token of before this time lives.
    fn horizon(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.ttl_ms.max(self.before_ms)).saturating_sub(LEEWAY_MS)
    }
}

/// What there is behind `after`, or from the oldest mark that lives; `None` if there is no such project.
pub(super) async fn read(
    conn: &mut Conn,
    project_id: &str,
    after: Option<i64>,
    now_ms: i64,
) -> Result<Option<Page>, DbError> {
    // The row of the project is written last: whatever has a number up to this one is committed.
    let Some(state) = queries::state(conn, project_id).await? else { return Ok(None) };
    let known = after.filter(|after| *after <= state.seq);
    let mut from = known.unwrap_or(0);
    if state.seq - from > STEP {
        let oldest = state.horizon(now_ms).saturating_sub(DISORDER_MS);
        from = first_after(conn, project_id, (from, state.seq), oldest).await?;
    }
    let upto = state.seq.min(from.saturating_add(STEP));
    let changes = queries::changes(conn, project_id, from, upto).await?;
    let marks = changes.iter().filter(|change| state.end(change.at) > now_ms);
    Ok(Some(Page {
        seq: upto,
        reset: after.is_some() && known.is_none(),
        more: upto < state.seq,
        marks: marks.flat_map(|change| change.shown(state.end(change.at))).collect(),
    }))
}

/// The number between these two behind which everything is that happened after `time`. Numbers and times rise together,
/// nearly: who asks leaves room for that. A handful of rows is read, however many there are.
async fn first_after(
    conn: &mut Conn,
    project_id: &str,
    (mut low, mut high): (i64, i64),
    time: i64,
) -> Result<i64, DbError> {
    while low < high {
        let middle = low + (high - low) / 2 + 1;
        // A row that somebody took away says nothing; what is before it is read.
        match queries::at(conn, project_id, middle).await? {
            Some(at) if at <= time => low = middle,
            _ => high = middle - 1,
        }
    }
    Ok(low)
}
