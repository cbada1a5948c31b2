//! The matrix as one page that needs nothing else: no server, no font, no script from elsewhere.

use orgate_config::PolicyFile;
use orgate_policy::{ANONYMOUS, Cell, Matrix};

use super::shown;

const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1c2024; --paper: #fff; --line: #d9dde2; --faint: #5c6670; --head: #f4f6f8;
  --yes: #0b6b3a; --yes-back: #e2f4ea; --own: #7a4b00; --own-back: #fdf0d8; --open: #a11b1b; --open-back: #fde7e7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --paper: #15181b; --line: #363c43; --faint: #9aa4ae; --head: #1e2226;
  --yes: #7fdca6; --yes-back: #12301f; --own: #f2c572; --own-back: #362708; --open: #ff9d9d; --open-back: #3d1414; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem; max-width: 90rem; color: var(--ink); background: var(--paper);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; }
p { margin: .25rem 0 1rem; color: var(--faint); }
.tools { display: flex; flex-wrap: wrap; gap: .75rem 1.25rem; align-items: center; margin: 1rem 0; }
input[type=search] { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--faint);
  border-radius: 6px; padding: .4rem .7rem; width: min(26rem, 100%); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .4rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { background: var(--head); position: sticky; top: 0; white-space: nowrap; }
tbody th { font-weight: normal; }
code { font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
td.cell, th.cell { text-align: center; white-space: nowrap; }
.yes { color: var(--yes); background: var(--yes-back); }
.own { color: var(--own); background: var(--own-back); }
.open { color: var(--open); background: var(--open-back); font-weight: 600; }
.no, .place { color: var(--faint); }
.place { white-space: nowrap; }
[hidden] { display: none; }
@media print { body { padding: 0; max-width: none; font-size: 10px; } .tools { display: none; }
  thead th { position: static; } tr { break-inside: avoid; } tr[hidden] { display: table-row; }
  .scroll { overflow: visible; } * { print-color-adjust: exact; } }";

const SCRIPT: &str = "\
const text = document.getElementById('filter'), open = document.getElementById('open');
const rows = [...document.querySelectorAll('tbody tr')], count = document.getElementById('count');
function apply() {
  const words = text.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const all = row.textContent.toLowerCase();
    row.hidden = !words.every(word => all.includes(word)) || open.checked && !row.querySelector('.open');
    shown += row.hidden ? 0 : 1;
  }
  count.textContent = shown + ' of ' + rows.length + ' rules';
}
text.addEventListener('input', apply);
open.addEventListener('change', apply);
document.querySelector('.tools').hidden = false;
apply();";

pub(super) fn page(file: &PolicyFile, matrix: &Matrix<'_>) -> String {
    let name = matrix.rows.first().map_or("orgate.yaml", |row| file.file_name(row.place));
    let title = format!("Who may do what: {}", escape(name));
    let mut heads = String::new();
    for role in &matrix.roles {
        heads.push_str(&format!("<th scope=\"col\" class=\"cell\">{}</th>", escape(role)));
    }
    let mut body = String::new();
    for row in &matrix.rows {
        body.push_str(&format!(
            "<tr><th scope=\"row\"><code>{}</code></th><td><code>{}</code></td>",
            escape(row.rule),
            escape(row.requirement)
        ));
        for (role, cell) in matrix.roles.iter().zip(&row.cells) {
            let class = match cell {
                Cell::Yes if *role == ANONYMOUS => "open",
                other => other.as_str(),
            };
            body.push_str(&format!("<td class=\"cell {class}\">{}</td>", shown(*cell)));
        }
        body.push_str(&format!("<td class=\"place\">{}</td></tr>\n", escape(&file.position(row.place))));
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
         <p>{size}. <b class=\"yes\">yes</b> may, <b class=\"own\">own</b> may in the caller's own organization only, \
         <b class=\"open\">yes</b> may without a credential, &ndash; may not.</p>\n\
         <div class=\"tools\" hidden><label>Filter <input id=\"filter\" type=\"search\" autocomplete=\"off\" \
         placeholder=\"a path, a permission, a method\"></label>\
         <label><input id=\"open\" type=\"checkbox\"> only without a credential</label>\
         <span id=\"count\" role=\"status\"></span></div>\n\
         <div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">Route</th><th scope=\"col\">Requires</th>{heads}\
         <th scope=\"col\">Rule</th></tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>\n</main>\n\
         <script>\n{SCRIPT}\n</script>\n</body>\n</html>\n",
        size = escape(&file.size()),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
