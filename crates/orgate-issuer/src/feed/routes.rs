//! `GET /p/{project}/revocations`.

use std::{sync::atomic::Ordering, time::Duration};

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, header};
use tokio::{sync::watch, time::Instant};

use super::{
    page::{self, Page},
    readers::Place,
    stream::{self, Reader},
};
use crate::{
    app::{App, Shared},
    http::{
        Problem,
        body::{Form, Query},
        problem::Code,
    },
    openapi::{Named, Routes, anything, flag, get, list, number, object, programs, text},
    operators::keys::{self, FEED, ProjectKey},
};

/// How long somebody may wait for an answer, in seconds.
const MAX_WAIT: u64 = 30;
/// After how many seconds a reader comes back for whom there is no place.
const COME_BACK: i64 = 5;

pub(super) fn router() -> Routes {
    let about = programs("readRevocations", "The change feed: whose rights have ended")
        .query("after", number())
        .query("wait", number())
        .gives(200, MARKS)
        .answers(200, "The same as a stream of events.", Some(("text/event-stream", text())), &[])
        .refuses(&[Code::InvalidValue]);
    Routes::new().at("/p/{project}/revocations", get(read, about))
}

const MARKS: Named = Named("Marks", || {
    object()
        .with("seq", number())
        .with("marks", list(anything()))
        .may("reset", flag())
        .may("more", flag())
        .done()
});

async fn read(
    State(app): State<Shared>,
    Path(project): Path<String>,
    headers: HeaderMap,
    Query(query): Query,
) -> Result<Response, Problem> {
    let key = admitted(&app, &project, &headers).await?;
    let (after, wait) = (after(&query, &headers)?, wait(&query)?);
    let place = app.feed.place(&project).ok_or_else(full)?;
    // Whatever is committed from here on is either read below or wakes.
    let mut wakes = app.db.wakes().watch(&project);
    wakes.borrow_and_update();
    let first = look(&app, &project, after).await?;
    if wants_stream(&headers) {
        return Ok(stream::begin(Reader { app, key, place, wakes }, first));
    }
    let page = match after {
        Some(after) => until_news(&app, (&project, after), (first, wait), (&place, wakes)).await?,
        None => first,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], axum::Json(page.to_json())).into_response())
}

/// The refusal of one reader too many.
pub(super) fn full() -> Problem {
    Problem::new(Code::Unavailable).detail("too many read this feed already").after(COME_BACK)
}

/// The key of a request that may read the feed of the project.
pub(super) async fn admitted(app: &App, project: &str, headers: &HeaderMap) -> Result<ProjectKey, Problem> {
    let key = keys::presented(&mut *app.db.read().await?, headers).await?;
    let key = key.filter(|key| key.project_id == project).ok_or(Code::Unauthenticated)?;
    if !key.may(FEED) {
        return Err(Problem::new(Code::Forbidden).detail("the key lacks the scope `feed`"));
    }
    Ok(key)
}

/// From where the reader goes on.
fn after(query: &Form, headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    match query.get("after").or(last).filter(|text| !text.is_empty()).map(str::parse::<i64>) {
        None => Ok(None),
        Some(Ok(after)) if after >= 0 => Ok(Some(after)),
        Some(_) => Err(Problem::invalid("after", "is the `seq` of an answer")),
    }
}

fn wait(query: &Form) -> Result<Duration, Problem> {
    match query.get("wait").map(str::parse::<u64>) {
        None => Ok(Duration::ZERO),
        Some(Ok(wait)) if wait <= MAX_WAIT => Ok(Duration::from_secs(wait)),
        Some(_) => Err(Problem::invalid("wait", format!("is a number of seconds up to {MAX_WAIT}"))),
    }
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.flat_map(|value| value.split(',')).any(|one| {
        let media = one.split(';').next().unwrap_or_default();
        media.trim().eq_ignore_ascii_case("text/event-stream")
    })
}

async fn look(app: &App, project: &str, after: Option<i64>) -> Result<Page, Problem> {
    let page = page::read(&mut *app.db.read().await?, project, after, app.now_ms()).await?;
    app.feed.looked();
    Ok(page.ok_or(Code::NotFound)?)
}

/// Waits for something that ended a right, but not longer than the reader wants.
async fn until_news(
    app: &App,
    (project, after): (&str, i64),
    (mut page, wait): (Page, Duration),
    (place, mut wakes): (&Place, watch::Receiver<u64>),
) -> Result<Page, Problem> {
    let deadline = Instant::now() + wait;
    while !page.is_news() && !app.closing.load(Ordering::Acquire) {
        match tokio::time::timeout_at(deadline, wakes.changed()).await {
            Ok(Ok(())) => page = look(app, project, Some(after.max(page.seq))).await?,
            // Nobody is told that nothing has happened by an issuer that does not know.
            Err(_) if !wait.is_zero() && !place.readers().is_current() => {
                return Err(Code::Unavailable.into());
            }
            Ok(Err(_)) | Err(_) => break,
        }
    }
    Ok(page)
}
