//! `orgate matrix`: who may do what, as a table to be read in a review.

mod html;
mod table;

use std::{fs, path::PathBuf};

use clap::{Args, ValueEnum};
use orgate_config::PolicyFile;
use orgate_policy::{Cell, Matrix};
use serde_json::{Map, Value, json};

use super::{Common, Failure, explain::check_role, output, policy_file::PolicyFlag};

/// Flags of `orgate matrix`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate matrix
      every rule against every role
  orgate matrix --format markdown > docs/access.md
      to be committed beside the policy
  orgate matrix --check docs/access.md
      exit code 1 if the committed table is no longer true
  orgate matrix --format html > access.html
      one page that needs nothing else, with a filter, for a security review
  orgate matrix --roles viewer,admin
      only some of the roles

Cells: yes · no (a dash) · own, which means only in the caller's own organization.
The roles are those under `roles:` of the policy, else those of the profile orgate or astapa.

Exit codes: 0 done · 1 --check found another table, or something is wrong in the policy · 2 could not run")]
pub(crate) struct Options {
    #[command(flatten)]
    policy: PolicyFlag,
    /// The roles to show, in this order [default: all].
    #[arg(long, env = "ORGATE_ROLES", value_name = "ROLE", value_delimiter = ',')]
    roles: Vec<String>,
    /// Compare with this file instead of printing.
    #[arg(long, env = "ORGATE_CHECK", value_name = "FILE")]
    check: Option<PathBuf>,
    /// How the table looks [default: text; with --check, as the name of the file ends].
    #[arg(long, env = "ORGATE_FORMAT", value_name = "FORMAT", value_enum)]
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Aligned, for a terminal.
    Text,
    /// A Markdown table.
    Markdown,
    /// Comma-separated values (RFC 4180).
    Csv,
    /// One object.
    Json,
    /// One self-contained page.
    Html,
}

pub(crate) fn run(options: &Options, common: &Common) -> Result<(), Failure> {
    let file = options.policy.load(common)?;
    let matrix = matrix(&file, &options.roles)?;
    let text = match options.format() {
        Format::Text => table::text(&file, &matrix),
        Format::Markdown => table::markdown(&file, &matrix),
        Format::Csv => table::csv(&file, &matrix),
        Format::Json => format!("{:#}\n", to_json(&matrix)),
        Format::Html => html::page(&file, &matrix),
    };
    let Some(path) = &options.check else {
        output::result(&text);
        return Ok(());
    };
    let committed = fs::read_to_string(path)
        .map_err(|error| Failure::could_not_run(format!("cannot read `{}`: {error}", path.display())))?;
    match first_difference(&committed, &text) {
        None => Ok(()),
        Some(difference) => {
            let name = path.display();
            let text = format!(
                "error: `{name}` is not what the policy says\n{difference}\nhelp: write it again with `orgate matrix` and the same flags, without --check"
            );
            Err(Failure::rendered(1, text))
        }
    }
}

impl Options {
    fn format(&self) -> Format {
        let ending = self.check.as_ref().and_then(|path| path.extension()).and_then(|ending| ending.to_str());
        self.format.unwrap_or(match ending {
            Some("md" | "markdown") => Format::Markdown,
            Some("csv") => Format::Csv,
            Some("json") => Format::Json,
            Some("html" | "htm") => Format::Html,
            _ => Format::Text,
        })
    }
}

fn matrix<'f>(file: &'f PolicyFile, roles: &[String]) -> Result<Matrix<'f>, Failure> {
    let all: Vec<&str> = file.policy.table_roles().collect();
    if roles.is_empty() {
        return Ok(file.policy.matrix(&all));
    }
    if let Some(role) = roles.iter().find(|role| !all.contains(&role.as_str())) {
        check_role(file, role)?;
        let text = format!(
            "nothing says what the role `{role}` holds\nhelp: the roles with a column are: {}",
            all.join(", ")
        );
        return Err(Failure::could_not_run(text));
    }
    Ok(file.policy.matrix(&roles.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn to_json(matrix: &Matrix<'_>) -> Value {
    let routes: Vec<Value> = matrix
        .rows
        .iter()
        .map(|row| {
            let cells: Map<String, Value> = matrix
                .roles
                .iter()
                .zip(&row.cells)
                .map(|(role, cell)| ((*role).to_owned(), cell.as_str().into()))
                .collect();
            json!({"rule": row.rule, "line": row.place.line, "requirement": row.requirement, "cells": cells})
        })
        .collect();
    json!({"roles": matrix.roles, "routes": routes})
}

/// The cell as people read it.
fn shown(cell: Cell) -> &'static str {
    if cell == Cell::No { "-" } else { cell.as_str() }
}

/// The first line in which a committed table differs, both ways; line ends do not count.
fn first_difference(committed: &str, now: &str) -> Option<String> {
    let (mut old, mut new) = (committed.lines(), now.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (old.next(), new.next()) {
            (None, None) => return None,
            (before, after) if before == after => {}
            (before, after) => {
                let shown = |line: Option<&str>| line.unwrap_or("(nothing)").to_owned();
                return Some(format!("line {number}\n  - {}\n  + {}", shown(before), shown(after)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "version: 1\nissuers:\n  main: {issuer: \"https://i.example\", audience: a}\npermissions: [read]\nroles:\n  r|1: {grants: [read]}\n  \"a,b\": {}\nrules:\n  GET /x: public\n  GET /a|b/{org_id}: read\n  POST /<i>: deny\n";

    fn file() -> PolicyFile {
        orgate_config::compile("orgate.yaml", POLICY.as_bytes(), &|_| None).unwrap()
    }

    #[test]
    fn names_with_a_meaning_in_a_format_are_escaped() {
        let file = file();
        let matrix = matrix(&file, &[]).unwrap();
        let markdown = table::markdown(&file, &matrix);
        assert!(markdown.contains("| `GET /a\\|b/{org_id}` |"), "{markdown}");
        assert!(
            markdown
                .lines()
                .all(|line| line.replace("\\|", "").matches('|').count() == 6 || !line.starts_with('|'))
        );
        let csv = table::csv(&file, &matrix);
        assert!(csv.starts_with("rule,requirement,file,line,anonymous,r|1,\"a,b\"\r\n"), "{csv}");
        assert!(csv.contains("GET /a|b/{org_id},read,orgate.yaml,10,no,own,no\r\n"), "{csv}");
        let html = html::page(&file, &matrix);
        assert!(html.contains("</span> /&lt;i&gt;") && !html.contains("/<i>"), "{html}");
    }

    #[test]
    fn the_page_asks_for_nothing_from_elsewhere() {
        let file = file();
        let html = html::page(&file, &matrix(&file, &[]).unwrap());
        for foreign in ["http:", "https:", "src=", "@import", "url(", "<link"] {
            assert!(!html.contains(foreign), "{foreign}");
        }
        for needed in [
            "prefers-color-scheme: dark",
            "@media print",
            "<meta charset=\"utf-8\">",
            "Content-Security-Policy",
        ] {
            assert!(html.contains(needed), "{needed}");
        }
    }

    #[test]
    fn a_stale_table_is_found_by_its_first_line_that_differs() {
        assert_eq!(first_difference("a\r\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n").unwrap(), "line 2\n  - b\n  + c");
        assert_eq!(first_difference("a\n", "a\nc\n").unwrap(), "line 2\n  - (nothing)\n  + c");
        assert_eq!(first_difference("a\nb\n", "a\n").unwrap(), "line 2\n  - b\n  + (nothing)");
    }

    #[test]
    fn a_role_without_a_column_is_named() {
        let file = file();
        assert!(matrix(&file, &["r|2".to_owned()]).unwrap_err().to_string().contains("did you mean `r|1`?"));
    }
}
