//! The feed as a stream of events (HTML Living Standard §9.2).

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, header};
use http_body::Frame;
use tokio::sync::{mpsc, watch};

use super::{
    page::{self, Page},
    readers::Place,
};
use crate::{
    app::Shared,
    db::DbError,
    operators::keys::{self, ProjectKey},
};

/// How often a reader hears that it is still connected; well within the second that is promised.
const BEAT: Duration = Duration::from_millis(800);
/// For how long a reader may take nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a reader is sent.
struct Pipe(mpsc::Receiver<Bytes>);

impl http_body::Body for Pipe {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// One reader of the stream.
pub(super) struct Reader {
    pub(super) app: Shared,
    pub(super) key: ProjectKey,
    pub(super) place: Place,
    pub(super) wakes: watch::Receiver<u64>,
}

/// Begins to send, with `first`.
pub(super) fn begin(reader: Reader, first: Page) -> Response {
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        // It ends when the reader goes away, takes nothing, or cannot be told the truth: then it comes back and hears why.
        let _ = reader.send(first, &sender).await;
    });
    let mut response = Body::new(Pipe(receiver)).into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // A proxy that gathers what it passes on would break every promise about time.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The stream is over.
struct Over;

impl From<DbError> for Over {
    fn from(_: DbError) -> Self {
        Self
    }
}

impl Reader {
    async fn send(mut self, mut page: Page, to: &mpsc::Sender<Bytes>) -> Result<(), Over> {
        put(to, message(&page)).await?;
        loop {
            if !page.more {
                self.wait(to).await?;
            }
            page = self.look(page.seq).await?;
            if page.is_news() {
                put(to, message(&page)).await?;
            }
        }
    }

    /// Waits for something to read, and tells the reader meanwhile that there is nothing.
    async fn wait(&mut self, to: &mpsc::Sender<Bytes>) -> Result<(), Over> {
        loop {
            if self.app.closing.load(Ordering::Acquire) {
                return Err(Over);
            }
            match tokio::time::timeout(BEAT, self.wakes.changed()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(_)) => return Err(Over),
                Err(_) if self.place.readers().is_current() => put(to, Bytes::from_static(b":\n\n")).await?,
                Err(_) if to.is_closed() => return Err(Over),
                Err(_) => {}
            }
        }
    }

    async fn look(&mut self, after: i64) -> Result<Page, Over> {
        self.wakes.borrow_and_update();
        let app = Arc::clone(&self.app);
        let mut conn = app.db.read().await?;
        if app.closing.load(Ordering::Acquire) || !keys::stands(&mut conn, &self.key.id).await? {
            return Err(Over);
        }
        page::read(&mut conn, &self.key.project_id, Some(after), app.now_ms()).await?.ok_or(Over)
    }
}

async fn put(to: &mpsc::Sender<Bytes>, bytes: Bytes) -> Result<(), Over> {
    match tokio::time::timeout(PATIENCE, to.send(bytes)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Over),
    }
}

fn message(page: &Page) -> Bytes {
    format!("id: {}\nevent: marks\ndata: {}\n\n", page.seq, page.to_json()).into()
}
