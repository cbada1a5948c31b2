//! The matrix as one page that needs nothing else: no server, no font, no script from elsewhere.

use std::fmt::Write as _;

use orgate_config::PolicyFile;
use orgate_policy::{ANONYMOUS, Cell, Matrix, MatrixRow};

use super::shown;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What each cell means, in the order in which they are explained.
const LEGEND: [(Cell, &str); 5] = [
    (Cell::Yes, "may"),
    (Cell::Own, "may, in the caller's own organization only"),
    (Cell::If, "may, if a condition of the rule holds"),
    (Cell::Via, "another authenticator instead of a token"),
    (Cell::No, "may not"),
];

pub(super) fn page(file: &PolicyFile, matrix: &Matrix<'_>) -> String {
    let name = matrix.rows.first().map_or("orgate.yaml", |row| file.file_name(row.place));
    let title = format!("Who may do what: {}", escape(name));
    let (mut heads, mut choices) = (String::new(), String::new());
    for role in &matrix.roles {
        let role = escape(role);
        let _ = write!(heads, "<th scope=\"col\" class=\"cell\">{role}</th>");
        let _ = write!(choices, "<option>{role}</option>");
    }
    let body: String = matrix.rows.iter().map(|row| line(file, matrix, row)).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
         <p class=\"about\">{size}{open}</p>\n<ul class=\"legend\">{legend}</ul>\n\
         <div class=\"tools\" role=\"search\" hidden><label>Filter (press /)<input id=\"filter\" type=\"search\" \
         autocomplete=\"off\" spellcheck=\"false\" placeholder=\"a path, a method, a permission\"></label>\
         <label>What may be used by<select id=\"role\"><option value=\"\">everybody</option>{choices}</select></label>\
         <label class=\"inline\"><input id=\"open\" type=\"checkbox\">open without a credential</label>\
         <button id=\"csv\" type=\"button\">Save as CSV</button><span id=\"count\" role=\"status\"></span></div>\n\
         <div class=\"scroll\" role=\"region\" aria-label=\"Rules and roles\" tabindex=\"0\"><table>\n\
         <thead><tr><th scope=\"col\">Route</th><th scope=\"col\">Requires</th>{heads}\
         <th scope=\"col\">Rule</th></tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>\n</main>\n\
         <script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        size = escape(&file.size()),
        open = open_rules(matrix),
        legend = legend(matrix),
    )
}

/// `; 3 of them open without a credential`.
fn open_rules(matrix: &Matrix<'_>) -> String {
    let open = matrix.rows.iter().filter(|row| row.cells.first() == Some(&Cell::Yes)).count();
    match open {
        0 => "; nothing is open without a credential.".to_owned(),
        1 => "; 1 rule is open without a credential.".to_owned(),
        open => format!("; {open} rules are open without a credential."),
    }
}

fn legend(matrix: &Matrix<'_>) -> String {
    let used = |cell: Cell| matrix.rows.iter().any(|row| row.cells.contains(&cell));
    let mut legend = String::new();
    for (cell, meaning) in LEGEND.into_iter().filter(|(cell, _)| used(*cell)) {
        let _ = write!(legend, "<li><b class=\"{}\">{}</b>{meaning}</li>", cell.as_str(), mark(cell));
        let open = matrix.rows.iter().any(|row| row.cells.first() == Some(&Cell::Yes));
        if cell == Cell::Yes && open {
            legend.push_str("<li><b class=\"open\">yes</b>may, without a credential</li>");
        }
    }
    legend
}

fn line(file: &PolicyFile, matrix: &Matrix<'_>, row: &MatrixRow<'_>) -> String {
    let place = file.position(row.place);
    let (methods, path) = row.rule.split_once(' ').unwrap_or(("", row.rule));
    let mut line = format!(
        "<tr data-text=\"{}\"><th scope=\"row\"><code><span class=\"method\">{}</span> {}</code></th>\
         <td class=\"requires\"><code>{}</code></td>",
        escape(&format!("{} {} {place}", row.rule, row.requirement)),
        escape(methods),
        escape(path),
        escape(row.requirement)
    );
    for (role, cell) in matrix.roles.iter().zip(&row.cells) {
        let class = match cell {
            Cell::Yes if *role == ANONYMOUS => "open",
            other => other.as_str(),
        };
        let _ = write!(
            line,
            "<td class=\"cell\" data-role=\"{}\" data-cell=\"{}\"><span class=\"{class}\">{}</span></td>",
            escape(role),
            cell.as_str(),
            mark(*cell)
        );
    }
    let _ = writeln!(line, "<td class=\"place\">{}</td></tr>", escape(&place));
    line
}

/// The cell as people see it on the page.
fn mark(cell: Cell) -> &'static str {
    if cell == Cell::No { "\u{2013}" } else { shown(cell) }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
