//! Starting the binary and talking to it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(
    clippy::zombie_processes,
    reason = "a process is waited for when its `Running` is dropped, and before that only a panic ends"
)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// A directory with files, gone after the test.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn with(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("orgate-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            std::fs::write(path.join(name), text).unwrap();
        }
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The binary with `arguments` in `directory`, without any setting of the environment.
pub fn orgate(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orgate"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ORGATE_")) {
        command.env_remove(name);
    }
    command.current_dir(directory).args(arguments).stdin(Stdio::null());
    command
}

/// Exit code, stdout and stderr of a run that ends by itself.
pub fn ends(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = orgate(directory, arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A running process; killed when the test ends before it does.
pub struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    /// The addresses it announced, by name.
    listening: Vec<(String, String)>,
}

impl Running {
    /// Starts `command` and waits until it is ready.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut listening = Vec::new();
        loop {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            if line == "ready\n" {
                return Self { child, out, listening };
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            let ["listening", name, url] = words[..] else { panic!("{line:?}") };
            listening.push((name.to_owned(), url.split_once("://").unwrap().1.to_owned()));
        }
    }

    /// The address of the listener `name`.
    pub fn address(&self, name: &str) -> &str {
        &self.listening.iter().find(|(other, _)| other == name).unwrap().1
    }

    /// The names of the listeners in the order of their lines.
    pub fn names(&self) -> Vec<&str> {
        self.listening.iter().map(|(name, _)| name.as_str()).collect()
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// The exit code, and what it printed after `ready`.
    pub fn ends_with(mut self) -> (i32, String) {
        let status = self.child.wait().unwrap();
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (status.code().unwrap_or(-1), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The whole answer to a GET.
pub fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
