//! Lists: `{"data": […], "next_cursor": …}`, by key, never by offset.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde_json::{Value, json};

use super::{Problem, body::Query};
use crate::encoding::{base64url, from_base64url};

const DEFAULT: i64 = 50;
const MOST: i64 = 100;

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Only what comes after this id; empty means from the beginning.
    pub(crate) after: String,
    limit: i64,
}

impl Page {
    /// Reads `limit` and `cursor` from a query.
    fn of(query: Option<&str>) -> Result<Self, Problem> {
        let Query(query) = Query::parse(query)?;
        let limit = match query.get("limit").map(str::parse::<i64>) {
            None => DEFAULT,
            Some(Ok(limit @ 1..=MOST)) => limit,
            Some(_) => return Err(Problem::invalid("limit", format!("must be between 1 and {MOST}"))),
        };
        let after = match query.get("cursor") {
            None => String::new(),
            Some(cursor) => from_base64url(cursor)
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| Problem::invalid("cursor", "is not one of ours"))?,
        };
        Ok(Self { after, limit })
    }

    /// How many rows to read: one more than asked for, which tells whether there are more.
    pub(crate) fn rows(&self) -> i64 {
        self.limit + 1
    }

    /// The answer for `rows`, each with its id.
    pub(crate) fn answer(&self, rows: Vec<(String, Value)>) -> Value {
        let limit = usize::try_from(self.limit).unwrap_or(0);
        let next = match rows.get(limit) {
            Some(_) => rows.get(limit.saturating_sub(1)).map(|(id, _)| base64url(id.as_bytes())),
            None => None,
        };
        let data: Vec<Value> = rows.into_iter().take(limit).map(|(_, value)| value).collect();
        json!({ "data": data, "next_cursor": next })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(parts.uri.query())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_stands_after_the_last_row_shown() {
        let page = Page::of(Some("limit=2")).unwrap();
        assert_eq!(page.rows(), 3);
        let rows = |ids: &[&str]| ids.iter().map(|id| ((*id).to_owned(), json!(id))).collect::<Vec<_>>();
        assert_eq!(page.answer(rows(&["a", "b"])), json!({ "data": ["a", "b"], "next_cursor": null }));
        let answer = page.answer(rows(&["a", "b", "c"]));
        assert_eq!(answer["data"], json!(["a", "b"]));
        let next = Page::of(Some(&format!("cursor={}", answer["next_cursor"].as_str().unwrap()))).unwrap();
        assert_eq!(next.after, "b");
    }

    #[test]
    fn a_limit_has_bounds() {
        for bad in ["limit=0", "limit=101", "limit=x", "cursor=%21", "limit=1&limit=1"] {
            assert!(Page::of(Some(bad)).is_err(), "{bad}");
        }
    }
}
