//! What the operating system asks for: SIGTERM and SIGINT drain, the second of them stops at once.
//!
//! SIGHUP reads the policy again where there is one; elsewhere it is taken and not acted on, so that a terminal that goes
//! away does not end the process.

use std::sync::Arc;

use tokio::sync::Notify;
use tracing::{info, warn};

use super::{Failure, supervisor};
use crate::serve::Shutdown;

/// Turns signals into `shutdown`, and SIGHUP into `reload`, from now on. Call inside the runtime.
#[cfg(unix)]
pub(crate) fn listen(shutdown: Shutdown, reload: Option<Arc<Notify>>) -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};

    let take = |kind| {
        signal(kind).map_err(|error| Failure::could_not_run(format!("cannot receive signals: {error}")))
    };
    let mut terminate = take(SignalKind::terminate())?;
    let mut interrupt = take(SignalKind::interrupt())?;
    let mut hangup = take(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => stop(&shutdown),
                _ = interrupt.recv() => stop(&shutdown),
                _ = hangup.recv() => match &reload {
                    Some(reload) => reload.notify_one(),
                    None => warn!("SIGHUP: there is nothing to read again"),
                },
            }
        }
    });
    Ok(())
}

/// Turns Ctrl-C into `shutdown` from now on. Call inside the runtime.
#[cfg(not(unix))]
pub(crate) fn listen(shutdown: Shutdown, _reload: Option<Arc<Notify>>) -> Result<(), Failure> {
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            stop(&shutdown);
        }
    });
    Ok(())
}

fn stop(shutdown: &Shutdown) {
    if shutdown.is_draining() {
        warn!("stopping at once");
        shutdown.abort();
    } else {
        info!("stopping when the requests under way are done");
        supervisor::stopping();
        shutdown.drain();
    }
}
