//! Walking along the chain, row by row, to the first one that is not what was written.

use super::{
    chain::{self, Stored},
    queries,
};
use crate::db::{Conn, DbError};

/// What part of a chain is verified.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range<'a> {
    pub(crate) project_id: &'a str,
    /// The number of the first row; the one before it is believed.
    pub(crate) from: i64,
    /// How many rows at most.
    pub(crate) most: i64,
}

/// A chain that was walked along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Walked {
    pub(crate) from: i64,
    /// The last row that is good.
    pub(crate) to: i64,
    /// Its hash.
    pub(crate) chain: String,
    /// How many rows there should be.
    pub(crate) last: i64,
    pub(crate) broken: Option<Broken>,
}

impl Walked {
    /// Whether nothing is left to be looked at.
    pub(crate) fn is_whole(&self) -> bool {
        self.broken.is_none() && self.to >= self.last
    }
}

/// Where a chain does not hold, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) seq: i64,
    pub(crate) why: &'static str,
}

pub(crate) const MISSING: &str = "it is missing";
const ADDED: &str = "no such event was written";
const CHANGED: &str = "it is not what was written";
const DATA: &str = "its data is not what was written";
const FORGOTTEN: &str = "its data is gone, and no event says why";

/// Walks along the chain of a project; `None` if there is no such project. `at` is told how far it is, page by page.
/// Rows that come meanwhile are not looked at.
pub(crate) async fn walk(
    conn: &mut Conn,
    range: Range<'_>,
    at: &mut (dyn FnMut(&str, i64) + Send),
) -> Result<Option<Walked>, DbError> {
    let Range { project_id, from, most } = range;
    let Some((last, highest)) = queries::ends(conn, project_id).await? else { return Ok(None) };
    let from = from.max(1);
    let previous = queries::chain_at(conn, project_id, from - 1).await?;
    let mut walked =
        Walked { from, to: from - 1, chain: previous.clone().unwrap_or_default(), last, broken: None };
    let broken = |seq: i64, why: &'static str| Some(Broken { seq, why });
    if previous.is_none() && from > 1 {
        walked.broken = broken((from - 1).min(last + 1), MISSING);
        return Ok(Some(walked));
    }
    let end = last.min(from.saturating_add(most).saturating_sub(1));
    // A row before the first one is none of ours.
    let mut after = if from == 1 { i64::MIN } else { from - 1 };
    while walked.to < end {
        let rows = queries::page(conn, project_id, after, chain::PAGE).await?;
        if rows.is_empty() {
            walked.broken = broken(walked.to + 1, MISSING);
            return Ok(Some(walked));
        }
        for row in rows {
            after = row.seq;
            if row.seq > end && walked.to >= end {
                break;
            }
            if let Some(found) = judge(conn, &walked, &row).await? {
                walked.broken = Some(found);
                return Ok(Some(walked));
            }
            walked.to = row.seq;
            walked.chain = row.chain;
        }
        at(project_id, walked.to);
    }
    if walked.to >= last && highest != last {
        walked.broken = broken(last + 1, ADDED);
    }
    Ok(Some(walked))
}

async fn judge(conn: &mut Conn, walked: &Walked, row: &Stored) -> Result<Option<Broken>, DbError> {
    let broken = |seq: i64, why: &'static str| Ok(Some(Broken { seq, why }));
    let expected = walked.to + 1;
    if row.seq < expected {
        return broken(row.seq, ADDED);
    }
    if row.seq > expected {
        return broken(expected, MISSING);
    }
    if row.hash(&walked.chain) != row.chain {
        return broken(row.seq, CHANGED);
    }
    match (&row.salt, row.erased_by) {
        (Some(salt), None) if chain::commitment(salt, &row.data) == row.commitment => Ok(None),
        (None, Some(by)) if row.data == "{}" && by > row.seq => {
            let reason = queries::one(conn, &row.project_id, by).await?;
            match reason.is_some_and(|reason| chain::tells_of_erasure(&reason, row.org_id.as_deref())) {
                true => Ok(None),
                false => broken(row.seq, FORGOTTEN),
            }
        }
        (None, _) => broken(row.seq, FORGOTTEN),
        (Some(_), _) => broken(row.seq, DATA),
    }
}
