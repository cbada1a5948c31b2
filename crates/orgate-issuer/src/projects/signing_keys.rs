//! `GET …/signing-keys` and `POST …/signing-keys/rotate`: the keys that a project signs with, for its operators.
//!
//! It is what `orgate issuer keys` shows and does, of one project.

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde_json::{Value, json};

use super::routes::private;
use crate::{
    app::{App, Shared},
    clock::rfc3339,
    events::Actor,
    http::{Problem, body::Json, problem::Code},
    keys::{Algorithm, KeyError, Life, RotateError, State as Standing},
    openapi::{Named, Routes, Shape, body, flag, get, object, one_of, operators, post, text, time},
    operators::{Operator, Rank},
};

pub(super) fn router() -> Routes {
    let all = "/api/platform/projects/{project}/signing-keys";
    let listed =
        operators("listSigningKeys", "The keys that the project signs with, and what becomes of them");
    let wish = body().with("algorithm", algorithm()).may("at_once", flag());
    let rotated = operators("rotateSigningKey", "A key that signs in a day; or at once, for one that leaked")
        .takes(wish)
        .gives_all(SIGNING_KEY)
        .refuses(&[Code::Conflict]);
    Routes::new()
        .at(all, get(list, listed.gives_all(SIGNING_KEY)))
        .at(&format!("{all}/rotate"), post(rotate, rotated))
}

fn algorithm() -> Shape {
    one_of(Algorithm::ALL.map(Algorithm::as_str))
}

const SIGNING_KEY: Named = Named("SigningKey", || {
    object()
        .with("kid", text())
        .with("algorithm", algorithm())
        .with("state", one_of(Standing::ALL.map(Standing::as_str)))
        .with("since", time())
        .with("until", time().or_null())
        .with("created_at", time())
        .with("signs_from", time().or_null())
        .with("signs_until", time().or_null())
        .with("shown_until", time().or_null())
        .done()
});

async fn list(
    State(app): State<Shared>,
    operator: Operator,
    Path(project): Path<String>,
) -> Result<Response, Problem> {
    operator.require(&mut *app.db.read().await?, &project, Rank::Viewer).await?;
    shown(&app, &project).await
}

async fn rotate(
    State(app): State<Shared>,
    operator: Operator,
    Path(project): Path<String>,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    operator.require(&mut *app.db.read().await?, &project, Rank::Owner).await?;
    let name = body.required_text("algorithm")?;
    let at_once = body.flag("at_once")?.unwrap_or_default();
    body.finish()?;
    let algorithm = Algorithm::parse(&name).ok_or_else(|| {
        let names = Algorithm::ALL.map(Algorithm::as_str).join(", ");
        Problem::invalid("algorithm", format!("is none of: {names}"))
    })?;
    let by = (Actor::Operator(operator.id), app.now_ms());
    match app.keys.rotate(&project, algorithm, at_once, by).await {
        Ok(_) => shown(&app, &project).await,
        Err(RotateError::Waiting { kid, until }) => {
            let why = format!("the key `{kid}` is shown already and signs from {until} on");
            Err(Problem::new(Code::Conflict).detail(why))
        }
        Err(RotateError::Key(error)) => Err(failed(&error, &project)),
    }
}

fn failed(error: &KeyError, project: &str) -> Problem {
    tracing::error!(%error, project.id = %project, "the signing keys cannot be shown or rotated");
    Code::Unavailable.into()
}

async fn shown(app: &App, project: &str) -> Result<Response, Problem> {
    let lives = app.keys.lives(project, app.now_ms()).await.map_err(|error| failed(&error, project))?;
    let data: Vec<Value> = lives.iter().map(|life| to_json(life, &lives)).collect();
    Ok(private(json!({ "data": data, "next_cursor": null })))
}

fn to_json(life: &Life, all: &[Life]) -> Value {
    let next = all.iter().find(|one| one.state == Standing::Next && one.algorithm == life.algorithm);
    // One that signs does so until the next one does.
    let until = match life.state {
        Standing::Next => life.signs_from(),
        Standing::Active => next.and_then(Life::signs_from),
        Standing::Retiring => life.shown_until(),
        Standing::Removed => None,
    };
    json!({
        "kid": life.kid,
        "algorithm": life.algorithm.as_str(),
        "state": life.state.as_str(),
        "since": rfc3339(life.since()),
        "until": until.and_then(rfc3339),
        "created_at": rfc3339(life.created_at),
        "signs_from": life.signs_from().and_then(rfc3339),
        "signs_until": life.signs_until().and_then(rfc3339),
        "shown_until": life.shown_until().and_then(rfc3339),
    })
}
