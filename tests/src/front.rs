//! Real proxies in front of an application, which ask a door of `orgate`: nginx, Caddy and Envoy, with the configuration
//! that `orgate snippet` prints.

use std::{
    env, fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{Folder, orgate};

/// A proxy that asks whether a request may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// nginx with `auth_request`; asks the door `forward-auth`.
    Nginx,
    /// Caddy with `forward_auth`; asks the door `forward-auth`.
    Caddy,
    /// Envoy with `ext_authz` over gRPC; asks the door `ext-authz`.
    EnvoyGrpc,
    /// Envoy with `ext_authz` over HTTP; asks the door `ext-authz`.
    EnvoyHttp,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Nginx, Self::Caddy, Self::EnvoyGrpc, Self::EnvoyHttp];

    /// The name of the door that it asks, as `listening NAME URL` has it.
    #[must_use]
    pub fn door(self) -> &'static str {
        match self {
            Self::Nginx | Self::Caddy => "forward-auth",
            Self::EnvoyGrpc | Self::EnvoyHttp => "ext-authz",
        }
    }

    fn target(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::EnvoyGrpc => "envoy",
            Self::EnvoyHttp => "envoy-http",
        }
    }
}

/// A running proxy; ended when dropped.
#[derive(Debug)]
pub struct Front {
    child: Child,
    address: SocketAddr,
    folder: Folder,
}

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

impl Front {
    /// Starts it for the policy in the folder `policy`, before the application at the URL `app`; it asks the listener at
    /// the URL `gate`.
    ///
    /// # Panics
    /// If it does not listen in time; what it said is in the message.
    #[must_use]
    pub fn start(kind: Kind, policy: &Path, gate: &str, app: &str) -> Self {
        let snippet = snippet(kind, policy, gate, app);
        for _ in 0..5 {
            // A port that is free now may be taken the moment after.
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            if let Some(front) = Self::listen(kind, &snippet, address) {
                return front;
            }
        }
        panic!("{kind:?} found no free port");
    }

    fn listen(kind: Kind, snippet: &str, address: SocketAddr) -> Option<Self> {
        let folder = Folder::new();
        let own = at(kind, snippet, address.port());
        let mut command = command(kind, &folder, &own);
        let log = fs::File::create(folder.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{kind:?} does not start: {error}"));
        let began = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                let said = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
                assert!(said.to_lowercase().contains("address already in use"), "{kind:?}: {status}\n{said}");
                return None;
            }
            if TcpStream::connect(address).is_ok() {
                return Some(Self { child, address, folder });
            }
            if began.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                panic!("{kind:?} does not listen: {:?}", fs::read_to_string(folder.path().join("log")));
            }
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Why each request was refused that nginx answered so far, as its log has it; `-` for the others.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("refused")).unwrap_or_default();
        log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
    }

    /// What it said.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `orgate snippet` prints, for the gate and the application at these URLs.
fn snippet(kind: Kind, policy: &Path, gate: &str, app: &str) -> String {
    let gate = gate.strip_prefix("http://").expect("an http URL");
    let port = app.rsplit_once(':').expect("a port").1;
    let finished =
        orgate().args(["snippet", kind.target(), "--gate", gate, "--port", port]).folder(policy).finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    // Its listener is on this machine only, and the port is put in by itself.
    finished.stdout
}

/// The same, but it listens on this machine only and on this port.
fn at(kind: Kind, snippet: &str, port: u16) -> String {
    let (printed, own) = match kind {
        Kind::Nginx => ("listen 8080;", format!("listen 127.0.0.1:{port};")),
        Kind::Caddy => (":8080 {", format!("http://:{port} {{\n\tbind 127.0.0.1")),
        Kind::EnvoyGrpc | Kind::EnvoyHttp => {
            ("0.0.0.0, port_value: 8080}", format!("127.0.0.1, port_value: {port}}}"))
        }
    };
    assert_eq!(snippet.matches(printed).count(), 1, "one place says where it listens: {snippet}");
    snippet.replace(printed, &own)
}

fn command(kind: Kind, folder: &Folder, own: &str) -> Command {
    let path = folder.path();
    match kind {
        Kind::Nginx => {
            folder.write("app.conf", own);
            let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|name| format!("{name}_temp_path {}/{name};", path.display()))
                .join(" ");
            let root = folder.write(
                "nginx.conf",
                &format!(
                    "daemon off; master_process off; pid {0}/pid; error_log stderr;\nevents {{ }}\n\
                     http {{ log_format refused \"$orgate_refused\"; access_log {0}/refused refused; {temp}\n\
                     include {0}/app.conf;\n}}\n",
                    path.display()
                ),
            );
            let mut command = Command::new(program("nginx", "NGINX", &["/usr/sbin/nginx"]));
            command.arg("-c").arg(root).arg("-p").arg(path).args(["-e", "stderr"]);
            command
        }
        Kind::Caddy => {
            // Its admin listener has a fixed port, and would be one for every test.
            let config = folder.write("Caddyfile", &format!("{{\n\tadmin off\n\tauto_https off\n}}\n{own}"));
            let mut command = Command::new(program("caddy", "CADDY", &["/usr/bin/caddy"]));
            command.arg("run").arg("--adapter").arg("caddyfile").arg("--config").arg(config);
            command.env("HOME", path).env("XDG_DATA_HOME", path).env("XDG_CONFIG_HOME", path);
            command
        }
        Kind::EnvoyGrpc | Kind::EnvoyHttp => {
            let config = folder.write("envoy.yaml", own);
            let target = env::current_exe().unwrap().ancestors().nth(3).unwrap().join("tools/envoy");
            let mut command =
                Command::new(program("envoy", "ENVOY", &[target.to_str().expect("a path of text")]));
            command.arg("-c").arg(config).args(["--concurrency", "1", "--disable-hot-restart"]);
            command.args(["--log-level", "warning"]);
            command
        }
    }
}

/// The program of this name: the one that the variable names, else the first of `places`, else one of the path.
fn program(name: &str, variable: &str, places: &[&str]) -> PathBuf {
    let named = env::var_os(variable).map(PathBuf::from);
    let known = places.iter().map(PathBuf::from).find(|path| path.is_file());
    let path = named.or(known).unwrap_or_else(|| PathBuf::from(name));
    let runs = Command::new(&path).arg(if name == "nginx" { "-v" } else { "version" }).output();
    let runs = runs.is_ok() || path.is_file();
    assert!(runs, "{name} is needed: `./tests/run --only test` installs it, or name one in {variable}");
    path
}
