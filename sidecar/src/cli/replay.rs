//! `orgate replay`: what another policy would have decided about the requests of a log.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use orgate::testing::tools::{Replayed, replay};
use orgate_config::PolicyFile;
use serde_json::{Value, json};

use super::{
    Common, Failure,
    log::{self, Read, Told, counted, shown},
    output,
    policy_file::PolicyFlag,
};

/// Flags of `orgate replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate replay decisions.log --policy new.yaml
      which requests of the log the new policy would decide otherwise; exit code 1 if one would be let in that was not
  orgate replay decisions.log --policy new.yaml --format json
      the same, for scripts
  tail -n 100000 decisions.log | orgate replay - --policy new.yaml
      a part of a log

The log is that of `orgate proxy --decision-log FILE`. It holds method, host, path, organization, roles and permissions,
and neither header fields nor the query nor claims; with `--log-paths template`, the default, not the values in a path
either. A decision that depends on one of those is counted as one that cannot be told, and never guessed. A credential
that was refused counts as refused, and one that was accepted as accepted: what a change of `issuers:` does, and what
requests do that nobody has made yet, is told by `orgate diff`.

Exit codes: 0 nobody gets in who did not · 1 somebody would, or something is wrong in the policy · 2 could not run")]
pub(crate) struct Options {
    /// The decision log; `-` reads standard input.
    #[arg(value_name = "LOG")]
    decisions: PathBuf,
    #[command(flatten)]
    policy: PolicyFlag,
    /// How the answer looks.
    #[arg(long, env = "ORGATE_FORMAT", value_name = "FORMAT", value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Text,
    /// One object.
    Json,
}

/// Requests that would be decided otherwise in the same way. What was decided, by which rule, and by which it would be.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    opens: bool,
    method: String,
    before: Option<String>,
    code: String,
    after: Option<(String, String, u32)>,
}

#[derive(Default)]
struct Group {
    count: u64,
    roles: BTreeSet<String>,
    /// The first of them.
    example: Option<(String, String)>,
}

#[derive(Default)]
struct Outcome {
    unchanged: u64,
    groups: BTreeMap<Way, Group>,
    cannot_tell: BTreeMap<String, u64>,
}

pub(crate) fn run(options: &Options, common: &Common) -> Result<(), Failure> {
    let file = options.policy.load(common)?;
    let mut outcome = Outcome::default();
    let read = log::read(&options.decisions, |told| outcome.add(&file, told))?;
    match options.format {
        Format::Text => output::result(&outcome.text(&read)),
        Format::Json => output::json(&outcome.json(&read)),
    }
    if outcome.groups.keys().any(|way| way.opens) { Err(Failure::findings()) } else { Ok(()) }
}

impl Outcome {
    fn add(&mut self, file: &PolicyFile, told: &Told) {
        let decision = &told.decision;
        let (opens, after) = match replay(file, decision) {
            Replayed::Same => {
                self.unchanged += 1;
                return;
            }
            Replayed::CannotTell(what) => {
                *self.cannot_tell.entry(what).or_default() += 1;
                return;
            }
            Replayed::Opens(rule) => (true, rule),
            Replayed::Closes(rule) => (false, rule),
        };
        let after = after.map(|(rule, place)| (rule, file.file_name(place).to_owned(), place.line));
        let way = Way {
            opens,
            method: decision.method.clone(),
            before: decision.rule.clone(),
            code: decision.code.clone(),
            after,
        };
        let group = self.groups.entry(way).or_default();
        group.count += 1;
        group.roles.extend(decision.roles.iter().take(8).cloned());
        group.example.get_or_insert_with(|| (told.id.clone(), decision.path.clone().unwrap_or_default()));
    }

    /// The ways, those that open first, the most frequent first.
    fn sorted(&self) -> Vec<(&Way, &Group)> {
        let mut all: Vec<_> = self.groups.iter().collect();
        all.sort_by(|(a, x), (b, y)| (b.opens, y.count).cmp(&(a.opens, x.count)).then_with(|| a.cmp(b)));
        all
    }

    fn count(&self, opens: bool) -> u64 {
        self.groups.iter().filter(|(way, _)| way.opens == opens).map(|(_, group)| group.count).sum()
    }

    fn text(&self, read: &Read) -> String {
        let mut text = String::new();
        for (way, group) in self.sorted() {
            let rule = |rule: &Option<String>| {
                rule.as_deref().map_or("no rule".to_owned(), |rule| format!("`{}`", shown(rule)))
            };
            let after = match &way.after {
                Some((rule, file, line)) => format!("`{rule}` ({file}:{line})"),
                None => "no rule of the new policy, or more than one".to_owned(),
            };
            let (mark, was, now) = match way.opens {
                true => ("OPENS ", format!("refused with {}", shown(&way.code)), "let through"),
                false => ("CLOSES", "let through".to_owned(), "refused"),
            };
            text.push_str(&format!(
                "{mark} {}: {was} by {}, now {now} by {after}\n",
                counted(group.count, "request"),
                rule(&way.before)
            ));
            let roles: Vec<String> = group.roles.iter().map(|role| shown(role)).collect();
            if !roles.is_empty() {
                text.push_str(&format!("       roles: {}\n", roles.join(", ")));
            }
            if let Some((id, path)) = &group.example {
                text.push_str(&format!(
                    "       such as {} {} ({})\n",
                    shown(&way.method),
                    shown(path),
                    shown(id)
                ));
            }
        }
        for (what, count) in &self.cannot_tell {
            text.push_str(&format!(
                "CANNOT TELL {}: the log does not hold {what}\n",
                counted(*count, "request")
            ));
        }
        text.push_str(&log::missing(read));
        let unknown: u64 = self.cannot_tell.values().sum();
        text.push_str(&format!(
            "{}: {} unchanged, {} opened, {} closed, {unknown} cannot be told\n",
            counted(read.decisions, "decision"),
            self.unchanged,
            self.count(true),
            self.count(false),
        ));
        text
    }

    fn json(&self, read: &Read) -> Value {
        let changes: Vec<Value> = self
            .sorted()
            .into_iter()
            .map(|(way, group)| {
                json!({
                    "kind": if way.opens { "opens" } else { "closes" },
                    "count": group.count,
                    "method": way.method,
                    "before": {"rule": way.before, "code": way.code},
                    "after": way.after.as_ref().map(|(rule, file, line)| json!({"rule": rule, "file": file, "line": line})),
                    "roles": group.roles,
                    "example": group.example.as_ref().map(|(id, path)| json!({"id": id, "path": path})),
                })
            })
            .collect();
        json!({
            "decisions": read.decisions, "unchanged": self.unchanged, "opened": self.count(true),
            "closed": self.count(false), "changes": changes, "cannot_tell": self.cannot_tell,
            "not_logged": read.not_logged, "unreadable": read.unreadable,
        })
    }
}
