//! Programs of this workspace, as processes.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// How long a program may take to become ready, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program to be started.
#[derive(Debug)]
pub struct Program(Command, Option<OwnedFd>);

/// The binary `orgate`: the one that `ORGATE_BIN` names, else built from the workspace.
#[must_use]
pub fn orgate() -> Program {
    let path = env::var_os("ORGATE_BIN").map_or_else(|| built("orgate-sidecar", "orgate"), PathBuf::from);
    Program::new(&path)
}

/// The binary of an example package.
#[must_use]
pub fn example(package: &str) -> Program {
    Program::new(&built(package, package))
}

/// The path of a binary in the profile of this test, built if it is not there or not up to date.
fn built(package: &str, binary: &str) -> PathBuf {
    static BUILDING: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let executable = env::current_exe().unwrap();
    let profile_folder = executable.ancestors().nth(2).unwrap().to_owned();
    let path = profile_folder.join(binary);
    let mut done = BUILDING.lock().unwrap();
    if !done.iter().any(|name| name == package) {
        let profile = match profile_folder.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            other => other,
        };
        // With the features that `tests/run` builds with, so that nothing is built twice, or put in the place of another.
        let status = Command::new(env!("CARGO"))
            .args(["build", "--locked", "--workspace", "--bins", "--profile", profile])
            .args(["--features", "orgate-sidecar/otel"])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
            .env("CARGO_TARGET_DIR", profile_folder.parent().unwrap())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{package} does not build");
        done.push(package.to_owned());
    }
    assert!(path.is_file(), "{} is missing", path.display());
    path
}

impl Program {
    /// A program of the system.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::new(Path::new(name))
    }

    fn new(path: &Path) -> Self {
        let mut command = Command::new(path);
        // What the developer has set must not change what is tested.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ORGATE_")) {
            command.env_remove(name);
        }
        Self(command, None)
    }

    /// With this socket handed over, as systemd does. Before anything else is said of the program.
    #[must_use]
    pub fn with_socket(self, socket: &TcpListener) -> Self {
        let program = self.behind("exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"");
        Self(program.0, Some(socket.try_clone().unwrap().into()))
    }

    /// With at most so many open files. Before anything else is said of the program.
    #[must_use]
    pub fn with_files(self, most: u32) -> Self {
        self.behind(&format!("ulimit -n {most}; exec \"$0\" \"$@\""))
    }

    /// Started by this script, which gets it as `$0`.
    fn behind(self, script: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(self.0.get_program());
        for (name, _) in self.0.get_envs() {
            command.env_remove(name);
        }
        Self(command, None)
    }

    /// With these arguments.
    #[must_use]
    pub fn args<A: AsRef<std::ffi::OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.0.args(args);
        self
    }

    /// In this folder.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.0.current_dir(folder);
        self
    }

    /// With this variable in its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs it to its end.
    #[must_use]
    pub fn finish(self) -> Finished {
        let mut running = self.spawn();
        let began = Instant::now();
        let status = loop {
            if let Some(status) = running.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "it did not end: {:?}", running.stderr_so_far());
            thread::yield_now();
            thread::park_timeout(Duration::from_millis(5));
        };
        Finished { code: status.code(), stdout: running.rest_of_stdout(), stderr: running.rest_of_stderr() }
    }

    /// Starts it and waits for the line `ready`.
    #[must_use]
    pub fn ready(self) -> Running {
        let mut running = self.spawn();
        while running.next_line() != "ready" {}
        running
    }

    /// Starts it and waits for its first line `listening …`.
    #[must_use]
    pub fn listening(self) -> Running {
        let mut running = self.spawn();
        while !running.next_line().starts_with("listening ") {}
        running
    }

    /// Starts it with pipes for its input and its output, for a test that speaks with it.
    #[must_use]
    pub fn piped(mut self) -> Child {
        self.0.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn spawn(mut self) -> Running {
        let mut child = self
            .0
            .stdin(self.1.map_or_else(Stdio::null, Stdio::from))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        Running { child, stdout, stderr, seen: Vec::new(), errors: Vec::new() }
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code.
    pub code: Option<i32>,
    /// All it printed.
    pub stdout: String,
    /// All it complained of.
    pub stderr: String,
}

/// A program that is running; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    seen: Vec<String>,
    errors: Vec<String>,
}

impl Running {
    fn next_line(&mut self) -> &str {
        match self.stdout.recv_timeout(PATIENCE) {
            Ok(line) => self.seen.push(line),
            Err(_) => {
                let errors = self.stderr_so_far();
                panic!("it said nothing more: {:?}\n{errors}", self.seen);
            }
        }
        self.seen.last().unwrap()
    }

    /// The URL of a listener, as announced.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        let prefix = format!("listening {name} ");
        let line = self.seen.iter().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap_or_else(|| panic!("no listener {name} in {:?}", self.seen)).to_owned()
    }

    /// Everything on stderr until now.
    pub fn stderr_so_far(&mut self) -> String {
        self.errors.extend(self.stderr.try_iter());
        self.errors.join("\n")
    }

    /// The id of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, such as `HUP`.
    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it where it stands.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end with SIGTERM, and waits for that.
    #[must_use]
    pub fn terminate(mut self) -> Finished {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "it did not end");
            thread::park_timeout(Duration::from_millis(5));
        };
        Finished { code: status.code(), stdout: self.rest_of_stdout(), stderr: self.rest_of_stderr() }
    }

    fn rest_of_stdout(&mut self) -> String {
        self.seen.extend(self.stdout.iter());
        self.seen.join("\n")
    }

    fn rest_of_stderr(&mut self) -> String {
        self.errors.extend(self.stderr.iter());
        self.errors.join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
