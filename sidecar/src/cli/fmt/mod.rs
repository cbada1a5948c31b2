//! `orgate fmt`: policy files in one form.

mod layout;
mod order;

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use orgate_config::document::MAX_BYTES;
use serde_json::{Value, json};

pub(crate) use self::layout::{Unformatted, format};
use super::{Common, Failure, output};

/// Flags of `orgate fmt`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate fmt
      format ./orgate.yaml
  orgate fmt --check
      write nothing; exit code 1 if something would change
  orgate fmt - < orgate.yaml
      from standard input to standard output, for an editor

Rules are sorted by host, path and method within their paragraph; blank lines separate paragraphs. Comments directly above
a rule and behind it go with it, a comment that stands alone stays where it is. Requirements begin in one column. Only
`rules:` is touched, and never what the policy says: order means nothing in it, and the result is read again and compared.
YAML only.

Exit codes: 0 done · 1 --check found a file that would change, or a file cannot be read as YAML · 2 could not run")]
pub(crate) struct Options {
    /// The policy files; `-` is standard input [default: ./orgate.yaml or .yml].
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The policy file, where no FILE is named.
    #[arg(long, env = "ORGATE_POLICY", value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Say what would change, and change nothing.
    #[arg(long, env = "ORGATE_CHECK", value_parser = clap::builder::BoolishValueParser::new())]
    check: bool,
    /// How the result looks.
    #[arg(long, env = "ORGATE_FORMAT", value_name = "FORMAT", value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// One object.
    Json,
}

/// A file and what became of it.
struct Done {
    name: String,
    changed: bool,
    /// The first line that differs.
    difference: String,
}

pub(crate) fn run(options: &Options, common: &Common) -> Result<(), Failure> {
    let files = match options.files.as_slice() {
        [] => vec![
            orgate_config::discover(Path::new("."), options.policy.as_deref())
                .map_err(|error| Failure::rendered(error.exit_code(), error.render(false)))?,
        ],
        files => files.to_vec(),
    };
    let mut done = Vec::new();
    for path in &files {
        done.extend(one(path, options.check, common)?);
    }
    match options.format {
        Format::Text => output::result(&text(&done, options.check)),
        // What standard input becomes is the whole of the output.
        Format::Json if !done.is_empty() => output::json(&to_json(&done)),
        Format::Json => {}
    }
    if options.check && done.iter().any(|one| one.changed) { Err(Failure::findings()) } else { Ok(()) }
}

/// Formats one file; `None` for standard input, which was answered.
fn one(path: &Path, check: bool, common: &Common) -> Result<Option<Done>, Failure> {
    let is_input = path == Path::new("-");
    let name = if is_input { "standard input".to_owned() } else { path.display().to_string() };
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    if ["toml", "json"].contains(&ending.as_str()) {
        let help = "`orgate fmt` knows YAML; formatters for other languages are many";
        return Err(Failure::could_not_run(format!("`{name}` is not YAML\nhelp: {help}")));
    }
    let bytes = if is_input { standard_input() } else { orgate_config::read_bytes(path) };
    let bytes = bytes.map_err(|error| Failure::could_not_run(format!("cannot read `{name}`: {error}")))?;
    let formatted = format(&name, &bytes).map_err(|reason| match reason {
        Unformatted::Findings(findings) => {
            let color = common.color.on_stderr();
            Failure::rendered(1, format!("{}{}\n", findings.render(color), findings.summary("")))
        }
        Unformatted::Other(reason) => {
            Failure::rendered(1, format!("error: `{name}` is left as it is: {reason}\n"))
        }
    })?;
    let changed = formatted.as_bytes() != bytes;
    if is_input && !check {
        output::result(&formatted);
        return Ok(None);
    }
    if changed && !check {
        fs::write(path, &formatted)
            .map_err(|error| Failure::could_not_run(format!("cannot write `{name}`: {error}")))?;
    }
    let difference = first_difference(&String::from_utf8_lossy(&bytes), &formatted);
    Ok(Some(Done { name, changed, difference }))
}

fn standard_input() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn first_difference(before: &str, after: &str) -> String {
    let (mut before, mut after) = (before.lines(), after.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (before.next(), after.next()) {
            (None, None) => return String::new(),
            (one, other) if one == other => {}
            (one, other) => {
                let shown = |line: Option<&str>| line.unwrap_or("(nothing)").to_owned();
                return format!("  line {number}\n  - {}\n  + {}\n", shown(one), shown(other));
            }
        }
    }
}

fn text(done: &[Done], check: bool) -> String {
    let mut text = String::new();
    for one in done.iter().filter(|one| one.changed) {
        match check {
            true => text.push_str(&format!("{}: would change\n{}", one.name, one.difference)),
            false => text.push_str(&format!("{}: formatted\n", one.name)),
        }
    }
    text
}

fn to_json(done: &[Done]) -> Value {
    let files: Vec<Value> =
        done.iter().map(|one| json!({"file": one.name, "changed": one.changed})).collect();
    json!({"changed": done.iter().filter(|one| one.changed).count(), "files": files})
}
