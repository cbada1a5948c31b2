//! A server of PostgreSQL for tests: on a Unix socket in a folder of its own, without a port, without a word to the disk.
//!
//! It is started once for a test process, and every test has its own database there, made from a template in a few
//! dozen milliseconds. A small process waits at the end of a pipe that only the test process holds: however that ends,
//! killed included, the pipe closes, the server is stopped and its folder goes.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

const MISSING: &str = "PostgreSQL is missing: install it (Debian: apt-get install postgresql-15; its own server need not \
                       run), or name the folder that holds `initdb` in POSTGRES_BIN";

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    owner: Option<(u32, u32)>,
    console: Mutex<Console>,
    /// Its end is the end of the server.
    _watch: Mutex<Child>,
}

/// A database of one test. It goes with the value.
#[derive(Debug)]
pub struct PostgresDatabase {
    server: &'static Postgres,
    name: String,
}

impl Postgres {
    /// The server of this test process; the first call starts it.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts one, for a test that stops it.
    #[must_use]
    pub fn start() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("orgate-postgres-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let owner = owner(&folder);
        if let Some((user, group)) = owner {
            std::os::unix::fs::chown(&folder, Some(user), Some(group)).unwrap();
        }
        let watch = watch(&folder, owner);
        let data = folder.join("data");
        let made = tool("initdb", &folder, owner)
            .arg("--pgdata")
            .arg(&data)
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"])
            .args(["--no-sync", "--no-instructions"])
            .output()
            .expect(MISSING);
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        fs::OpenOptions::new()
            .append(true)
            .open(data.join("postgresql.conf"))
            .and_then(|mut file| file.write_all(settings(&folder).as_bytes()))
            .unwrap();
        control(&folder, owner, &["start"]);
        let console = Mutex::new(Console::open(&folder, owner));
        Self { folder, owner, console, _watch: Mutex::new(watch) }
    }

    /// The address of a database of this server.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?user=postgres&host={}", self.folder.display())
    }

    /// Runs statements as the superuser, in the database `postgres`.
    ///
    /// # Panics
    /// If one of them fails.
    pub fn run(&self, sql: &str) {
        self.console.lock().unwrap_or_else(PoisonError::into_inner).run(sql);
    }

    /// A new database, a copy of `template` (or an empty one).
    pub fn database(&'static self, template: Option<&str>) -> PostgresDatabase {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.run(&format!("CREATE DATABASE {name} TEMPLATE {}", template.unwrap_or("template0")));
        PostgresDatabase { server: self, name }
    }

    /// Stops the server as a power failure would, and starts it again: what was not committed is gone.
    pub fn crash_and_restart(&self) {
        control(&self.folder, self.owner, &["--mode=immediate", "restart"]);
        *self.console.lock().unwrap_or_else(PoisonError::into_inner) =
            Console::open(&self.folder, self.owner);
    }

    /// Stops the server, sessions and all.
    pub fn stop(&self) {
        control(&self.folder, self.owner, &["--mode=immediate", "stop"]);
    }
}

impl PostgresDatabase {
    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// Everything that is in it, as text.
    #[must_use]
    pub fn dump(&self) -> Vec<u8> {
        let dump = tool("pg_dump", &self.server.folder, self.server.owner)
            .args(["--inserts", "--username=postgres", "--host"])
            .arg(&self.server.folder)
            .arg(&self.name)
            .output()
            .expect(MISSING);
        assert!(dump.status.success(), "pg_dump: {}", String::from_utf8_lossy(&dump.stderr));
        dump.stdout
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.server.run(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

/// A session of `psql` that is told one thing after the other: starting one costs more than what it does here.
#[derive(Debug)]
struct Console {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Console {
    fn open(folder: &Path, owner: Option<(u32, u32)>) -> Self {
        let mut child = tool("psql", folder, owner)
            .args(["-X", "-q", "-U", "postgres", "-d", "postgres", "-h"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log(folder))
            .spawn()
            .expect(MISSING);
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output) }
    }

    fn run(&mut self, sql: &str) {
        let mut text = sql.to_owned();
        writeln!(text, ";\n\\echo failed: :ERROR").unwrap();
        self.input.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        loop {
            answer.clear();
            assert_ne!(self.output.read_line(&mut answer).unwrap(), 0, "psql has ended");
            if let Some(failed) = answer.trim_end().strip_prefix("failed: ") {
                assert_eq!(failed, "false", "{sql}");
                return;
            }
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Who runs the server: root may not, so it is the user of Debian's package, or nobody.
fn owner(folder: &Path) -> Option<(u32, u32)> {
    if fs::metadata(folder).unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    ["postgres", "nobody"].iter().find_map(|wanted| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(wanted)).then_some(())?;
            Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
        })
    })
}

fn settings(folder: &Path) -> String {
    format!(
        "listen_addresses = ''\nunix_socket_directories = '{}'\nfsync = off\nsynchronous_commit = off\n\
         full_page_writes = off\nwal_level = minimal\nmax_wal_senders = 0\nmax_connections = 400\n\
         shared_buffers = 64MB\nmin_wal_size = 32MB\nmax_wal_size = 256MB\nautovacuum = off\n",
        folder.display()
    )
}

/// The folder of the newest installed version.
fn tools() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("POSTGRES_BIN") {
        return Some(named.into());
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .max()
        .map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")));
    let paths = std::env::var_os("PATH").unwrap_or_default();
    newest.into_iter().chain(std::env::split_paths(&paths)).find(|folder| folder.join("initdb").is_file())
}

fn tool(name: &str, folder: &Path, owner: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(tools().expect(MISSING).join(name));
    command.current_dir(folder).stdin(Stdio::null());
    as_owner(&mut command, owner);
    command
}

fn as_owner(command: &mut Command, owner: Option<(u32, u32)>) {
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
}

fn log(folder: &Path) -> fs::File {
    fs::OpenOptions::new().create(true).append(true).open(folder.join("tools.log")).unwrap()
}

fn control(folder: &Path, owner: Option<(u32, u32)>, what: &[&str]) {
    let done = tool("pg_ctl", folder, owner)
        .args(["--wait", "--silent", "--log"])
        .arg(folder.join("server.log"))
        .arg("--pgdata")
        .arg(folder.join("data"))
        .args(what)
        .stdout(Stdio::null())
        .stderr(log(folder))
        .status()
        .expect(MISSING);
    let said = || fs::read_to_string(folder.join("server.log")).unwrap_or_default();
    assert!(done.success(), "pg_ctl {what:?}: {}", said());
}

/// The process that ends the server when nobody holds its pipe any more.
fn watch(folder: &Path, owner: Option<(u32, u32)>) -> Child {
    let script = "cat >/dev/null; \"$0\" --silent --mode=immediate --pgdata \"$1/data\" stop; rm -rf \"$1\"";
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .arg(tools().expect(MISSING).join("pg_ctl"))
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        // A signal from the keyboard is for the tests only.
        .process_group(0);
    as_owner(&mut command, owner);
    command.spawn().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_made_and_goes() {
        let server = Postgres::shared();
        server.run("CREATE DATABASE model");
        let database = server.database(Some("model"));
        assert!(database.url().contains(database.name()));
        let count = |name: &str| {
            format!(
                "DO $$ BEGIN ASSERT (SELECT COUNT(*) FROM pg_database WHERE datname = '{name}') = 1; END $$"
            )
        };
        server.run(&count(database.name()));
        let name = database.name().to_owned();
        drop(database);
        server.run(&count(&name).replace("= 1", "= 0"));
    }

    #[test]
    fn the_end_of_the_pipe_is_the_end_of_the_server() {
        let server = Postgres::start();
        server.run("SELECT 1");
        let folder = server.folder.clone();
        assert!(folder.join("data/postmaster.pid").exists());
        let Postgres { console, _watch: watch, .. } = server;
        drop(console);
        let mut watch = watch.into_inner().unwrap();
        drop(watch.stdin.take());
        watch.wait().unwrap();
        assert!(!folder.exists());
    }
}
