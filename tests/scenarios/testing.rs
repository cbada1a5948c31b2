//! What `#[orgate_testkit::both]` needs of the crate it is used in.

/// The database behind the issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

tokio::task_local! {
    static ENGINE: Engine;
}

impl Engine {
    /// The one this test runs on.
    pub(crate) fn current() -> Self {
        ENGINE.with(|engine| *engine)
    }
}

/// Runs a test on `engine`. The processes have threads of their own; a test waits for one after the other.
pub(crate) fn on(engine: Engine, test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
        .block_on(ENGINE.scope(engine, test));
}
