//! A statement with its arguments, and a row of its answer; the same for every engine.

use std::{borrow::Cow, fmt};

use super::{DbError, postgres, sqlite};

/// A value for a placeholder. NULL has a type, because PostgreSQL wants one.
#[derive(Clone, Copy)]
pub(crate) enum Arg<'q> {
    Text(Option<&'q str>),
    Int(Option<i64>),
}

impl<'q> From<&'q str> for Arg<'q> {
    fn from(value: &'q str) -> Self {
        Self::Text(Some(value))
    }
}

impl<'q> From<&'q String> for Arg<'q> {
    fn from(value: &'q String) -> Self {
        Self::Text(Some(value))
    }
}

impl<'q> From<Option<&'q str>> for Arg<'q> {
    fn from(value: Option<&'q str>) -> Self {
        Self::Text(value)
    }
}

impl<'q> From<&'q Option<String>> for Arg<'q> {
    fn from(value: &'q Option<String>) -> Self {
        Self::Text(value.as_deref())
    }
}

impl From<i64> for Arg<'_> {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Arg<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Arg<'_> {
    fn from(value: bool) -> Self {
        Self::Int(Some(i64::from(value)))
    }
}

/// A text as both engines can hold it: a NUL, which no name and no key has, becomes U+FFFD.
pub(super) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// A constant SQL text and the values of its placeholders.
#[derive(Clone)]
pub(crate) struct Sql<'q> {
    pub(super) text: Cow<'static, str>,
    pub(super) args: Vec<Arg<'q>>,
    /// The file it stands in.
    #[cfg(test)]
    pub(super) file: &'static str,
}

/// Begins a statement.
#[cfg_attr(test, track_caller)]
pub(crate) fn sql<'q>(text: &'static str) -> Sql<'q> {
    Sql {
        text: Cow::Borrowed(text),
        args: Vec::new(),
        #[cfg(test)]
        file: std::panic::Location::caller().file(),
    }
}

impl<'q> Sql<'q> {
    /// A statement made of the names in a schema, for this folder only.
    pub(super) fn composed(text: String) -> Self {
        Self {
            text: Cow::Owned(text),
            args: Vec::new(),
            #[cfg(test)]
            file: file!(),
        }
    }

    /// The value of the next placeholder: the first call gives `$1`.
    pub(crate) fn bind(mut self, value: impl Into<Arg<'q>>) -> Self {
        self.args.push(value.into());
        self
    }

    /// Refuses a statement whose placeholders are not exactly `$1` to `$n` for `n` arguments.
    pub(super) fn check(&self) -> Result<(), DbError> {
        let highest = highest_placeholder(&self.text);
        if highest == self.args.len() {
            return Ok(());
        }
        Err(DbError::Inconsistent(format!(
            "a statement wants {highest} arguments and got {}: {}",
            self.args.len(),
            self.text.split_whitespace().take(6).collect::<Vec<_>>().join(" ")
        )))
    }
}

fn highest_placeholder(text: &str) -> usize {
    text.split('$')
        .skip(1)
        .map(|rest| {
            rest.bytes().take_while(u8::is_ascii_digit).fold(0_usize, |number, digit| {
                number.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
            })
        })
        .max()
        .unwrap_or(0)
}

/// One row. Columns are asked for by name.
pub(crate) struct Row(Of);

enum Of {
    Sqlite(sqlite::Row),
    Postgres(postgres::Row),
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Row")
    }
}

impl Row {
    pub(super) fn sqlite(row: sqlite::Row) -> Self {
        Self(Of::Sqlite(row))
    }

    pub(super) fn postgres(row: postgres::Row) -> Self {
        Self(Of::Postgres(row))
    }

    /// A text that is never NULL.
    pub(crate) fn text(&self, column: &str) -> Result<String, DbError> {
        self.text_opt(column)?.ok_or_else(|| absent(column))
    }

    /// A text or NULL.
    pub(crate) fn text_opt(&self, column: &str) -> Result<Option<String>, DbError> {
        match &self.0 {
            Of::Sqlite(row) => row.text(column),
            Of::Postgres(row) => row.text(column),
        }
    }

    /// A number that is never NULL.
    pub(crate) fn int(&self, column: &str) -> Result<i64, DbError> {
        self.int_opt(column)?.ok_or_else(|| absent(column))
    }

    /// A number or NULL.
    pub(crate) fn int_opt(&self, column: &str) -> Result<Option<i64>, DbError> {
        match &self.0 {
            Of::Sqlite(row) => row.int(column),
            Of::Postgres(row) => row.int(column),
        }
    }

    /// A truth value.
    pub(crate) fn flag(&self, column: &str) -> Result<bool, DbError> {
        Ok(self.int(column)? != 0)
    }

    /// A list of texts, kept as JSON.
    pub(crate) fn list(&self, column: &str) -> Result<Vec<String>, DbError> {
        serde_json::from_str(&self.text(column)?)
            .map_err(|_| DbError::Inconsistent(format!("column `{column}` holds no list of texts")))
    }
}

fn absent(column: &str) -> DbError {
    DbError::Inconsistent(format!("column `{column}` is NULL"))
}

/// A list of texts as it is kept.
pub(crate) fn json_list(items: &[String]) -> String {
    serde_json::Value::from(items.to_vec()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_argument_is_refused() {
        assert!(sql("SELECT $1, $2").bind("a").check().is_err());
        assert!(sql("SELECT $1, $2").bind("a").bind(1).check().is_ok());
        assert!(sql("SELECT $1, $1").bind("a").check().is_ok());
        assert!(sql("SELECT 1").bind("a").check().is_err());
        assert_eq!(highest_placeholder("… $10 … $2"), 10);
    }
}
