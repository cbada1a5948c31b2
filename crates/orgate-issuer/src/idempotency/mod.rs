//! `Idempotency-Key`: what is asked twice because an answer was lost is done once, and answered twice.
//!
//! Which routes have it says their description ([`Operation::once`](crate::openapi::Operation::once)). The key belongs to
//! whoever asks, in their project, for a day. The first request with it is written down before anything is done; its
//! answer is kept if it was a good one, so that the next request with the same key and the same content gets it again. A
//! refusal changed nothing and is forgotten. If the process dies in between, the key stays taken: whoever asks again is
//! told that the end is not known, and looks. (draft-ietf-httpapi-idempotency-key-header)

mod queries;

use std::{collections::HashSet, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRequest as _, FromRequestParts as _, MatchedPath, RawPathParams, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use serde::{Deserialize, Serialize};

use crate::{
    app::{App, Shared},
    db::{Constraint, DbError, Tx},
    encoding::base64url,
    http::{Problem, body::unreadable, problem::Code},
    login::account::asking,
    operators::Operator,
};

/// The name of the header.
pub(crate) const HEADER: &str = "idempotency-key";
/// What says that an answer is one of before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const MAX_KEY: usize = 255;
const LIFE_MS: i64 = 24 * 60 * 60 * 1000;
/// The largest answer that is kept.
const MAX_ANSWER: usize = 256 * 1024;
/// What of an answer's head is kept besides its status.
const KEPT: [HeaderName; 4] = [header::CONTENT_TYPE, header::CACHE_CONTROL, header::ETAG, header::LOCATION];

/// The paths whose POST has it.
pub(crate) type Paths = Arc<HashSet<String>>;

/// Whose key it is.
#[derive(Clone, Debug)]
struct Place {
    project_id: String,
    actor: String,
    key: String,
}

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Answer {
    headers: Vec<(String, String)>,
    body: String,
}

impl Place {
    fn context(&self) -> String {
        format!("idempotency:{}:{}:{}", self.project_id, self.actor, self.key)
    }
}

/// Does a request with a key once.
pub(crate) async fn once(
    State((app, paths)): State<(Shared, Paths)>,
    matched: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let path = matched.as_ref().and_then(|matched| matched.as_str().strip_prefix(app.public.path()));
    let has_it = request.method() == Method::POST && path.is_some_and(|path| paths.contains(path));
    if !has_it || !request.headers().contains_key(HEADER) {
        return next.run(request).await;
    }
    match answered(&app, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn answered(app: &Shared, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let key = key(&parts.headers)?;
    let body =
        Bytes::from_request(Request::from_parts(parts.clone(), body), app).await.map_err(unreadable)?;
    // Whoever may not ask is told so by the route itself.
    let Some((project_id, actor)) = whose(app, &mut parts).await? else {
        return Ok(next.run(Request::from_parts(parts, Body::from(body))).await);
    };
    let place = Place { project_id, actor, key };
    let hash = hash(&parts, &body);
    let expires_at = app.now_ms().saturating_add(LIFE_MS);
    let (taken, wanted) = (place.clone(), hash.clone());
    let begun = app.db.write::<_, DbError>(move |tx| {
        Box::pin(async move {
            queries::forget_if_expired(tx, &taken, expires_at - LIFE_MS).await?;
            queries::begin(tx, &taken, &wanted, expires_at).await
        })
    });
    match begun.await {
        Ok(true) => {}
        // There is no such project, which the route knows how to say.
        Err(DbError::Conflict(Constraint::ForeignKey)) => {
            return Ok(next.run(Request::from_parts(parts, Body::from(body))).await);
        }
        Ok(false) => return replayed(app, &place, &hash).await,
        Err(error) => return Err(error.into()),
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    settle(app, place, response).await
}

/// The key of a request; it is text in quotation marks by the draft, and bare by custom.
fn key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let wrong = || {
        let rule = format!("`Idempotency-Key` comes once and has 1 to {MAX_KEY} visible ASCII characters");
        Problem::new(Code::BadRequest).detail(rule).field("Idempotency-Key")
    };
    let (Some(value), None) = (values.next(), values.next()) else { return Err(wrong()) };
    let value = value.to_str().map_err(|_| wrong())?.trim();
    let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    if bare.is_empty() || bare.len() > MAX_KEY || !bare.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(wrong());
    }
    Ok(bare.to_owned())
}

/// The project and who asks in it; `None` if it is nobody.
async fn whose(app: &Shared, parts: &mut Parts) -> Result<Option<(String, String)>, Problem> {
    let parameters = RawPathParams::from_request_parts(parts, app).await.map_err(|_| Code::BadRequest)?;
    let named = parameters.iter().find(|(name, _)| *name == "project").map(|(_, value)| value.to_owned());
    let at_console =
        parts.uri.path().strip_prefix(app.public.path()).is_some_and(|path| path.starts_with("/api/"));
    if at_console {
        let (Ok(operator), Some(project_id)) = (Operator::from_request_parts(parts, app).await, named) else {
            return Ok(None);
        };
        return Ok(Some((project_id, operator.id)));
    }
    let session = asking(app, named.map(axum::extract::Path), &parts.headers).await;
    Ok(session.ok().map(|session| (session.project_id, session.user_id)))
}

/// The same for the same request: method, target, what is asked for, and body.
fn hash(parts: &Parts, body: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    let if_match = parts.headers.get(header::IF_MATCH).map_or(&b""[..], HeaderValue::as_bytes);
    for part in [parts.uri.to_string().as_bytes(), if_match, body] {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    base64url(context.finish().as_ref())
}

/// The answer of before.
async fn replayed(app: &App, place: &Place, hash: &str) -> Result<Response, Problem> {
    let kept = queries::find(&mut *app.db.read().await?, place).await?;
    let Some(kept) = kept else {
        return Err(Problem::new(Code::InProgress).after(1));
    };
    if kept.request_hash != *hash {
        return Err(Code::IdempotencyKeyReused.into());
    }
    let Some((status, sealed)) = kept.answer else { return Err(Code::InProgress.into()) };
    let opened = app.secrets.open_sealed(&place.context(), &sealed);
    // It was sealed under a secret that is gone: it was done, and that is what can be said.
    let answer = opened.and_then(|bytes| serde_json::from_slice::<Answer>(&bytes).ok());
    let answer = answer.ok_or(Code::InProgress)?;
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = status.ok_or(Code::Internal)?;
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// Keeps a good answer and forgets every other.
async fn settle(app: &App, place: Place, response: Response) -> Result<Response, Problem> {
    let (parts, body) = response.into_parts();
    let is_good = parts.status.is_success();
    let bytes = to_bytes(body, MAX_ANSWER).await.ok();
    let text = bytes.as_ref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let kept = text.filter(|_| is_good).and_then(|text| {
        let text_of = |name: &HeaderName| parts.headers.get(name)?.to_str().ok().map(str::to_owned);
        let headers = KEPT.iter().filter_map(|name| Some((name.to_string(), text_of(name)?))).collect();
        let answer = serde_json::to_vec(&Answer { headers, body: text.to_owned() }).ok()?;
        app.secrets.seal(&place.context(), &answer)
    });
    let status = i64::from(parts.status.as_u16());
    let settled = app.db.write::<_, DbError>(move |tx| {
        Box::pin(async move {
            match (&kept, is_good) {
                (Some(kept), _) => queries::finish(tx, &place, status, kept).await,
                // Done, and not to be shown again.
                (None, true) => Ok(()),
                (None, false) => queries::forget(tx, &place).await,
            }
        })
    });
    if let Err(error) = settled.await {
        tracing::warn!(%error, "the answer to a request with an idempotency key was not kept");
    }
    Ok(Response::from_parts(parts, Body::from(bytes.ok_or(Code::Internal)?)))
}

/// Removes what has ended.
pub(crate) async fn purge(tx: &mut Tx, now_ms: i64) -> Result<u64, DbError> {
    queries::purge(tx, now_ms).await
}

#[cfg(test)]
mod tests;
