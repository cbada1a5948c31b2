//! What every handler has at hand.

use std::sync::{Arc, atomic::AtomicBool};

use crate::{
    activity::Activity,
    clock::Clock,
    config::{PublicUrl, Settings},
    db::Db,
    feed::Readers,
    http::page::Pages,
    keys::Keys,
    password::Passwords,
    reach::Reach,
    secret::Secrets,
};

/// The running issuer, shared by all requests.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) settings: Settings,
    pub(crate) public: PublicUrl,
    pub(crate) db: Db,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) keys: Keys,
    pub(crate) passwords: Passwords,
    pub(crate) pages: Pages,
    /// Rung when applications are to be told of a sign-out.
    pub(crate) logouts: Arc<tokio::sync::Notify>,
    /// How much is going on.
    pub(crate) activity: Arc<Activity>,
    /// Who reads the change feed.
    pub(crate) feed: Arc<Readers>,
    /// Whether the issuer is being shut down.
    pub(crate) closing: AtomicBool,
}

/// The state of the router.
pub(crate) type Shared = Arc<App>;

impl App {
    /// What the issuer may send to.
    pub(crate) fn reach(&self) -> Reach {
        Reach::new(!self.public.is_https(), self.settings.allowed_networks.clone())
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}
