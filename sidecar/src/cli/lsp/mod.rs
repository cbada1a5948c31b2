//! `orgate lsp`: policy files in an editor (Language Server Protocol 3.17, on standard input and output).
//!
//! The same reader, the same findings, the same matrix and the same formatter as the other verbs; nothing is decided
//! here. The protocol is framed here too, because that is one short file, and a library for it brings a type for every
//! message of the protocol, of which nine are used.

mod complete;
mod context;
mod findings;
mod frame;
mod hover;
mod kind;
mod server;
mod symbols;
mod text;
mod uri;
mod words;

use std::{
    io::{self, BufReader},
    sync::mpsc::{self, TryRecvError},
    thread,
};

use clap::Args;

use self::{
    frame::Frame,
    server::{Next, Server},
};
use super::Failure;

/// The profiles that a policy can name.
pub(crate) fn profiles() -> Vec<String> {
    words::choices(&["issuers", "main", "profile"])
}

/// Flags of `orgate lsp`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate lsp
      speak the Language Server Protocol; an editor starts it, nobody types this
  vim.lsp.config('orgate', {cmd = {'orgate', 'lsp'}, filetypes = {'yaml'}, root_markers = {'orgate.yaml'}})
      in Neovim, followed by vim.lsp.enable('orgate')
  [[language]] name = \"yaml\", language-servers = [\"orgate\"]; [language-server.orgate] command = \"orgate\", args = [\"lsp\"]
      in Helix

An editor may send every YAML file: orgate.yaml, other files with `version:` and `rules:`, and files of tests are looked at.
It shows the findings of `orgate check` as you type, completes permissions, roles, methods and keys, tells on hover who
gets in by a rule, finds where a name is declared, and formats as `orgate fmt`. Files of tests (*.test.yaml) are checked
against the policy beside them. Names of environment variables in a policy are looked up where the server runs.

Exit codes: 0 ended as the protocol says · 1 ended otherwise")]
pub(crate) struct Options {
    /// What editors add to name the channel, which is always standard input and output.
    #[arg(long, env = "ORGATE_STDIO", hide = true, value_parser = clap::builder::BoolishValueParser::new())]
    stdio: bool,
}

pub(crate) fn run(_: &Options) -> Result<(), Failure> {
    let (sender, receiver) = mpsc::channel::<Frame>();
    // Read ahead, so that it is known whether a change is followed by another.
    thread::spawn(move || {
        let mut input = BufReader::new(io::stdin().lock());
        while let Ok(Some(frame)) = frame::read(&mut input) {
            if sender.send(frame).is_err() {
                return;
            }
        }
    });
    let mut server = Server::default();
    loop {
        let next = match receiver.try_recv() {
            Ok(frame) => Ok(frame),
            Err(TryRecvError::Disconnected) => Err(()),
            Err(TryRecvError::Empty) => {
                write(&server.catch_up())?;
                receiver.recv().map_err(|_| ())
            }
        };
        let Ok(frame) = next else {
            return if server.was_shut_down() { Ok(()) } else { Err(Failure::findings()) };
        };
        match server.take(frame) {
            Next::Send(messages) => write(&messages)?,
            Next::Exit(0) => return Ok(()),
            Next::Exit(_) => return Err(Failure::findings()),
        }
    }
}

fn write(messages: &[serde_json::Value]) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    messages
        .iter()
        .try_for_each(|message| frame::write(&mut output, message))
        .map_err(|error| Failure::could_not_run(format!("the editor does not listen: {error}")))
}
