//! `/api/platform/projects/{project}/webhooks`: endpoints, their secrets, and what was sent to them.

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Desk, MOST_REPLAYED, TEST, Wish, create, delete, find, queries, rotate, update};
use crate::{
    app::Shared,
    clock::rfc3339,
    db::Tx,
    events::{self, Actor},
    http::{
        Problem,
        body::{Json, Object, Query},
        paging::Page,
        problem::Code,
    },
    ids::Kind,
    openapi::{
        Members, Named, Operation, Routes, body, get, number, object, one_of, operators, post, text, texts,
        time,
    },
    operators::{Operator, Rank},
};

const DAY_S: i64 = 24 * 3_600;

pub(crate) fn router() -> Routes {
    let all = "/api/platform/projects/{project}/webhooks";
    let one = format!("{all}/{{webhook}}");
    let about =
        |name: &'static str, summary: &'static str| operators(name, summary).refuses(&[Code::Forbidden]);
    let wish = || body().may("description", text());
    let created = about("createWebhook", "A new endpoint, with the secret that signs what is sent to it")
        .takes(wish().with("url", text()).with("types", texts()))
        .gives(201, with_secret())
        .refuses(&[Code::Conflict]);
    let changed = about("changeWebhook", "Change an endpoint")
        .takes(wish().may("url", text()).may("types", texts()).may("status", one_of(STATES)))
        .gives(200, ENDPOINT);
    let rotated = about("rotateWebhookSecret", "Another secret; for `overlap` seconds the old one signs too")
        .takes(body().may("overlap", number()))
        .gives(200, with_secret());
    let replayed = about("replayWebhook", "Send again: one delivery, or the events of a range")
        .takes(body().may("delivery_id", text()).may("from_seq", number()).may("to_seq", number()))
        .gives(202, object().with("count", number()).with("next_seq", number().or_null()));
    let tested = about("testWebhook", "Send a test").gives(202, object().with("delivery_id", text()));
    let listed: Operation = about("listDeliveries", "What was sent to an endpoint, newest first")
        .query("status", one_of(FATES))
        .lists(DELIVERY);
    Routes::new()
        .at(
            all,
            get(list, about("listWebhooks", "The endpoints of a project").lists(ENDPOINT))
                .post(make, created),
        )
        .at(
            &one,
            get(show, about("readWebhook", "An endpoint").gives(200, ENDPOINT))
                .patch(change, changed)
                .delete(remove, about("deleteWebhook", "Delete an endpoint").gives_nothing()),
        )
        .at(&format!("{one}/rotate-secret"), post(rotate_secret, rotated))
        .at(&format!("{one}/test"), post(test, tested))
        .at(&format!("{one}/deliveries"), get(deliveries, listed))
        .at(&format!("{one}/replay"), post(replay, replayed))
}

const STATES: [&str; 2] = ["active", "disabled"];
const FATES: [&str; 3] = ["pending", "delivered", "failed"];

fn endpoint() -> Members {
    object()
        .with("id", text())
        .with("url", text())
        .with("types", texts())
        .with("description", text())
        .with("status", one_of(STATES))
        .with("failing_since", time().or_null())
        .with("previous_secret_until", time().or_null())
        .with("created_at", time())
        .with("updated_at", time())
}

const ENDPOINT: Named = Named("Webhook", || endpoint().done());

fn with_secret() -> Members {
    endpoint().with("secret", text())
}

const DELIVERY: Named = Named("WebhookDelivery", || {
    object()
        .with("id", text())
        .with("seq", number().or_null())
        .with("type", text())
        .with("status", one_of(FATES))
        .with("attempts", number())
        .with("next_at", time().or_null())
        .with("code", number().or_null())
        .with("ms", number().or_null())
        .with("error", text().or_null())
        .with("created_at", time())
        .with("updated_at", time())
        .done()
});

/// The project and the endpoint of a path.
type Named2 = Path<(String, String)>;

async fn list(
    State(app): State<Shared>,
    operator: Operator,
    Path(project): Path<String>,
    page: Page,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    operator.require(&mut conn, &project, Rank::Viewer).await?;
    let rows = queries::list(&mut conn, &project, &page.after, page.rows()).await?;
    let rows = rows.iter().map(|endpoint| (endpoint.id.clone(), endpoint.to_json())).collect();
    Ok(axum::Json(page.answer(rows)).into_response())
}

async fn show(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, webhook)): Named2,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    operator.require(&mut conn, &project, Rank::Viewer).await?;
    let endpoint = find(&mut conn, &project, &webhook).await?.ok_or(Code::NotFound)?;
    Ok(axum::Json(endpoint.to_json()).into_response())
}

fn wish(body: &mut Object) -> Result<Wish, Problem> {
    let active = match body.text("status")?.as_deref() {
        None => None,
        Some("active") => Some(true),
        Some("disabled") => Some(false),
        Some(_) => return Err(Problem::invalid("status", "is `active` or `disabled`")),
    };
    Ok(Wish {
        url: body.text("url")?,
        types: body.texts("types")?,
        description: body.text("description")?,
        active,
    })
}

/// Does `work` in a transaction in the name of an operator who may.
async fn at_desk<T: Send + 'static>(
    app: &Shared,
    operator: Operator,
    project: String,
    work: impl for<'t> FnOnce(&'t mut Tx, Desk<'t>) -> crate::db::BoxFuture<'t, Result<T, Problem>>
    + Clone
    + Send
    + 'static,
) -> Result<T, Problem> {
    let app = Shared::clone(app);
    let (reach, now_ms) = (app.reach(), app.now_ms());
    app.db
        .clone()
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                operator.require(tx, &project, Rank::Admin).await?;
                let desk = Desk {
                    project_id: &project,
                    actor: Actor::Operator(operator.id),
                    now_ms,
                    reach: &reach,
                    secrets: &app.secrets,
                };
                work(tx, desk).await
            })
        })
        .await
}

async fn make(
    State(app): State<Shared>,
    operator: Operator,
    Path(project): Path<String>,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    operator.require(&mut *app.db.read().await?, &project, Rank::Admin).await?;
    let wish = wish_of_new(&mut body)?;
    body.finish()?;
    let made = at_desk(&app, operator, project, move |tx, desk| Box::pin(create(tx, desk, wish))).await?;
    Ok((StatusCode::CREATED, axum::Json(secretly(made))).into_response())
}

fn wish_of_new(body: &mut Object) -> Result<Wish, Problem> {
    let (url, types) = (body.required_text("url")?, body.texts("types")?);
    let types = types.ok_or_else(|| Problem::invalid("types", "is missing"))?;
    Ok(Wish { url: Some(url), types: Some(types), description: body.text("description")?, active: None })
}

/// An endpoint with its secret, which is shown this once.
fn secretly((endpoint, secret): (super::Endpoint, String)) -> Value {
    let mut shown = endpoint.to_json();
    if let Some(object) = shown.as_object_mut() {
        object.insert("secret".to_owned(), secret.into());
    }
    shown
}

async fn change(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, webhook)): Named2,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    operator.require(&mut *app.db.read().await?, &project, Rank::Admin).await?;
    let wish = wish(&mut body)?;
    body.finish()?;
    let changed = at_desk(&app, operator, project, move |tx, desk| {
        Box::pin(async move { update(tx, desk, &webhook, wish).await })
    });
    Ok(axum::Json(changed.await?.to_json()).into_response())
}

async fn remove(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, webhook)): Named2,
) -> Result<Response, Problem> {
    at_desk(&app, operator, project, move |tx, desk| {
        Box::pin(async move { delete(tx, desk, &webhook).await })
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn rotate_secret(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, webhook)): Named2,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    operator.require(&mut *app.db.read().await?, &project, Rank::Admin).await?;
    let overlap = match body.take("overlap") {
        None => DAY_S,
        Some(value) => value
            .as_i64()
            .filter(|seconds| (0..=7 * DAY_S).contains(seconds))
            .ok_or_else(|| Problem::invalid("overlap", "is between 0 and 604800 seconds"))?,
    };
    body.finish()?;
    let rotated = at_desk(&app, operator, project, move |tx, desk| {
        Box::pin(async move { rotate(tx, desk, &webhook, overlap * 1000).await })
    });
    Ok(axum::Json(secretly(rotated.await?)).into_response())
}

async fn test(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, webhook)): Named2,
) -> Result<Response, Problem> {
    let id = at_desk(&app, operator, project, move |tx, desk| {
        Box::pin(async move {
            let endpoint = find(tx, desk.project_id, &webhook).await?.ok_or(Code::NotFound)?;
            let id = Kind::Delivery.new_id(desk.now_ms);
            queries::add(tx, &id, &endpoint.id, None, TEST, desk.now_ms).await?;
            Ok(id)
        })
    });
    Ok((StatusCode::ACCEPTED, axum::Json(json!({ "delivery_id": id.await? }))).into_response())
}

async fn deliveries(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, webhook)): Named2,
    page: Page,
    Query(query): Query,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    operator.require(&mut conn, &project, Rank::Viewer).await?;
    let endpoint = find(&mut conn, &project, &webhook).await?.ok_or(Code::NotFound)?;
    let status = query.get("status").unwrap_or_default();
    if !status.is_empty() && !FATES.contains(&status) {
        return Err(Problem::invalid("status", "is `pending`, `delivered` or `failed`"));
    }
    // Behind every id.
    let before = if page.after.is_empty() { "~" } else { &page.after };
    let rows = queries::deliveries(&mut conn, &endpoint.id, status, before, page.rows()).await?;
    let rows = rows.into_iter().map(|row| (row.id.clone(), shown(&row))).collect();
    Ok(axum::Json(page.answer(rows)).into_response())
}

fn shown(row: &queries::Shown) -> Value {
    let next_at = (row.status == "pending").then(|| rfc3339(row.next_at));
    json!({
        "id": row.id,
        "seq": row.seq,
        "type": row.kind,
        "status": row.status,
        "attempts": row.attempts,
        "next_at": next_at,
        "code": row.code,
        "ms": row.ms,
        "error": row.error,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    })
}

/// `{"delivery_id": …}`, or `{"from_seq": …, "to_seq": …}`.
async fn replay(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, webhook)): Named2,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    operator.require(&mut *app.db.read().await?, &project, Rank::Admin).await?;
    let number = |value: Option<Value>, name: &str| match value {
        None => Ok(None),
        Some(value) => value
            .as_i64()
            .filter(|number| *number > 0)
            .map(Some)
            .ok_or_else(|| Problem::invalid(name, "is the number of an event")),
    };
    let (delivery, from, to) = (
        body.text("delivery_id")?,
        number(body.take("from_seq"), "from_seq")?,
        number(body.take("to_seq"), "to_seq")?,
    );
    body.finish()?;
    let again = match (delivery, from) {
        (Some(id), None) if to.is_none() => Again::One(id),
        (None, Some(from)) => Again::Range(from, to.unwrap_or(i64::MAX)),
        _ => return Err(Problem::invalid("delivery_id", "stands alone, or `from_seq` does, with `to_seq`")),
    };
    let (count, next) = at_desk(&app, operator, project, move |tx, desk| {
        Box::pin(async move { repeat(tx, desk, &webhook, again).await })
    })
    .await?;
    Ok((StatusCode::ACCEPTED, axum::Json(json!({ "count": count, "next_seq": next }))).into_response())
}

/// What is to be sent again.
#[derive(Clone, Debug)]
enum Again {
    One(String),
    Range(i64, i64),
}

/// Makes deliveries anew; gives how many, and where to go on if that was not all.
async fn repeat(
    tx: &mut Tx,
    desk: Desk<'_>,
    webhook: &str,
    again: Again,
) -> Result<(i64, Option<i64>), Problem> {
    let endpoint = find(tx, desk.project_id, webhook).await?.ok_or(Code::NotFound)?;
    let mut wanted: Vec<(Option<i64>, String)> = Vec::new();
    let mut next = None;
    match again {
        Again::One(id) => {
            let found = queries::delivery(tx, &endpoint.id, &Kind::Delivery.canonical(&id)).await?;
            let found =
                found.ok_or_else(|| Problem::invalid("delivery_id", "is no delivery of this endpoint"))?;
            wanted.push((found.seq, found.kind));
        }
        Again::Range(from, to) => {
            let found = events::log::behind(tx, desk.project_id, from - 1, MOST_REPLAYED).await?;
            let is_full = i64::try_from(found.len()).unwrap_or(i64::MAX) >= MOST_REPLAYED;
            next = found.last().map(|(last, _)| last + 1).filter(|next| is_full && *next <= to);
            let chosen = found.into_iter().filter(|(seq, kind)| *seq <= to && endpoint.wants(kind));
            wanted.extend(chosen.map(|(seq, kind)| (Some(seq), kind)));
        }
    }
    for (seq, kind) in &wanted {
        queries::add(tx, &Kind::Delivery.new_id(desk.now_ms), &endpoint.id, *seq, kind, desk.now_ms).await?;
    }
    Ok((i64::try_from(wanted.len()).unwrap_or(i64::MAX), next))
}
