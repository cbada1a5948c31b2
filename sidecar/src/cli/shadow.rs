//! `orgate shadow report`: what shadow rules and an observed policy would have done.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{
    Common, Failure,
    log::{self, Read, Told, counted, shown},
    output,
};

/// Flags of `orgate shadow`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate shadow report decisions.log
      before a `shadow:` becomes the rule, or `mode: observe` ends: who would be refused, by which rule")]
pub(crate) struct Options {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Sum up by rule what would have been decided otherwise.
    Report(Report),
}

/// Flags of `orgate shadow report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate shadow report decisions.log
      who would be refused or let in, by rule
  orgate shadow report decisions.log --format json
      the same, for scripts

The log is that of `orgate proxy --decision-log FILE`. Exit codes: 0 reported · 2 could not run")]
struct Report {
    /// The decision log; `-` reads standard input.
    #[arg(value_name = "LOG")]
    decisions: PathBuf,
    /// How the report looks.
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

/// How often something would have been otherwise, and for whom.
#[derive(Default)]
struct Count {
    count: u64,
    roles: BTreeSet<String>,
}

#[derive(Default)]
struct Summary {
    /// All decisions, by rule.
    decisions: BTreeMap<String, u64>,
    /// By rule, and whether the shadow would let it through.
    shadow: BTreeMap<(String, bool), Count>,
    /// By rule and code.
    observed: BTreeMap<(String, String), Count>,
}

pub(crate) fn run(options: &Options, _: &Common) -> Result<(), Failure> {
    let Verb::Report(options) = &options.verb;
    let mut summary = Summary::default();
    let read = log::read(&options.decisions, |told| summary.add(told))?;
    match options.format {
        Format::Text => output::result(&summary.text(&read)),
        Format::Json => output::json(&summary.json(&read)),
    }
    Ok(())
}

impl Summary {
    fn add(&mut self, told: &Told) {
        let rule = told.decision.rule.clone().unwrap_or_default();
        *self.decisions.entry(rule.clone()).or_default() += 1;
        let mut counts = Vec::new();
        if let Some(allows) = told.shadow {
            counts.push(self.shadow.entry((rule.clone(), allows)).or_default());
        }
        if let Some(code) = &told.would {
            counts.push(self.observed.entry((rule, code.clone())).or_default());
        }
        for count in counts {
            count.count += 1;
            count.roles.extend(told.decision.roles.iter().take(8).cloned());
        }
    }

    fn total(&self, rule: &str) -> u64 {
        self.decisions.get(rule).copied().unwrap_or_default()
    }

    fn text(&self, read: &Read) -> String {
        let mut text = String::new();
        let mut add = |mark: &str, rule: &str, would: String, count: &Count| {
            let name = if rule.is_empty() { "(no rule)" } else { rule };
            let roles: Vec<String> = count.roles.iter().map(|role| shown(role)).collect();
            let roles =
                if roles.is_empty() { String::new() } else { format!("  roles: {}", roles.join(", ")) };
            let total = counted(self.total(rule), "decision");
            text.push_str(&format!("{mark} {}: {would} {} of {total}{roles}\n", shown(name), count.count));
        };
        for ((rule, allows), count) in &self.shadow {
            let would = if *allows { "the shadow would let through" } else { "the shadow would refuse" };
            add("SHADOW ", rule, would.to_owned(), count);
        }
        for ((rule, code), count) in &self.observed {
            add("OBSERVE", rule, format!("would refuse ({})", shown(code)), count);
        }
        text.push_str(&log::missing(read));
        let disagreements: u64 = self.shadow.values().map(|count| count.count).sum();
        let observed: u64 = self.observed.values().map(|count| count.count).sum();
        text.push_str(&format!(
            "{}: the shadows disagree with {disagreements}; {observed} let through only because the policy is observed\n",
            counted(read.decisions, "decision")
        ));
        text
    }

    fn json(&self, read: &Read) -> Value {
        let rule = |rule: &str| (!rule.is_empty()).then(|| rule.to_owned());
        let shadow = self.shadow.iter().map(|((name, allows), count)| {
            json!({"rule": rule(name), "shadow": if *allows { "allow" } else { "deny" }, "count": count.count,
                "decisions": self.total(name), "roles": count.roles})
        });
        let observed = self.observed.iter().map(|((name, code), count)| {
            json!({"rule": rule(name), "code": code, "count": count.count, "decisions": self.total(name),
                "roles": count.roles})
        });
        json!({
            "decisions": read.decisions, "shadow": shadow.collect::<Vec<_>>(),
            "observed": observed.collect::<Vec<_>>(), "not_logged": read.not_logged, "unreadable": read.unreadable,
        })
    }
}
