//! The text behind the flags of a verb, in paragraphs that a terminal of any width can wrap.
//!
//! In the source such a text is broken at the width of the source. What is broken there would be broken a second time in a
//! narrower terminal, in the middle of a line; so the lines of a paragraph are joined before the help is made of them.

use clap::{Command, CommandFactory as _};

use super::Cli;

/// The command line, its texts in paragraphs.
pub(super) fn command() -> Command {
    joined(Cli::command())
}

fn joined(command: Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    let command = names.into_iter().fold(command, |command, name| command.mut_subcommand(name, joined));
    match command.get_after_help().map(|text| paragraphs(&text.to_string())) {
        Some(text) => command.after_help(text),
        None => command,
    }
}

/// Joins what goes on: a line at the margin behind a line at the margin that fills its width.
fn paragraphs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open = false;
    for line in text.lines() {
        let at_margin = line.starts_with(|first: char| !first.is_whitespace());
        if !out.is_empty() {
            out.push(if open && at_margin { ' ' } else { '\n' });
        }
        out.push_str(line);
        open = at_margin && line.chars().count() >= FULL;
    }
    out
}

/// A line of at least so many characters was broken for its length; a shorter one ends where it ends.
const FULL: usize = 76;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_paragraph_are_joined_and_no_others() {
        let full = "a".repeat(FULL);
        for (text, expected) in [
            (format!("{full}\nb\n\nc"), format!("{full} b\n\nc")),
            (format!("{full}\n  b"), format!("{full}\n  b")),
            (format!("  {full}\nb"), format!("  {full}\nb")),
            (format!("Examples:\n{full}"), format!("Examples:\n{full}")),
            ("a\nb".to_owned(), "a\nb".to_owned()),
        ] {
            assert_eq!(paragraphs(&text), expected);
        }
    }

    #[test]
    fn the_help_of_every_verb_is_in_paragraphs() {
        let (told, source) = (command(), Cli::command());
        for (verb, written) in told.get_subcommands().zip(source.get_subcommands()) {
            let text = |verb: &Command| verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert_eq!(text(verb), paragraphs(&text(written)), "{}", verb.get_name());
        }
        let told = told.find_subcommand("test").unwrap().get_after_help().unwrap().to_string();
        assert!(told.contains("A principal has role, roles, permissions, org"), "{told}");
    }
}
