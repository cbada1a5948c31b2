//! `orgate completions` and `orgate man`: made of the command line itself, so that they cannot be out of date.

use clap::Args;
use clap_complete::Shell;

use super::{Failure, output, paragraphs};

/// Flags of `orgate completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate completions bash > ~/.local/share/bash-completion/completions/orgate
  orgate completions zsh > ~/.zfunc/_orgate
  orgate completions fish > ~/.config/fish/completions/orgate.fish")]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Flags of `orgate man`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate man | man -l -
      read the manual page
  orgate man explain > orgate-explain.1
      write the page of a verb")]
pub(crate) struct Man {
    /// The verb whose page it is [default: the page of the whole program].
    #[arg(value_name = "VERB")]
    verb: Option<String>,
}

pub(crate) fn completions(options: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut paragraphs::command(), "orgate", &mut script);
    output::result(&String::from_utf8_lossy(&script));
    Ok(())
}

pub(crate) fn man(options: &Man) -> Result<(), Failure> {
    output::result(&page(options.verb.as_deref())?);
    Ok(())
}

fn page(verb: Option<&str>) -> Result<String, Failure> {
    let mut command = paragraphs::command();
    command.build();
    let page = match verb {
        None => clap_mangen::Man::new(command),
        Some(name) => {
            let verb = command.find_subcommand(name).ok_or_else(|| {
                let verbs = command.get_subcommands().map(clap::Command::get_name);
                let meant = orgate_policy::closest(name, verbs);
                let help = meant.map(|meant| format!("\nhelp: did you mean `{meant}`?")).unwrap_or_default();
                Failure::could_not_run(format!("there is no verb `{}`{help}", name.escape_debug()))
            })?;
            clap_mangen::Man::new(verb.clone())
                .title(format!("orgate-{name}"))
                .source(format!("orgate {}", env!("CARGO_PKG_VERSION")))
        }
    };
    let mut roff = Vec::new();
    page.render(&mut roff).map_err(|error| Failure::could_not_run(format!("no manual page: {error}")))?;
    Ok(String::from_utf8_lossy(&roff).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_for_the_program_and_for_every_verb() {
        assert!(page(None).unwrap().contains(".TH orgate 1"));
        for verb in paragraphs::command().get_subcommands().map(clap::Command::get_name) {
            assert!(page(Some(verb)).unwrap().contains(".SH SYNOPSIS"), "{verb}");
        }
        assert!(page(Some("chek")).unwrap_err().to_string().contains("did you mean `check`?"));
    }

    #[test]
    fn the_completions_know_the_verbs() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut paragraphs::command(), "orgate", &mut script);
            assert!(String::from_utf8(script).unwrap().contains("explain"), "{shell}");
        }
    }
}
