//! `orgate help`: a verb, a finding or a refusal, in full.

use clap::Args;
use orgate::Code;
use orgate_config::codes;

use super::{Failure, output, paragraphs};

/// Flags of `orgate help`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate help
      the verbs
  orgate help explain
      a verb with its flags and examples
  orgate help E042
      a finding in a policy file: what it means and how it is mended
  orgate help org_mismatch
      the code of a refusal")]
pub(crate) struct Options {
    /// A verb, the code of a finding, or the code of a refusal.
    #[arg(value_name = "VERB|CODE")]
    topic: Option<String>,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    output::result(&text(options.topic.as_deref())?);
    Ok(())
}

fn text(topic: Option<&str>) -> Result<String, Failure> {
    let mut command = paragraphs::command();
    command.build();
    let Some(topic) = topic else {
        let more = "\n`orgate help VERB` shows a verb, `orgate help CODE` explains a finding (E042) or a refusal (org_mismatch).\n";
        return Ok(command.render_long_help().to_string() + more);
    };
    if let Some(verb) = command.find_subcommand_mut(topic) {
        return Ok(verb.render_long_help().to_string());
    }
    if let Some(code) = codes::find(topic) {
        return Ok(format!("{}: {}\n\n{}\n", code.code, code.title, code.explanation));
    }
    if let Some(code) = Code::find(topic) {
        let status = code.status().as_u16();
        return Ok(format!("{code}: {} ({status})\n\n{}\n", code.title(), code.explanation()));
    }
    let verbs: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    let known = verbs.iter().map(String::as_str);
    let known = known.chain(codes::ALL.iter().map(|code| code.code)).chain(Code::ALL.map(Code::as_str));
    let help = match orgate_policy::closest(topic, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => {
            "`orgate help` lists the verbs; codes stand in findings and in the bodies of refusals".to_owned()
        }
    };
    Err(Failure::could_not_run(format!("there is no help on `{}`\nhelp: {help}", topic.escape_debug())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_findings_and_refusals_are_explained() {
        for (topic, part) in [
            ("explain", "--expect"),
            ("E042", "E042: ambiguous rules"),
            ("e042", "this line settles it"),
            ("org_mismatch", "org_mismatch: Another organization (403)"),
        ] {
            let told = text(Some(topic)).unwrap();
            assert!(told.contains(part), "{topic}: {told}");
        }
        assert!(text(None).unwrap().contains("orgate help CODE"));
        assert!(text(Some("E04")).unwrap_err().to_string().contains("did you mean"));
        assert!(text(Some("explian")).unwrap_err().to_string().contains("did you mean `explain`?"));
    }
}
