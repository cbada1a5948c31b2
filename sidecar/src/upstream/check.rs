//! Checks that are asked of each address beside all requests: a GET of one path, as nobody.
//!
//! A check is answered well by 200 to 399 in time. So many in a row one way or the other change what is thought of the
//! address; until the first verdict it gets requests. Checks of different addresses do not wait for each other, and each has
//! at most one under way.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use http::{HeaderValue, Request, Uri, header, uri::PathAndQuery};
use http_body_util::BodyExt as _;
use tokio::time::MissedTickBehavior;

use super::{
    ResponseBody, Upstream, UpstreamError,
    body::RequestBody,
    member::{Failed, Member},
};

/// What is asked of each address of an application, and how it is judged.
#[derive(Clone, Debug)]
pub struct Checks {
    /// What is asked for.
    pub path: PathAndQuery,
    /// From the begin of one check to that of the next.
    pub every: Duration,
    /// How long an answer may take, its body included.
    pub timeout: Duration,
    /// Good answers in a row that bring an address back.
    pub healthy: u32,
    /// Bad ones in a row that take it out.
    pub unhealthy: u32,
}

impl Checks {
    /// Checks of `path`, every 5 seconds, within 2; two good ones bring an address back, three bad ones take it out.
    #[must_use]
    pub fn of(path: PathAndQuery) -> Self {
        Self {
            path,
            every: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            healthy: 2,
            unhealthy: 3,
        }
    }
}

/// Checks the addresses of `upstream` for as long as it lives.
pub(super) fn begin(upstream: &Arc<Upstream>) {
    let Some(checks) = &upstream.settings.checks else { return };
    for number in 0..upstream.members.len() {
        tokio::spawn(run(Arc::downgrade(upstream), number, checks.clone()));
    }
}

async fn run(upstream: Weak<Upstream>, number: usize, checks: Checks) {
    let mut ticks = tokio::time::interval(checks.every.max(Duration::from_millis(10)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut good, mut bad) = (0_u32, 0_u32);
    loop {
        ticks.tick().await;
        let Some(upstream) = upstream.upgrade() else { return };
        let Some(member) = upstream.members.get(number) else { return };
        let asked = tokio::time::timeout(checks.timeout, ask(member, &checks.path));
        match asked.await.unwrap_or(Err(Bad::Late)) {
            Ok(()) => {
                (good, bad) = (good.saturating_add(1), 0);
                if good >= checks.healthy {
                    member.health.checked(true, &"");
                }
            }
            Err(why) => {
                (good, bad) = (0, bad.saturating_add(1));
                if bad >= checks.unhealthy {
                    member.health.checked(false, &why);
                }
            }
        }
    }
}

/// Why a check was not passed.
enum Bad {
    Late,
    Status(u16),
    Broken,
    Unanswered(UpstreamError),
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("no answer in time"),
            Self::Status(status) => write!(f, "it answered {status}"),
            Self::Broken => f.write_str("its answer broke off"),
            Self::Unanswered(error) => error.fmt(f),
        }
    }
}

async fn ask(member: &Member, path: &PathAndQuery) -> Result<(), Bad> {
    let mut request = Request::new(RequestBody::empty());
    *request.uri_mut() = Uri::from(path.clone());
    request.headers_mut().insert(header::HOST, member.own_host.clone());
    request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static("orgate-health-check"));
    let (lease, response) =
        member.send(request, false, None).await.map_err(|Failed { error, .. }| Bad::Unanswered(error))?;
    let status = response.status().as_u16();
    // Read to its end, so that the connection serves again; a long one is let go.
    let mut body = ResponseBody::new(response.into_body(), LONGEST, lease, None);
    let mut left = MOST;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Bad::Broken)?;
        let length = frame.data_ref().map_or(0, bytes::Bytes::len);
        let Some(rest) = left.checked_sub(length) else { break };
        left = rest;
    }
    if (200..400).contains(&status) { Ok(()) } else { Err(Bad::Status(status)) }
}

/// The time for the whole check is shorter.
const LONGEST: Duration = Duration::from_secs(60);
const MOST: usize = 64 * 1024;
