//! What the tests of all slices stand on: an issuer in a temporary folder, a clock that is moved, and a browser.

mod browser;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::Router;
use orgate_testkit::{Postgres, PostgresDatabase};
use serde_json::{Value, json};

pub(crate) use self::browser::{Browser, Reply};
use crate::{
    Issuer, ManualClock, Settings,
    address::Address,
    clients::{self, Client, ClientKind},
    db::{BoxFuture, DatabaseUrl, Db, DbError, Tx},
    events::Actor,
    members::{self, NewMember},
    operators::{self, Rank},
    organizations::{self, NewOrganization},
    projects::{self, Project},
    setup::default_client,
    users::{self, NewUser},
};

pub(crate) const NOW: i64 = 1_800_000_000_000;
pub(crate) const ORIGIN: &str = "http://127.0.0.1:8090";
pub(crate) const CALLBACK: &str = "http://127.0.0.1:3000/callback";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const SECRET: &str = "secret_here";

/// Which database a test runs on. `#[orgate_testkit::both]` makes one test for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

tokio::task_local! {
    static ENGINE: Engine;
}

impl Engine {
    /// The one this test runs on; SQLite where nobody said.
    pub(crate) fn current() -> Self {
        ENGINE.try_with(|engine| *engine).unwrap_or(Self::Sqlite)
    }
}

/// Runs a test on `engine`.
pub(crate) fn on(engine: Engine, test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(ENGINE.scope(engine, test));
}

/// A database of PostgreSQL with the schema. What makes it is this crate, so its template is made by it, once.
fn postgres() -> PostgresDatabase {
    const TEMPLATE: &str = "orgate_template";
    static READY: OnceLock<()> = OnceLock::new();
    let server = Postgres::shared();
    READY.get_or_init(|| {
        server.run(&format!("CREATE DATABASE {TEMPLATE} TEMPLATE template0"));
        let url = DatabaseUrl::parse(&server.url(TEMPLATE)).unwrap();
        let made = std::thread::spawn(move || {
            on(Engine::Postgres, async move { Db::open(&url, NOW).await.unwrap().close().await });
        });
        made.join().unwrap();
    });
    server.database(Some(TEMPLATE))
}

/// A file of SQLite with the schema, made once: each step of the schema is a transaction that is waited for.
fn sqlite() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        let dir = TempDir::on(Engine::Sqlite);
        let url = DatabaseUrl::parse(&dir.database_empty()).unwrap();
        std::thread::spawn(move || {
            on(Engine::Sqlite, async move { Db::open(&url, NOW).await.unwrap().close().await });
        })
        .join()
        .unwrap();
        std::fs::read(dir.file()).unwrap()
    })
}

/// A folder that goes with the value, and where the test runs on PostgreSQL a database.
pub(crate) struct TempDir {
    path: PathBuf,
    engine: Engine,
    empty: OnceLock<PostgresDatabase>,
    migrated: OnceLock<PostgresDatabase>,
    copied: OnceLock<()>,
}

impl TempDir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("orgate-issuer-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self {
            path,
            engine: Engine::current(),
            empty: OnceLock::new(),
            migrated: OnceLock::new(),
            copied: OnceLock::new(),
        }
    }

    pub(crate) fn on(engine: Engine) -> Self {
        let mut dir = Self::new();
        dir.engine = engine;
        dir
    }

    /// The address of a database without a schema, made on first use.
    pub(crate) fn database_empty(&self) -> String {
        match self.engine {
            Engine::Sqlite => self.file_url(),
            Engine::Postgres => self.empty.get_or_init(|| Postgres::shared().database(None)).url(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The address of its database, which is made on first use.
    pub(crate) fn database(&self) -> String {
        match self.engine {
            Engine::Sqlite => {
                self.copied.get_or_init(|| {
                    if !self.file().exists() {
                        std::fs::write(self.file(), sqlite()).unwrap();
                    }
                });
                self.file_url()
            }
            Engine::Postgres => self.migrated.get_or_init(postgres).url(),
        }
    }

    /// The file of SQLite.
    pub(crate) fn file(&self) -> PathBuf {
        self.path.join("x.db")
    }

    fn file_url(&self) -> String {
        format!("sqlite://{}", self.file().display())
    }

    /// The file with the secret.
    pub(crate) fn secret(&self) -> PathBuf {
        self.path.join("x.db.secret")
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// An issuer with the project `proj_p` of the acceptance scenarios:
/// `owner`, `admin`, `member`, `viewer` belong to `acme`, `x` to `globex` only, `d` to both, `n` to none.
pub(crate) struct Site {
    pub(crate) issuer: Issuer,
    pub(crate) clock: ManualClock,
    pub(crate) dir: TempDir,
    router: Router,
}

impl Site {
    /// With the users and organizations.
    pub(crate) async fn open() -> Self {
        let site = Self::empty().await;
        site.populate().await;
        site
    }

    /// Adds the users and organizations.
    pub(crate) async fn populate(&self) {
        self.write(|tx| Box::pin(populate(tx))).await;
    }

    /// Without any data.
    pub(crate) async fn empty() -> Self {
        let dir = TempDir::new();
        let settings = settings(&dir);
        Self::with(settings, dir, ManualClock::at(NOW)).await
    }

    pub(crate) async fn with(settings: Settings, dir: TempDir, clock: ManualClock) -> Self {
        let issuer = Issuer::open(settings, Arc::new(clock.clone())).await.unwrap();
        let router = issuer.router();
        Self { issuer, clock, dir, router }
    }

    pub(crate) fn browser(&self) -> Browser {
        let is_usual = self.issuer.app().settings.prefix == "/v1/auth";
        Browser::new(self.router.clone(), is_usual)
    }

    /// A browser at this address.
    pub(crate) fn browser_from(&self, peer: &str) -> Browser {
        let browser = self.browser();
        browser.travel(peer);
        browser
    }

    /// A browser in which this user of `proj_p` is signed in, without the cost of a password.
    pub(crate) async fn signed_in(&self, name: &'static str) -> Browser {
        self.signed_in_at("proj_p", name).await
    }

    /// The same in another project.
    pub(crate) async fn signed_in_at(&self, project: &'static str, name: &'static str) -> Browser {
        let (token, now) = (crate::secret::random_token().unwrap(), crate::clock::Clock::now_ms(&self.clock));
        let hash = crate::secret::fingerprint(&token);
        let (id, user) = (crate::ids::Kind::Session.new_id(now), format!("usr_{name}"));
        self.write(move |tx| {
            Box::pin(async move {
                tx.run(
                    crate::db::sql(
                        "INSERT INTO sessions (id, project_id, user_id, token_hash, auth_time, amr, created_at,
                                               last_seen_at, idle_exp, abs_exp)
                         VALUES ($1, $2, $3, $4, $5, '[\"pwd\"]', $5, $5, $6, $6)",
                    )
                    .bind(&id)
                    .bind(project)
                    .bind(&user)
                    .bind(&hash)
                    .bind(now)
                    .bind(now + 7 * 24 * 3_600_000),
                )
                .await
            })
        })
        .await;
        let browser = self.browser();
        browser.set_cookie(&format!("orgate-{project}"), &token);
        browser
    }

    /// The newest letter to this address.
    pub(crate) async fn letter(&self, to: &str) -> Option<Value> {
        let all = crate::mail::waiting(self.issuer.app()).await.unwrap();
        all.into_iter().find(|letter| letter["to"] == to)
    }

    pub(crate) async fn write<T: Send + 'static>(
        &self,
        operation: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>> + Clone + Send + 'static,
    ) -> T {
        self.issuer.app().db.write(operation).await.unwrap()
    }

    /// One statement, as it stands.
    pub(crate) async fn change(&self, statement: &'static str) {
        self.write(move |tx| Box::pin(async move { tx.run(crate::db::sql(statement)).await })).await;
    }

    /// One text of the database.
    pub(crate) async fn text(&self, statement: &'static str) -> String {
        let mut conn = self.issuer.app().db.read().await.unwrap();
        conn.first(crate::db::sql(statement)).await.unwrap().unwrap().text("n").unwrap()
    }

    /// One number of the database.
    pub(crate) async fn count(&self, statement: &'static str) -> i64 {
        let mut conn = self.issuer.app().db.read().await.unwrap();
        conn.first(crate::db::sql(statement)).await.unwrap().unwrap().int("n").unwrap()
    }

    pub(crate) async fn events(&self) -> Vec<(i64, String)> {
        let mut conn = self.issuer.app().db.read().await.unwrap();
        let rows =
            conn.all(crate::db::sql("SELECT seq, type FROM events ORDER BY project_id, seq")).await.unwrap();
        rows.iter().map(|row| (row.int("seq").unwrap(), row.text("type").unwrap())).collect()
    }

    /// Everything that somebody finds who gets hold of the database.
    pub(crate) fn disk(&self) -> Vec<u8> {
        if let Some(database) = self.dir.migrated.get().or(self.dir.empty.get()) {
            return database.dump();
        }
        std::fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.to_string_lossy().ends_with(".secret"))
            .flat_map(|path| std::fs::read(path).unwrap())
            .collect()
    }

    /// Tokens by the code flow: `email` signs in and picks `org` (empty: none; `None`: as it comes).
    pub(crate) async fn tokens(&self, email: &str, org: Option<&str>) -> Value {
        let code = self.browser().code(email, org, "openid").await;
        let reply = self.browser().token(&exchange(&code)).await;
        assert_eq!(reply.status, 200, "{:?}", reply.json());
        reply.json()
    }
}

/// For an issuer on the database of the folder, which has its schema already.
pub(crate) fn settings(dir: &TempDir) -> Settings {
    let mut settings = settings_of_nothing(dir);
    settings.database = dir.database();
    settings
}

/// The same where nothing has been made yet.
pub(crate) fn settings_of_nothing(dir: &TempDir) -> Settings {
    let mut settings = Settings::new(ORIGIN);
    settings.database = dir.database_empty();
    settings.secret_file = (dir.engine == Engine::Postgres).then(|| dir.secret());
    settings
}

pub(crate) fn exchange(code: &str) -> Value {
    json!({ "grant_type": "authorization_code", "code": code, "client_id": "proj_p", "client_secret": SECRET,
            "redirect_uri": CALLBACK })
}

pub(crate) fn refresh(tokens: &Value) -> Value {
    json!({ "grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": "proj_p",
            "client_secret": SECRET })
}

pub(crate) fn and(mut body: Value, name: &str, value: impl Into<Value>) -> Value {
    body[name] = value.into();
    body
}

/// What a signed token says; its signature is checked where that is the point.
pub(crate) fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&crate::encoding::from_base64url(payload).unwrap()).unwrap()
}

/// One hash for all: the hashing itself has its own tests.
pub(crate) fn phc() -> &'static str {
    static PHC: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    PHC.get_or_init(|| {
        use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
        let params = Params::new(19 * 1024, 2, 1, None).unwrap();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password(PASSWORD.as_bytes())
            .unwrap()
            .to_string()
    })
}

pub(crate) async fn populate(tx: &mut Tx) -> Result<(), DbError> {
    let mut project = Project::new("proj_p".to_owned(), "Demo".to_owned(), vec!["demo-api".to_owned()]);
    project.org_enabled = true;
    project.trusted_origins = vec!["chrome-extension://aaaabbbbccccddddeeeeffffgggghhhh".to_owned()];
    projects::create(tx, &project, NOW).await?;
    let other = Project::new("proj_q".to_owned(), "Other".to_owned(), vec!["other-api".to_owned()]);
    projects::create(tx, &other, NOW).await?;
    for (id, email) in [("ops", "ops@example.com"), ("ops2", "ops2@example.com")] {
        let address = Address::parse(email).unwrap();
        let operator = operators::create(tx, &address, phc(), NOW).await?;
        let project = if id == "ops" { "proj_p" } else { "proj_q" };
        operators::assign(tx, &operator, project, Rank::Owner).await?;
    }
    for name in ["owner", "admin", "member", "viewer", "x", "d", "n"] {
        add_user(tx, "proj_p", name).await?;
    }
    add_user(tx, "proj_q", "q").await?;
    for (slug, owner) in [("acme", "owner"), ("globex", "x")] {
        let new = NewOrganization {
            id: Some(format!("org_{slug}")),
            slug: Some(slug.to_owned()),
            ..NewOrganization::named("proj_p", format!("The {slug}"), &format!("usr_{owner}"))
        };
        organizations::create(tx, new, Actor::Setup, NOW).await.unwrap();
    }
    for (org, user, role) in [
        ("acme", "admin", "admin"),
        ("acme", "member", "member"),
        ("acme", "viewer", "viewer"),
        ("acme", "d", "member"),
        ("globex", "d", "admin"),
    ] {
        let new = NewMember {
            project_id: "proj_p".to_owned(),
            org_id: format!("org_{org}"),
            user_id: format!("usr_{user}"),
            role: role.to_owned(),
        };
        members::add(tx, new, (Actor::Setup, None), NOW).await.unwrap();
    }
    Ok(())
}

pub(crate) async fn add_user(tx: &mut Tx, project: &str, name: &str) -> Result<(), DbError> {
    let user = NewUser {
        id: format!("usr_{name}"),
        address: Address::parse(&format!("{name}@example.com")).unwrap(),
        email_verified: true,
        name: Some(name.to_owned()),
        password_phc: Some(phc().to_owned()),
    };
    assert!(users::create(tx, project, &user, NOW).await?);
    Ok(())
}

/// Adds the clients; apart from the data, because the secret's hash needs the running issuer.
pub(crate) async fn add_clients(site: &Site) {
    let hash = site.issuer.app().secrets.hash_client_secret(SECRET);
    site.write(move |tx| {
        Box::pin(async move {
            let project = projects::find(tx, "proj_p").await?.unwrap();
            let confidential = default_client(&project, Some(hash.clone()), vec![CALLBACK.to_owned()]);
            clients::create(tx, &confidential, NOW).await?;
            let public = Client {
                id: "app_spa".to_owned(),
                kind: ClientKind::Public,
                secret_hash: None,
                require_pkce: true,
                redirect_uris: vec![
                    "http://127.0.0.1/cb".to_owned(),
                    "https://spa.example.com/cb".to_owned(),
                ],
                ..confidential.clone()
            };
            clients::create(tx, &public, NOW).await?;
            let strict = Client { id: "app_strict".to_owned(), require_pkce: true, ..confidential };
            clients::create(tx, &strict, NOW).await
        })
    })
    .await;
}

/// A site with clients: what most tests want.
pub(crate) async fn site() -> Site {
    let site = Site::open().await;
    add_clients(&site).await;
    site
}

/// The source files of this crate: name and text.
pub(crate) fn sources() -> Vec<(String, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut files) = (vec![source.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&source).unwrap().to_string_lossy().into_owned();
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files
}
