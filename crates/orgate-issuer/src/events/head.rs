//! The head of a chain: how far it goes and what it comes to there. Kept elsewhere, signed, it shows that a tail was cut off,
//! or that the chain was written anew.

use serde_json::{Value, json};

use super::{queries, verify::MISSING};
use crate::{
    clock::seconds,
    db::{Conn, DbError},
};

/// The `typ` of a signed head.
pub(crate) const TYPE: &str = "orgate-audit-head+jwt";

/// How far a chain goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) project_id: String,
    pub(crate) seq: i64,
    pub(crate) chain: String,
}

/// The head of a project's chain; `None` if there is no such project.
pub(crate) async fn find(conn: &mut Conn, project_id: &str) -> Result<Option<Head>, DbError> {
    let Some((last, _)) = queries::ends(conn, project_id).await? else { return Ok(None) };
    let chain = queries::chain_at(conn, project_id, last).await?.unwrap_or_default();
    Ok(Some(Head { project_id: project_id.to_owned(), seq: last, chain }))
}

impl Head {
    /// What is signed.
    pub(crate) fn claims(&self, now_ms: i64) -> Value {
        json!({ "project": self.project_id, "seq": self.seq, "chain": self.chain, "iat": seconds(now_ms) })
    }

    /// What was signed.
    pub(crate) fn of(claims: &Value) -> Option<Self> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            project_id: text("project")?,
            seq: claims.get("seq").and_then(Value::as_i64).filter(|seq| *seq >= 0)?,
            chain: text("chain")?,
        })
    }

    /// Why the chain does not reach this head, if it does not.
    pub(crate) async fn missed(&self, conn: &mut Conn) -> Result<Option<&'static str>, DbError> {
        if self.seq == 0 {
            return Ok(None);
        }
        Ok(match queries::chain_at(conn, &self.project_id, self.seq).await? {
            None => Some(MISSING),
            Some(chain) if chain == self.chain => None,
            Some(_) => Some("the chain was another one when the head was signed"),
        })
    }
}
