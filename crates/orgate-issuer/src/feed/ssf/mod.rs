//! The same for receivers of security events (OpenID Shared Signals Framework 1.0): `POST /p/{project}/ssf/poll` (RFC 8936).
//!
//! A key of scope `feed` is a stream; it begins with its first poll, and what it has not acknowledged comes again. Sent is what
//! the Continuous Access Evaluation Profile has words for: sessions that end and claims that change. Tokens by their id, families,
//! clients and keys are in the feed alone.

mod sets;
mod stream;

use std::{sync::atomic::Ordering, time::Duration};

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, header};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use self::stream::{MOST, Outstanding};
use super::routes::{admitted, full};
use crate::{
    app::{App, Shared},
    http::{
        Problem,
        body::{Json, Object},
        problem::Code,
    },
    openapi::{
        Named, Routes, anything, body, flag, get, list, number, object, post, programs, public, text, texts,
        uri,
    },
    operators::keys::ProjectKey,
    projects::{self, Project},
};

/// The `typ` of a security event token (RFC 8417 §2.3).
const SET_TYPE: &str = "secevent+jwt";
/// How long a poll waits for something to say.
const WAIT: Duration = Duration::from_secs(30);

pub(in crate::feed) fn router() -> Routes {
    let polled = programs("pollSecurityEvents", "Security events, by polling (RFC 8936)")
        .takes(
            body()
                .may("maxEvents", number())
                .may("returnImmediately", flag())
                .may("ack", texts())
                .may("setErrs", anything()),
        )
        .gives(200, object().with("sets", anything()).may("moreAvailable", flag()));
    let about =
        |name| public(name, "What a receiver of security events needs to know").gives(200, TRANSMITTER);
    Routes::new()
        .at("/p/{project}/ssf/poll", post(poll, polled))
        .at("/p/{project}/.well-known/ssf-configuration", get(show, about("readTransmitterOfProject")))
        .at("/.well-known/ssf-configuration/p/{project}", get(show, about("readTransmitter")))
}

/// The metadata where they are looked for if the issuer is below `path`: the well-known part comes first.
pub(crate) fn above(path: &str) -> Routes {
    let about = public(
        "readTransmitterAbove",
        "What a receiver of security events needs to know, above the issuer's path",
    );
    let path = format!("/.well-known/ssf-configuration{path}/p/{{project}}");
    Routes::new().at(&path, get(show, about.gives(200, TRANSMITTER)))
}

const TRANSMITTER: Named = Named("Transmitter", || {
    object()
        .with("spec_version", text())
        .with("issuer", uri())
        .with("jwks_uri", uri())
        .with("delivery_methods_supported", list(uri()))
        .with("poll_endpoint", uri())
        .with("authorization_schemes", list(anything()))
        .with("default_subjects", text())
        .with("events_supported", list(uri()))
        .done()
});

async fn show(State(app): State<Shared>, Path(project): Path<String>) -> Result<Response, Problem> {
    let project = projects::find(&mut *app.db.read().await?, &project).await?.ok_or(Code::NotFound)?;
    let issuer = app.public.issuer(&project.id);
    let body = json!({
        "spec_version": "1_0",
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/jwks.json"),
        "delivery_methods_supported": ["urn:ietf:rfc:8936"],
        // Streams are made with a key and not over the network, so the address of the one way is said here.
        "poll_endpoint": format!("{issuer}/ssf/poll"),
        "authorization_schemes": [{ "spec_urn": "urn:ietf:rfc:6750" }],
        "default_subjects": "ALL",
        "events_supported": sets::EVENTS,
    });
    let headers =
        [(header::CACHE_CONTROL, "public, max-age=300"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    Ok((headers, axum::Json(body)).into_response())
}

/// What a receiver asks for.
struct Asked {
    most: usize,
    at_once: bool,
    /// What has arrived, or was refused there: either way it is not sent again.
    settled: Vec<String>,
}

impl Asked {
    fn read(mut body: Object) -> Result<Self, Problem> {
        let most = match body.take("maxEvents") {
            None => MOST,
            Some(value) => {
                let wanted = value.as_u64().and_then(|most| usize::try_from(most).ok());
                wanted.ok_or_else(|| Problem::invalid("maxEvents", "is a number"))?.min(MOST)
            }
        };
        let at_once = body.flag("returnImmediately")?.unwrap_or(false);
        let mut settled = body.texts("ack")?.unwrap_or_default();
        match body.take("setErrs") {
            None => {}
            Some(Value::Object(errors)) => {
                if !errors.is_empty() {
                    tracing::warn!(count = errors.len(), "a receiver refuses security events");
                }
                settled.extend(errors.into_iter().map(|(jti, _)| jti));
            }
            Some(_) => return Err(Problem::invalid("setErrs", "is an object")),
        }
        body.finish()?;
        Ok(Self { most, at_once, settled })
    }
}

async fn poll(
    State(app): State<Shared>,
    Path(project): Path<String>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Problem> {
    let key = admitted(&app, &project, &headers).await?;
    let asked = Asked::read(body)?;
    let place = app.feed.place(&project).ok_or_else(full)?;
    let project = projects::find(&mut *app.db.read().await?, &project).await?.ok_or(Code::NotFound)?;
    let mut wakes = app.db.wakes().watch(&project.id);
    wakes.borrow_and_update();
    let mut found = advance(&app, &key, asked.settled, asked.most).await?;
    let deadline = Instant::now() + WAIT;
    let waits = !asked.at_once && asked.most > 0;
    while waits && found.sets.is_empty() && !found.more && !app.closing.load(Ordering::Acquire) {
        match tokio::time::timeout_at(deadline, wakes.changed()).await {
            Ok(Ok(())) => found = advance(&app, &key, Vec::new(), asked.most).await?,
            Ok(Err(_)) | Err(_) => break,
        }
    }
    drop(place);
    let mut answer = json!({ "sets": signed(&app, &project, &key, &found).await? });
    if found.more
        && let Some(object) = answer.as_object_mut()
    {
        object.insert("moreAvailable".to_owned(), true.into());
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], axum::Json(answer)).into_response())
}

async fn advance(
    app: &App,
    key: &ProjectKey,
    settled: Vec<String>,
    most: usize,
) -> Result<Outstanding, Problem> {
    let (key, issuer) = (key.clone(), app.public.issuer(&key.project_id));
    let found = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move { Ok(stream::advance(tx, &key, &issuer, &settled, most).await?) })
        })
        .await?;
    app.feed.looked();
    Ok(found)
}

/// Each event as a token (RFC 8417), by its id.
async fn signed(
    app: &App,
    project: &Project,
    key: &ProjectKey,
    found: &Outstanding,
) -> Result<Map<String, Value>, Problem> {
    let mut all = Map::new();
    if found.sets.is_empty() {
        return Ok(all);
    }
    let unavailable = |error: crate::keys::KeyError| {
        tracing::error!(%error, project.id = %project.id, "security events cannot be signed");
        Problem::from(Code::Unavailable)
    };
    let signer =
        app.keys.active(&project.id, project.id_algorithm, app.now_ms()).await.map_err(unavailable)?;
    let issuer = app.public.issuer(&project.id);
    for set in &found.sets {
        let claims = json!({
            "iss": issuer,
            "aud": key.id,
            "iat": set.at,
            "jti": set.jti,
            "sub_id": set.subject,
            "events": { set.event: set.about },
        });
        all.insert(set.jti.clone(), signer.sign(SET_TYPE, &claims).map_err(unavailable)?.into());
    }
    Ok(all)
}
