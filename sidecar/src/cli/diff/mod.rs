//! `orgate diff`: what a change of a policy changes, for a pull request.

mod render;
mod source;

use clap::{Args, ValueEnum};
use orgate_config::{
    PolicyFile,
    diff::{IssuerChange, SettingChange, issuers, settings},
};
use orgate_policy::{Change, ChangeKind, Counterexample, Place};
use serde_json::{Value, json};

use self::source::Source;
use super::{Common, Failure, output};

/// Flags of `orgate diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate diff git:main orgate.yaml
      what this branch changes; exit code 1 if somebody gets in who did not
  orgate diff git:origin/main orgate.yaml --fail-on public
      in CI: exit code 1 only if something opens to callers without a credential
  orgate diff git:main orgate.yaml --format markdown
      a table for the comment of a pull request
  orgate diff git:v1.0:api/orgate.yaml git:HEAD:api/orgate.yaml
      between two revisions
  orgate diff old.yaml new.yaml --format json
      for scripts

The answer is exact: order, formatting, names of unbound parameters and the splitting of rules change nothing and print
nothing. What only tokens outside of the declared roles notice is shown by one such token.

Exit codes: 0 nothing at or above --fail-on · 1 something is, or a policy is invalid · 2 could not run")]
pub(crate) struct Options {
    /// The policy as it was: a file, `git:REVISION` or `git:REVISION:PATH`.
    #[arg(value_name = "OLD", value_parser = Source::parse)]
    old: Source,
    /// The policy as it is.
    #[arg(value_name = "NEW", value_parser = Source::parse)]
    new: Source,
    /// From which change on the exit code is 1.
    #[arg(long, env = "ORGATE_FAIL_ON", value_name = "CHANGE", value_enum, default_value_t)]
    fail_on: FailOn,
    /// How the changes look.
    #[arg(long, env = "ORGATE_FORMAT", value_name = "FORMAT", value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Somebody gets in who did not.
    #[default]
    Loosened,
    /// Callers without a credential get in who did not.
    Public,
    /// Anything.
    Any,
    /// Nothing; the exit code is 1 only for a policy that is invalid.
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Aligned, for a terminal.
    #[default]
    Text,
    /// One object.
    Json,
    /// A table for the comment of a pull request.
    Markdown,
    /// Workflow commands of GitHub Actions.
    Github,
}

/// What is shown: the two files and everything between them.
struct Shown {
    old: PolicyFile,
    new: PolicyFile,
    changes: Vec<Change>,
    issuers: Vec<IssuerChange>,
    settings: Vec<SettingChange>,
    unchanged: usize,
    /// How many routes only tokens outside of the roles find changed, because of `permissions_from`.
    by_reading: usize,
    fail_on: FailOn,
}

pub(crate) fn run(options: &Options, common: &Common) -> Result<(), Failure> {
    let old = options.old.load(&options.new, common)?;
    let new = options.new.load(&options.old, common)?;
    let diff = old.policy.diff(&new.policy).map_err(Failure::could_not_run)?;
    let (issuers, settings) = (issuers(&old, &new), settings(&old, &new));
    let mut changes = diff.changes;
    let mut by_reading = 0;
    // What only the reading of tokens changes is told once, for the issuer.
    if old.policy.reads_permissions_from() != new.policy.reads_permissions_from() && !issuers.is_empty() {
        let before = changes.len();
        changes.retain(|change| !change.by_reading);
        by_reading = before - changes.len();
    }
    let fail_on = options.fail_on;
    let shown =
        Shown { old, new, changes, issuers, settings, unchanged: diff.unchanged, by_reading, fail_on };
    match options.format {
        Format::Text if common.quiet && !shown.fails() => {}
        Format::Text => output::result(&render::text(&shown)),
        Format::Json => output::json(&to_json(&shown)),
        Format::Markdown => output::result(&render::markdown(&shown)),
        Format::Github => output::result(&render::github(&shown)),
    }
    if shown.fails() { Err(Failure::findings()) } else { Ok(()) }
}

impl Shown {
    fn fails(&self) -> bool {
        self.changes.iter().any(|change| self.counts(change))
            || self.issuers.iter().any(|change| self.counts_issuer(change))
            || self.settings.iter().any(|change| self.counts_setting(change))
    }

    /// Whether a change is at or above `--fail-on`.
    fn counts(&self, change: &Change) -> bool {
        match self.fail_on {
            FailOn::None => false,
            FailOn::Any => true,
            FailOn::Public => change.kind == ChangeKind::Public,
            FailOn::Loosened => change.kind != ChangeKind::Tightened,
        }
    }

    fn counts_issuer(&self, change: &IssuerChange) -> bool {
        match self.fail_on {
            FailOn::None | FailOn::Public => false,
            FailOn::Any => true,
            FailOn::Loosened => change.widens,
        }
    }

    fn counts_setting(&self, change: &SettingChange) -> bool {
        match self.fail_on {
            FailOn::None => false,
            FailOn::Public => change.public,
            FailOn::Any => true,
            FailOn::Loosened => change.widens,
        }
    }

    /// The rule that wins now, else the one that won.
    fn place(&self, change: &Change) -> Option<(&PolicyFile, Place)> {
        let new = change.new_place.map(|place| (&self.new, place));
        new.or_else(|| change.old_place.map(|place| (&self.old, place)))
    }
}

fn to_json(shown: &Shown) -> Value {
    let of_issuers = shown.issuers.iter().map(|change| {
        json!({
            "kind": "mapping", "issuer": change.issuer, "method": null, "path": null, "who": [],
            "before": change.before, "after": change.after, "line": null, "widens": change.widens,
        })
    });
    let of_settings = shown.settings.iter().map(|change| {
        json!({
            "kind": "mapping", "issuer": null, "setting": change.setting, "method": null, "path": null, "who": [],
            "before": change.before, "after": change.after, "line": null, "widens": change.widens,
            "public": change.public,
        })
    });
    let of_rules = shown.changes.iter().flat_map(|change| {
        change.methods.iter().map(|method| change_json(shown, change, method)).collect::<Vec<_>>()
    });
    let changes: Vec<Value> = of_rules.chain(of_issuers).chain(of_settings).collect();
    json!({"changes": changes, "unchanged": shown.unchanged})
}

fn change_json(shown: &Shown, change: &Change, method: &str) -> Value {
    let place = shown.place(change);
    let mut value = json!({
        "kind": change.kind.as_str(),
        "method": method,
        "path": change.path,
        "who": change.who,
        "before": change.before,
        "after": change.after,
        "file": place.map(|(file, place)| file.file_name(place)),
        "line": place.map(|(_, place)| place.line),
    });
    let extra = [
        ("unbound", (!change.unbound.is_empty()).then(|| json!(change.unbound))),
        ("counterexample", change.counterexample.as_ref().map(|token| json!(token.permissions))),
        ("given", change.counterexample.as_ref().and_then(given_json)),
        (
            "also",
            change.also.as_ref().map(|token| {
                let effect = if change.kind == ChangeKind::Tightened { "gains" } else { "loses" };
                json!({"effect": effect, "counterexample": token.permissions, "given": given_json(token)})
            }),
        ),
    ];
    if let Some(object) = value.as_object_mut() {
        object.extend(extra.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    }
    value
}

/// What else holds of a token beside its permissions, where it matters.
fn given_json(token: &Counterexample) -> Option<Value> {
    let mut given = serde_json::Map::new();
    if !token.roles.is_empty() {
        given.insert("roles".to_owned(), json!(token.roles));
    }
    if token.organization == Some(false) {
        given.insert("org".to_owned(), false.into());
    }
    if token.own == Some(false) {
        given.insert("own".to_owned(), false.into());
    }
    if !token.conditions.is_empty() {
        given.insert("conditions".to_owned(), json!(token.conditions));
    }
    (!given.is_empty()).then_some(Value::Object(given))
}
