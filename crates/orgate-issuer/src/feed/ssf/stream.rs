//! How far a receiver is, and what comes next.

use super::{
    super::{page::STEP, queries},
    sets::{self, SecurityEvent},
};
use crate::{
    db::{DbError, Tx},
    operators::keys::ProjectKey,
};

/// How many events are sent at once.
pub(super) const MOST: usize = 100;
/// How many acknowledgments are kept of events behind one that is not acknowledged; those of more come again.
const MOST_ACKED: usize = 1000;

/// What a receiver has not acknowledged.
pub(super) struct Outstanding {
    pub(super) sets: Vec<SecurityEvent>,
    pub(super) more: bool,
}

/// Notes what is settled, and gives what is not, `most` at once. Who polls for the first time begins now.
pub(super) async fn advance(
    tx: &mut Tx,
    key: &ProjectKey,
    issuer: &str,
    settled: &[String],
    most: usize,
) -> Result<Outstanding, DbError> {
    let nothing = Outstanding { sets: Vec::new(), more: false };
    let Some(state) = queries::state(tx, &key.project_id).await? else { return Ok(nothing) };
    let Some((position, mut acked)) = queries::stream(tx, &key.id).await? else {
        queries::begin_stream(tx, &key.id, state.seq).await?;
        return Ok(nothing);
    };
    // The database was put back from a backup: nothing before now can be told from what was told already.
    let from = position.min(state.seq);
    let upto = state.seq.min(from.saturating_add(STEP));
    let known = acked.len();
    let new = settled.iter().filter(|jti| seq_of(jti).is_some_and(|seq| seq > from && seq <= state.seq));
    for jti in new {
        if acked.len() < MOST_ACKED && !acked.contains(jti) {
            acked.push(jti.clone());
        }
    }
    let is_news = acked.len() != known;
    let mut found = Outstanding { sets: Vec::new(), more: upto < state.seq };
    let mut reached = upto;
    for change in queries::changes(tx, &key.project_id, from, upto).await? {
        for set in sets::events(&change, issuer).into_iter().filter(|set| !acked.contains(&set.jti)) {
            reached = reached.min(change.seq - 1);
            match found.sets.len() < most {
                true => found.sets.push(set),
                false => found.more = true,
            }
        }
    }
    acked.retain(|jti| seq_of(jti).is_some_and(|seq| seq > reached));
    if is_news || reached != position {
        queries::move_stream(tx, &key.id, reached, &acked).await?;
    }
    Ok(found)
}

/// The number of the change that an event is of.
fn seq_of(jti: &str) -> Option<i64> {
    let (seq, _) = jti.strip_prefix("set_")?.split_once('_')?;
    seq.parse().ok()
}
