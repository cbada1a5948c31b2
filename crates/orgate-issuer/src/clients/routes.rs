//! `/api/platform/projects/{project}/clients`: the applications of a project and their secrets.

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, header};
use serde_json::Value;

use super::{
    ClientKind,
    change::{self, Desk, Stored, Wish},
    queries,
};
use crate::{
    app::Shared,
    db::{BoxFuture, Tx},
    events::Actor,
    http::{
        Problem,
        body::{Json, Object},
        paging::Page,
        problem::Code,
    },
    openapi::{
        Members, Named, Routes, body, flag, get, object, one_of, operators, post, text, texts, time, uri,
    },
    operators::{Operator, Rank},
};

pub(crate) fn router() -> Routes {
    let all = "/api/platform/projects/{project}/clients";
    let one = format!("{all}/{{client}}");
    let about =
        |name: &'static str, summary: &'static str| operators(name, summary).refuses(&[Code::Forbidden]);
    let created = about("createClient", "A new client, with its secret if it can keep one")
        .takes(settings(body().with("name", text()).with("kind", one_of(KINDS))))
        .gives(201, client().may("secret", text()))
        .refuses(&[Code::Conflict]);
    let changed = about("changeClient", "Change a client; what it loses ends its tokens")
        .takes(settings(body().may("name", text())))
        .gives(200, CLIENT);
    let deleted = about("deleteClient", "Delete a client, with everything that was granted to it")
        .gives_nothing()
        .refuses(&[Code::Conflict]);
    let rotated = about("rotateClientSecret", "Another secret; the old one ends at once")
        .gives(200, client().with("secret", text()))
        .refuses(&[Code::Conflict]);
    Routes::new()
        .at(
            all,
            get(list, about("listClients", "The clients of a project").lists(CLIENT)).post(make, created),
        )
        .at(
            &one,
            get(show, about("readClient", "A client").gives(200, CLIENT))
                .patch(change, changed)
                .delete(remove, deleted),
        )
        .at(&format!("{one}/rotate-secret"), post(rotate, rotated))
}

const KINDS: [&str; 3] = ["confidential", "public", "machine"];

/// What can be set, with the names of the bootstrap file.
fn settings(members: Members) -> Members {
    members
        .may("redirect_uris", texts())
        .may("post_logout_redirect_uris", texts())
        .may("grants", texts())
        .may("scopes", texts())
        .may("audiences", texts())
        .may("require_pkce", flag())
        .may("first_party", flag())
        .may("require_org", flag())
        .may("require_par", flag())
        .may("dpop_bound", flag())
        .may("dpop_nonce", flag())
        .may("backchannel_logout_uri", uri())
        .may("org", text())
        .may("role", text())
}

fn client() -> Members {
    object()
        .with("id", text())
        .with("name", text())
        .with("kind", one_of(KINDS))
        .with("is_default", flag())
        .with("redirect_uris", texts())
        .with("post_logout_redirect_uris", texts())
        .with("grants", texts())
        .with("scopes", texts())
        .with("audiences", texts())
        .with("require_pkce", flag())
        .with("first_party", flag())
        .with("require_org", flag())
        .with("require_par", flag())
        .with("dpop_bound", flag())
        .with("dpop_nonce", flag())
        .with("backchannel_logout_uri", uri().or_null())
        .with("org", text().or_null())
        .with("role", text().or_null())
        .with("created_at", time())
        .with("updated_at", time())
}

const CLIENT: Named = Named("Client", || client().done());

/// The project and the client of a path.
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
    let rows = rows.iter().map(|stored| (stored.client.id.clone(), stored.to_json())).collect();
    Ok(axum::Json(page.answer(rows)).into_response())
}

async fn show(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, client)): Named2,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    operator.require(&mut conn, &project, Rank::Viewer).await?;
    let stored = change::find(&mut conn, &project, &client).await?.ok_or(Code::NotFound)?;
    Ok(axum::Json(stored.to_json()).into_response())
}

/// What a body wishes. `null` takes away what can be absent, and is no member elsewhere.
fn wish(body: &mut Object) -> Result<Wish, Problem> {
    let mut nullable = |name: &str| match body.nullable(name) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(Value::String(text)) => Ok(Some(Some(text))),
        Some(_) => Err(Problem::invalid(name, "must be a text or null")),
    };
    let (backchannel_logout_uri, org, role) =
        (nullable("backchannel_logout_uri")?, nullable("org")?, nullable("role")?);
    Ok(Wish {
        name: body.text("name")?,
        redirect_uris: body.texts("redirect_uris")?,
        post_logout_redirect_uris: body.texts("post_logout_redirect_uris")?,
        grants: body.texts("grants")?,
        scopes: body.texts("scopes")?,
        audiences: body.texts("audiences")?,
        require_pkce: body.flag("require_pkce")?,
        first_party: body.flag("first_party")?,
        require_org: body.flag("require_org")?,
        require_par: body.flag("require_par")?,
        dpop_bound: body.flag("dpop_bound")?,
        dpop_nonce: body.flag("dpop_nonce")?,
        backchannel_logout_uri,
        org,
        role,
    })
}

/// Does `work` in a transaction in the name of an operator who may.
async fn at_desk<T: Send + 'static>(
    app: &Shared,
    operator: Operator,
    project: String,
    work: impl for<'t> FnOnce(&'t mut Tx, Desk<'t>) -> BoxFuture<'t, Result<T, Problem>> + Clone + Send + 'static,
) -> Result<T, Problem> {
    let app = Shared::clone(app);
    let now_ms = app.now_ms();
    app.db
        .clone()
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                operator.require(tx, &project, Rank::Admin).await?;
                let actor = Actor::Operator(operator.id);
                work(tx, Desk { project_id: &project, actor, now_ms, secrets: &app.secrets }).await
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
    let kind = body.required_text("kind")?;
    let kind = ClientKind::ALL.into_iter().find(|one| one.as_str() == kind);
    let kind = kind.ok_or_else(|| Problem::invalid("kind", format!("is one of: {}", KINDS.join(", "))))?;
    let wish = wish(&mut body)?;
    if wish.name.is_none() {
        return Err(Problem::invalid("name", "is missing"));
    }
    body.finish()?;
    let made =
        at_desk(&app, operator, project, move |tx, desk| Box::pin(change::create(tx, desk, kind, wish)));
    let (stored, secret) = made.await?;
    Ok((StatusCode::CREATED, secretly(&stored, secret)).into_response())
}

/// A client with its secret, which is shown this once.
fn secretly(stored: &Stored, secret: Option<String>) -> Response {
    let mut shown = stored.to_json();
    if let (Some(object), Some(secret)) = (shown.as_object_mut(), secret) {
        object.insert("secret".to_owned(), secret.into());
    }
    ([(header::CACHE_CONTROL, "no-store")], axum::Json(shown)).into_response()
}

async fn change(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, client)): Named2,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    operator.require(&mut *app.db.read().await?, &project, Rank::Admin).await?;
    let wish = wish(&mut body)?;
    body.finish()?;
    let changed = at_desk(&app, operator, project, move |tx, desk| {
        Box::pin(async move { change::update(tx, desk, &client, wish).await })
    });
    Ok(axum::Json(changed.await?.to_json()).into_response())
}

async fn remove(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, client)): Named2,
) -> Result<Response, Problem> {
    at_desk(&app, operator, project, move |tx, desk| {
        Box::pin(async move { change::delete(tx, desk, &client).await })
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn rotate(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, client)): Named2,
) -> Result<Response, Problem> {
    let rotated = at_desk(&app, operator, project, move |tx, desk| {
        Box::pin(async move { change::rotate(tx, desk, &client).await })
    });
    let (stored, secret) = rotated.await?;
    Ok(secretly(&stored, Some(secret)))
}
