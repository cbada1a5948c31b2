//! The issuer as a whole: opening, answering, closing.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ::http::Uri;
use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    response::{IntoResponse as _, Response},
};

use crate::{
    accounts, activity,
    app::{App, Shared},
    bootstrap, clients,
    clock::Clock,
    config::{PublicUrl, Settings, StartError},
    console,
    db::{DatabaseUrl, Db, DbError},
    feed, gdpr,
    hooks::{self, Bell},
    http::{Problem, body::MAX_BODY, page::PageError, page::Pages, path, problem::Code},
    idempotency,
    keys::{Algorithm, Keys},
    login,
    mail::{self, Courier},
    maintenance, management,
    openapi::{self, Document, Routes},
    operators,
    password::{self, Passwords},
    projects,
    secret::Secrets,
    setup::{self, FirstStart},
    tokens, upkeep, webhooks, workspace,
};

/// A running issuer. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Issuer {
    app: Shared,
    first_start: Option<FirstStart>,
    /// The way to the hooks that are told.
    bell: Option<Bell>,
}

/// Whether the issuer can do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// It can.
    Ready,
    /// It cannot, for this reason.
    NotReady(String),
}

impl Issuer {
    /// Opens the database (and makes it, its schema and the secret file, where there are none), applies the bootstrap
    /// file and begins to make missing keys. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`]: with [`StartError::diagnostics`] if something is wrong in the bootstrap file, otherwise if
    /// something kept the issuer from running. Nothing is left half done: a bootstrap file with a mistake changes
    /// nothing.
    pub async fn open(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let public = PublicUrl::parse(&settings.public_url)?;
        settings.check_prefix()?;
        let url = DatabaseUrl::parse(&settings.database).map_err(StartError::could_not_run)?;
        // Whatever cannot work is refused before anything is made.
        if url != DatabaseUrl::SqliteMemory {
            maintenance::secret_path(&url, settings.secret_file.as_deref())?;
        }
        // A file with a mistake is refused before anything is made.
        let env = |name: &str| std::env::var(name).ok();
        let plan = match (&settings.bootstrap, &settings.bootstrap_text) {
            (None, None) => None,
            (Some(path), None) => Some(bootstrap::read(path, &env)?),
            (None, Some(text)) => Some(bootstrap::parse(text, &env)?),
            (Some(_), Some(_)) => {
                return Err(StartError::could_not_run(
                    "there is a bootstrap file and a bootstrap text\nhelp: leave one out",
                ));
            }
        };
        let now = clock.now_ms();
        let db = Db::open(&url, now).await.map_err(|error| StartError::could_not_run(error.to_string()))?;
        let opened = Self::start(settings, public, &url, db.clone(), clock, plan).await;
        if opened.is_err() {
            db.close().await;
        }
        opened
    }

    async fn start(
        settings: Settings,
        public: PublicUrl,
        url: &DatabaseUrl,
        db: Db,
        clock: Arc<dyn Clock>,
        plan: Option<bootstrap::Plan>,
    ) -> Result<Self, StartError> {
        let secrets = Arc::new(open_secrets(&settings, url, &db).await?);
        let courier = match &settings.smtp {
            Some(smtp) => Some(
                Courier::new(smtp, settings.mail_from.as_deref(), &public)
                    .map_err(StartError::could_not_run)?,
            ),
            None => None,
        };
        let pages = Pages::new().map_err(|error| StartError::could_not_run(error.to_string()))?;
        let app = Arc::new(App {
            keys: Keys::new(db.clone(), Arc::clone(&secrets)),
            settings,
            public,
            db,
            clock,
            secrets,
            passwords: Passwords::new(),
            pages,
            logouts: Arc::default(),
            activity: Arc::default(),
            feed: Arc::default(),
            closing: AtomicBool::new(false),
        });
        let counts = Arc::clone(&app.activity);
        app.db.watch(move |event| counts.note(event));
        let bell = app.settings.hooks.clone().map(|hooks| hooks::start(&app, hooks));
        if let Some(plan) = plan {
            bootstrap::apply(&app, plan).await?;
        }
        let broken = |error: DbError| StartError::could_not_run(error.to_string());
        let first_start = setup::first_start(&app.db, &app.public, app.now_ms()).await.map_err(broken)?;
        let projects = projects::all_ids(&mut *app.db.read().await.map_err(broken)?).await.map_err(broken)?;
        check_keys(&app, &projects).await?;
        tokio::spawn(make_keys(Arc::clone(&app), projects));
        if let Some(courier) = app.settings.courier.clone() {
            let bell = Arc::clone(&app.logouts);
            tokio::spawn(tokens::backchannel::run(Arc::downgrade(&app), bell, Arc::clone(&courier)));
            tokio::spawn(webhooks::delivery::run(Arc::downgrade(&app), courier));
        }
        tokio::task::spawn_blocking(password::prepare);
        if courier.is_none() && !app.settings.dev_outbox {
            tracing::info!("there is no mail server (`--smtp`): mail lies in the outbox until there is one");
        }
        tokio::spawn(activity::run(Arc::downgrade(&app)));
        tokio::spawn(feed::run(Arc::downgrade(&app)));
        tokio::spawn(upkeep::run(Arc::downgrade(&app), courier));
        Ok(Self { app, first_start, bell })
    }

    /// What a person has to do first: set while there is no operator.
    #[must_use]
    pub fn first_start(&self) -> Option<&FirstStart> {
        self.first_start.as_ref()
    }

    /// Everything the issuer answers: `/p/…`, `/api/platform/…`, `/.well-known/…`, `/setup/…` and the prefix of the end
    /// users' API, all below the path of the public URL; and, where it has one, also
    /// `/.well-known/oauth-authorization-server` with that path behind it (RFC 8414). It is merged into an application's own
    /// router, never nested.
    pub fn router(&self) -> Router {
        let whole = self.finished(routes(&self.app.settings.prefix), true);
        match self.app.public.path() {
            "" => whole,
            path => Router::new()
                .nest(path, whole)
                .merge(self.finished(tokens::discovery::above(path).merge(feed::above(path)), false)),
        }
    }

    fn finished(&self, routes: Routes, is_whole: bool) -> Router {
        let (router, described) = routes.into_parts();
        let voices = Arc::new(openapi::voices(&described));
        let once = Arc::new(openapi::once(&described));
        let app = Arc::clone(&self.app);
        let document = Document::of(move || openapi::document(&described, &app.settings, &app.public));
        // What is beside the issuer's own paths belongs to the application.
        let router = if is_whole { router.fallback(nothing_here) } else { router };
        router
            .method_not_allowed_fallback(|| async { Problem::from(Code::MethodNotAllowed) })
            .layer(axum::middleware::from_fn_with_state((Arc::clone(&self.app), once), idempotency::once))
            .layer(axum::middleware::from_fn_with_state(Arc::clone(&self.app), management::denied::note))
            .layer(axum::middleware::from_fn_with_state((Arc::clone(&self.app), voices), path::readable))
            .layer(axum::middleware::from_fn_with_state(Arc::clone(&self.app), projects::origins::share))
            .layer(axum::middleware::from_fn_with_state(Arc::clone(&self.app), projects::dress::page))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .layer(Extension(document))
            .with_state(Arc::clone(&self.app))
    }

    /// Everything that [`router`](Self::router) answers, as an OpenAPI document in JSON; an issuer with these settings shows
    /// the same. No database is opened.
    ///
    /// # Errors
    /// [`StartError`] if the public URL or the prefix cannot be.
    pub fn openapi(settings: &Settings) -> Result<String, StartError> {
        let public = PublicUrl::parse(&settings.public_url)?;
        settings.check_prefix()?;
        let (_, described) = routes(&settings.prefix).into_parts();
        Ok(openapi::document(&described, settings, &public))
    }

    /// The issuer URL (`iss`) of the project `project_id`.
    #[must_use]
    pub fn issuer_url(&self, project_id: &str) -> String {
        self.app.public.issuer(project_id)
    }

    /// Whether the database answers.
    pub async fn health(&self) -> Health {
        match self.app.db.ping().await {
            Ok(()) => Health::Ready,
            Err(error) => Health::NotReady(error.to_string()),
        }
    }

    /// The mail that waits, newest first: `to`, `subject`, `text` and `links` of each. For development only: whoever
    /// reads it can sign in as anybody.
    ///
    /// `None` unless [`Settings::dev_outbox`] is set.
    pub async fn outbox(&self) -> Option<Result<Vec<serde_json::Value>, Health>> {
        if !self.app.settings.dev_outbox {
            return None;
        }
        Some(mail::waiting(&self.app).await.map_err(|error| Health::NotReady(error.to_string())))
    }

    /// Ends what waits without an end: streams of the change feed are over, and whoever polls it is answered. To be called
    /// once nothing new is taken, so that open connections can be waited for; [`shutdown`](Self::shutdown) comes behind it.
    pub fn release(&self) {
        self.app.closing.store(true, Ordering::Release);
        self.app.db.wakes().wake_all();
    }

    /// Finishes what is being written, tells it to the hooks and closes the database. Requests that come later are answered
    /// with 503.
    pub async fn shutdown(&self) {
        self.release();
        if let Err(error) = activity::flush(&self.app).await {
            tracing::error!(%error, "what was counted last is lost");
        }
        self.app.db.close().await;
        self.told().await;
    }

    /// Waits until the hooks know what is committed.
    pub(crate) async fn told(&self) {
        if let Some(bell) = &self.bell {
            bell.drain().await;
        }
    }

    #[cfg(test)]
    pub(crate) fn app(&self) -> &Shared {
        &self.app
    }
}

/// The routes of all slices.
fn routes(prefix: &str) -> Routes {
    api(prefix).merge(console::router(|app| api(&app.settings.prefix)))
}

/// The same without the console, whose pages ask these.
fn api(prefix: &str) -> Routes {
    Routes::new()
        .merge(openapi::router())
        .merge(crate::keys::routes::router())
        .merge(operators::routes::router())
        .merge(projects::routes::router())
        .merge(activity::routes::router())
        .merge(clients::routes::router())
        .merge(login::router(prefix))
        .merge(accounts::routes::pages())
        .merge(accounts::invitation_page::router())
        .merge(accounts::own_page::router())
        .merge(accounts::routes::router(prefix))
        .merge(accounts::passkeys::router(prefix))
        .merge(accounts::security::router(prefix))
        .merge(accounts::directory::router())
        .merge(accounts::suspension::router())
        .merge(tokens::router())
        .merge(feed::router())
        .merge(management::router(prefix))
        .merge(workspace::router())
        .merge(webhooks::routes::router())
        .merge(gdpr::routes::router(prefix))
        .merge(setup::routes::router())
}

async fn nothing_here(
    axum::extract::State(app): axum::extract::State<Shared>,
    uri: Uri,
    headers: ::http::HeaderMap,
) -> Response {
    let wants_page = headers
        .get(::http::header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    if wants_page && !uri.path().starts_with("/api/") {
        return app.pages.error(&PageError::new("not_found"));
    }
    Problem::from(Code::NotFound).into_response()
}

/// The secret that belongs to the database: the one it was written with, or a new one for a new database.
pub(crate) async fn open_secrets(
    settings: &Settings,
    url: &DatabaseUrl,
    db: &Db,
) -> Result<Secrets, StartError> {
    let broken = |error: DbError| StartError::could_not_run(error.to_string());
    let failed = |error: crate::secret::SecretError| StartError::could_not_run(error.to_string());
    let written_with = db.secret_name().await.map_err(broken)?;
    let (secrets, path) = match (&settings.secret_file, url) {
        (None, DatabaseUrl::SqliteMemory) => (Secrets::ephemeral().map_err(failed)?, PathBuf::new()),
        (named, _) => {
            let path = maintenance::secret_path(url, named.as_deref())?;
            (Secrets::open(&path, written_with.is_some()).map_err(failed)?, path)
        }
    };
    let foreign = || {
        StartError::could_not_run(format!(
            "the database was not written with the secret in `{}`\nhelp: use the file that belongs to this database, or \
             add its line below the new one",
            path.display()
        ))
    };
    if written_with.as_deref().is_some_and(|name| !secrets.knows(name)) {
        return Err(foreign());
    }
    // Two issuers that start at once on a new database must not come with two secrets.
    let stands = db.claim_secret(written_with.as_deref(), secrets.id()).await.map_err(broken)?;
    if secrets.knows(&stands) { Ok(secrets) } else { Err(foreign()) }
}

/// Reads the keys that exist: a database whose keys cannot be opened is noticed at the start and not at a sign-in.
async fn check_keys(app: &Shared, projects: &[String]) -> Result<(), StartError> {
    for project in projects {
        app.keys
            .active(project, Algorithm::Es256, app.now_ms())
            .await
            .map_err(|error| StartError::could_not_run(error.to_string()))?;
    }
    Ok(())
}

/// Makes what is missing, so that nobody has to wait for it later.
async fn make_keys(app: Shared, projects: Vec<String>) {
    for project in projects {
        if let Err(error) = app.keys.published(&project, app.now_ms()).await {
            tracing::error!(%error, project.id = %project, "a signing key could not be made");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ManualClock,
        testing::{NOW, Site, TempDir, settings},
    };

    #[orgate_testkit::both]
    async fn after_the_end_the_answer_is_not_available() {
        let site = Site::open().await;
        site.issuer.shutdown().await;
        assert!(matches!(site.issuer.health().await, Health::NotReady(_)));
        assert_eq!(site.browser().get("/p/proj_p/.well-known/openid-configuration").await.status, 503);
        let reply =
            site.browser().token(&serde_json::json!({ "client_id": "proj_p", "client_secret": "x" })).await;
        assert_eq!(reply.status, 503);
    }

    #[orgate_testkit::both]
    async fn settings_that_cannot_work_are_refused_before_anything_is_made() {
        let dir = TempDir::new();
        let good = crate::testing::settings_of_nothing(&dir);
        let mut cases = Vec::new();
        for change in [
            |settings: &mut Settings| settings.public_url = "id.example.com".to_owned(),
            |settings: &mut Settings| settings.prefix = "v1".to_owned(),
            |settings: &mut Settings| settings.database = "x.db".to_owned(),
        ] {
            let mut settings = good.clone();
            change(&mut settings);
            cases.push(settings);
        }
        for settings in cases {
            let error = Issuer::open(settings, Arc::new(ManualClock::at(NOW))).await.unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("help:"), "{error}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let mut settings = good;
        settings.database = "sqlite:///nonexistent/folder/x.db".to_owned();
        let error = Issuer::open(settings, Arc::new(ManualClock::at(NOW))).await.unwrap_err();
        assert!(error.to_string().contains("/nonexistent/folder/x.db"), "{error}");
    }

    #[orgate_testkit::both]
    async fn what_must_exist_can_come_as_a_text() {
        let dir = TempDir::new();
        let mut settings = settings(&dir);
        settings.bootstrap_text = Some("projects: [{id: proj_x, name: X}]".to_owned());
        let mut both = settings.clone();
        both.bootstrap = Some(dir.path().join("bootstrap.yaml"));
        let mut wrong = settings.clone();
        wrong.bootstrap_text = Some("projects: 1".to_owned());
        let site = Site::with(settings, dir, ManualClock::at(NOW)).await;
        assert_eq!(site.browser().get("/p/proj_x/.well-known/openid-configuration").await.status, 200);
        let clock = Arc::new(ManualClock::at(NOW));
        assert_eq!(Issuer::open(both, clock.clone()).await.unwrap_err().exit_code(), 2);
        let error = Issuer::open(wrong, clock).await.unwrap_err();
        let findings = error.diagnostics().unwrap().render(false);
        assert!(findings.contains("the bootstrap text:1:"), "{findings}");
    }

    #[orgate_testkit::both]
    async fn the_prefix_can_be_chosen() {
        let dir = TempDir::new();
        let mut settings = settings(&dir);
        settings.prefix = "/x".to_owned();
        let site = Site::with(settings, dir, ManualClock::at(NOW)).await;
        assert_eq!(site.browser().get("/x/session").await.status, 401);
        assert_eq!(site.browser().get("/v1/auth/session").await.status, 404);
    }

    #[orgate_testkit::both]
    async fn the_issuer_can_be_mounted_in_an_application() {
        use tower::ServiceExt as _;

        let dir = TempDir::new();
        let mut settings = settings(&dir);
        settings.public_url = "http://127.0.0.1:8090/auth".to_owned();
        let site = Site::with(settings, dir, ManualClock::at(NOW)).await;
        site.write(|tx| Box::pin(crate::testing::populate(tx))).await;
        assert_eq!(site.issuer.issuer_url("proj_p"), "http://127.0.0.1:8090/auth/p/proj_p");
        let whole = Router::new()
            .route("/own", axum::routing::get(|| async { "own" }))
            .fallback(|| async { "nothing of ours" })
            .merge(site.issuer.router());
        let ask = async |path: &str| {
            let request = ::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
            let response = whole.clone().oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        let (status, discovery) = ask("/auth/p/proj_p/.well-known/openid-configuration").await;
        let discovery: serde_json::Value = serde_json::from_str(&discovery).unwrap();
        assert_eq!((status, &discovery["issuer"]), (200, &"http://127.0.0.1:8090/auth/p/proj_p".into()));
        assert_eq!(discovery["token_endpoint"], "http://127.0.0.1:8090/auth/p/proj_p/token");
        // RFC 8414 §3.1: the well-known part stands between the host and the path.
        let (status, metadata) = ask("/.well-known/oauth-authorization-server/auth/p/proj_p").await;
        assert_eq!((status, serde_json::from_str::<serde_json::Value>(&metadata).unwrap()), (200, discovery));
        let (status, problem) = ask("/.well-known/oauth-authorization-server/auth/p/proj_none").await;
        assert_eq!((status, problem.contains("not_found")), (404, true), "{problem}");
        let (status, _) = ask("/.well-known/oauth-authorization-server/auth/p/%FF").await;
        assert_eq!(status, 400);
        assert_eq!(ask("/auth/v1/auth/session").await.0, 401);
        assert_eq!(ask("/own").await, (200, "own".to_owned()));
        assert_eq!(ask("/elsewhere").await, (200, "nothing of ours".to_owned()));
        let (status, problem) = ask("/auth/elsewhere").await;
        assert_eq!((status, problem.contains("not_found")), (404, true), "{problem}");
    }
}
