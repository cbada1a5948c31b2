//! Where the data is, as the command line says it.

use std::{fmt, net::IpAddr, path::Path, str::FromStr as _};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// Options of an address of PostgreSQL that are understood, in the words of its own tools.
const OPTIONS: [&str; 11] = [
    "host",
    "port",
    "user",
    "password",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "options",
    "application_name",
];

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DatabaseUrl {
    /// A file of SQLite.
    SqliteFile(std::path::PathBuf),
    /// SQLite in memory: gone with the process.
    SqliteMemory,
    /// A database of a server.
    Postgres(PostgresUrl),
}

/// An address of PostgreSQL that can be used. It may hold a password, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PostgresUrl(String);

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresUrl")
    }
}

impl DatabaseUrl {
    /// Reads `sqlite://relative.db`, `sqlite:///absolute.db`, `sqlite::memory:` or `postgres://user@host/database`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "sqlite::memory:" {
            return Ok(Self::SqliteMemory);
        }
        if text.starts_with("postgres:") || text.starts_with("postgresql:") {
            return PostgresUrl::parse(text).map(Self::Postgres);
        }
        match text.strip_prefix("sqlite://") {
            Some("" | "/") => Err(format!("`{text}` names no file\nhelp: for example `sqlite://orgate.db`")),
            Some(path) if path.contains('?') => {
                Err(format!("`{text}` has options\nhelp: write only the file's name after `sqlite://`"))
            }
            // The library behind reads these two as something else than a file of that name: the file that is made for
            // its owner only would stay empty, and another would hold the data.
            Some(path) if path.starts_with("file:") || path == ":memory:" => Err(format!(
                "`{text}` names no file\nhelp: `sqlite::memory:` is a database in memory; a file is `sqlite://orgate.db`"
            )),
            Some(path) => Ok(Self::SqliteFile(path.into())),
            None => Err(format!(
                "cannot use `{text}` as a database\nhelp: `sqlite://orgate.db` is a file in the working directory, \
                 `sqlite:///var/lib/orgate.db` an absolute one, `postgres://user@host/database` a server's"
            )),
        }
    }

    /// The file, if it is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::SqliteFile(path) => Some(path),
            Self::SqliteMemory | Self::Postgres(_) => None,
        }
    }
}

impl PostgresUrl {
    fn parse(text: &str) -> Result<Self, String> {
        const HELP: &str = "help: for example `postgres://orgate@db.example.com/orgate?sslrootcert=ca.pem`; the password \
                            may also stand in PGPASSWORD or in ~/.pgpass";
        // The text itself is never repeated: it may hold a password.
        let url = Url::parse(text)
            .map_err(|error| format!("cannot read the address of the database: {error}\n{HELP}"))?;
        for (name, _) in url.query_pairs() {
            if !OPTIONS.contains(&name.as_ref()) {
                return Err(format!(
                    "the address of the database has an option `{name}`\nhelp: the options are {}",
                    OPTIONS.join(", ")
                ));
            }
        }
        let parsed = Self(text.to_owned());
        let options = parsed.options().map_err(|error| format!("{error}\n{HELP}"))?;
        if options.get_database().is_none_or(str::is_empty) {
            return Err(format!("the address of the database names no database\n{HELP}"));
        }
        Ok(parsed)
    }

    /// What a connection is made with. Over a network the server has to prove who it is, unless the address says
    /// otherwise.
    pub(super) fn options(&self) -> Result<PgConnectOptions, String> {
        let options = PgConnectOptions::from_str(&self.0)
            .map_err(|error| format!("cannot read the address of the database: {error}"))?;
        let said = std::env::var_os("PGSSLMODE").is_some()
            || Url::parse(&self.0).is_ok_and(|url| url.query_pairs().any(|(name, _)| name == "sslmode"));
        let here = options.get_socket().is_some()
            || options.get_host().starts_with('/')
            || options.get_host() == "localhost"
            || options.get_host().parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        Ok(if said || here { options } else { options.ssl_mode(PgSslMode::VerifyFull) })
    }

    /// Host and database, for messages.
    pub(super) fn shown(&self) -> String {
        let Ok(options) = self.options() else { return "of PostgreSQL".to_owned() };
        let place = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        format!("`{}` at `{place}`", options.get_database().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_by_its_url() {
        assert_eq!(DatabaseUrl::parse("sqlite://x.db"), Ok(DatabaseUrl::SqliteFile("x.db".into())));
        assert_eq!(DatabaseUrl::parse("sqlite:///var/x.db"), Ok(DatabaseUrl::SqliteFile("/var/x.db".into())));
        assert_eq!(DatabaseUrl::parse("sqlite::memory:"), Ok(DatabaseUrl::SqliteMemory));
        for bad in ["", "x.db", "sqlite:x.db", "sqlite://", "mysql://x/y", "sqlite://x.db?mode=ro"] {
            assert!(DatabaseUrl::parse(bad).unwrap_err().contains("help:"), "{bad}");
        }
    }

    #[test]
    fn what_sqlite_would_not_read_as_a_file_is_refused() {
        for bad in ["sqlite://file:x.db", "sqlite://file:///var/x.db", "sqlite://:memory:"] {
            assert!(DatabaseUrl::parse(bad).unwrap_err().contains("help: `sqlite::memory:`"), "{bad}");
        }
    }

    fn postgres(text: &str) -> PostgresUrl {
        match DatabaseUrl::parse(text) {
            Ok(DatabaseUrl::Postgres(url)) => url,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_server_on_the_network_proves_who_it_is_unless_the_address_says_otherwise() {
        for (url, mode) in [
            ("postgres://o@db.example.com/x", "VerifyFull"),
            ("postgresql://o@10.0.0.7:5433/x", "VerifyFull"),
            ("postgres://o@db.example.com/x?sslmode=require", "Require"),
            ("postgres://o@db.example.com/x?sslmode=disable", "Disable"),
            ("postgres://o@localhost/x", "Prefer"),
            ("postgres://o@127.0.0.1/x", "Prefer"),
            ("postgres:///x?host=/run/postgresql&user=o", "Prefer"),
        ] {
            assert_eq!(format!("{:?}", postgres(url).options().unwrap().get_ssl_mode()), mode, "{url}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_used_is_refused_without_its_password() {
        for bad in [
            "postgres://",
            "postgres://o:hunter2@h",
            "postgres://o:hunter2@h:port/x",
            "postgres://o:hunter2@h/x?sslmod=require",
            "postgres://o:hunter2@h/x?sslmode=sure",
        ] {
            let error = DatabaseUrl::parse(bad).unwrap_err();
            assert!(error.contains("help:"), "{bad}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let url = postgres("postgres://o:hunter2@db.example.com/x");
        assert!(!format!("{url:?} {}", url.shown()).contains("hunter2"));
        assert_eq!(url.shown(), "`x` at `db.example.com:5432`");
    }
}
