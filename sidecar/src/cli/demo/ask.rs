//! Puts every question of the table to both doors.

use http::{Method, StatusCode};

use super::{
    client::{Sent, send},
    files::{ROLES, ROUTES},
};

/// What one door answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    /// The reason code of a refusal.
    pub(super) code: Option<String>,
}

/// One caller's request, at both doors.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) sidecar: Answered,
    pub(super) layer: Answered,
    /// What the role matrix says: the status, and the code of a refusal.
    pub(super) expected: Answered,
}

impl Cell {
    pub(super) fn is_as_expected(&self) -> bool {
        self.sidecar == self.expected && self.layer == self.expected
    }
}

/// One request of every caller.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) requirement: &'static str,
    pub(super) cells: Vec<Cell>,
}

impl Row {
    pub(super) fn request(&self) -> String {
        format!("{:7}{}", self.method, self.path)
    }
}

/// The callers: the four roles, and somebody without a token.
pub(super) const COLUMNS: [&str; 5] = ["owner", "admin", "member", "viewer", "nobody"];

/// Asks both doors everything. `tokens` are those of the four, in the order of the roles.
///
/// # Errors
/// A sentence about the request that got no answer.
pub(super) async fn ask_everything(
    sidecar: &str,
    layer: &str,
    tokens: &[String],
) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for route in &ROUTES {
        let public = route.requirement == "public";
        let expected = |caller: usize| match route.allowed.get(caller) {
            _ if public => allowed(),
            Some(true) => allowed(),
            Some(false) => refused(StatusCode::FORBIDDEN, "missing_permission"),
            None => refused(StatusCode::UNAUTHORIZED, "no_credential"),
        };
        let row =
            Row { method: route.method, path: route.path, requirement: route.requirement, cells: Vec::new() };
        rows.push(ask(row, [sidecar, layer], tokens, expected).await?);
    }
    // Another organization's door stays shut, whatever the role at home.
    let foreign =
        Row { method: "DELETE", path: "/orgs/org_globex", requirement: "delete_org", cells: Vec::new() };
    let expected = |caller: usize| match ROLES.get(caller) {
        Some(_) => refused(StatusCode::FORBIDDEN, "org_mismatch"),
        None => refused(StatusCode::UNAUTHORIZED, "no_credential"),
    };
    rows.push(ask(foreign, [sidecar, layer], tokens, expected).await?);
    // What no rule speaks of stays shut too.
    let unruled = Row { method: "GET", path: "/admin", requirement: "(no rule)", cells: Vec::new() };
    rows.push(ask(unruled, [sidecar, layer], tokens, |_| refused(StatusCode::FORBIDDEN, "no_rule")).await?);
    Ok(rows)
}

async fn ask(
    mut row: Row,
    doors: [&str; 2],
    tokens: &[String],
    expected: impl Fn(usize) -> Answered,
) -> Result<Row, String> {
    for caller in 0..COLUMNS.len() {
        let token = tokens.get(caller).map(String::as_str);
        let mut answers = Vec::new();
        for door in doors {
            let method = Method::from_bytes(row.method.as_bytes()).map_err(|error| error.to_string())?;
            let sent = Sent { token, ..Sent::default() };
            let answer = send(method, &format!("{door}{}", row.path), sent).await?;
            let code = answer.member("code").filter(|_| !answer.status.is_success());
            answers.push(Answered { status: answer.status, code });
        }
        if let Ok([sidecar, layer]) = <[Answered; 2]>::try_from(answers) {
            row.cells.push(Cell { sidecar, layer, expected: expected(caller) });
        }
    }
    Ok(row)
}

fn allowed() -> Answered {
    Answered { status: StatusCode::OK, code: None }
}

fn refused(status: StatusCode, code: &str) -> Answered {
    Answered { status, code: Some(code.to_owned()) }
}

/// How many requests of `rows` both doors should have let through to each application.
pub(super) fn expected_at_application(rows: &[Row]) -> usize {
    let cells = rows.iter().flat_map(|row| &row.cells);
    cells.filter(|cell| cell.expected.status.is_success()).count()
}

#[cfg(test)]
mod tests {
    use super::super::files;

    #[test]
    fn the_foreign_organization_of_the_table_is_the_one_of_the_files() {
        assert_eq!(format!("/orgs/{}", files::OTHER_ORGANIZATION), "/orgs/org_globex");
        let policy = files::policy("https://i.example");
        assert!(!policy.contains("/admin"), "a path without a rule");
    }
}
