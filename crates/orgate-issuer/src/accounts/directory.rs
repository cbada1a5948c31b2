//! `/api/platform/projects/{project}/users`: the people of a project, for its operators.
//!
//! They are found by the beginning of their address or by their id: both are a range of an index, however many people
//! there are. Suspending is in `suspension`; taking away and erasing what is known of somebody in `gdpr`.

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{
    birth::{Newcomer, bear},
    queries,
    sign_up::check_name,
    suspension,
};
use crate::{
    address::Address,
    app::Shared,
    clock::rfc3339,
    events::Actor,
    factors,
    http::{
        Problem,
        body::{Json, Query},
        paging::Page,
        peer::Peer,
        problem::Code,
    },
    ids::Kind,
    login::{account::private, session},
    openapi::{
        Members, Named, Routes, body, both, email, flag, get, list, number, object, one_of, operators, text,
        time,
    },
    operators::{Operator, Rank},
    password::{For, rules},
    projects,
    throttle::Visitor,
    users::{self, Filter, User},
};

pub(super) const STATES: [&str; 2] = ["active", "suspended"];
/// The longest part of an address that is looked for.
const MAX_SOUGHT: usize = 320;

pub(super) const USER: Named = Named("User", || {
    object()
        .with("id", text())
        .with("email", email())
        .with("email_verified", flag())
        .with("name", text().or_null())
        .with("status", one_of(STATES))
        .with("created_at", time())
        .done()
});

const PLACE: Named = Named("UserOrganization", || {
    object()
        .with("id", text())
        .with("slug", text())
        .with("name", text())
        .with("personal", flag())
        .with("status", one_of(STATES))
        .with("role", text())
        .with("member_id", text())
        .with("member_status", one_of(STATES))
        .with("joined_at", time())
        .done()
});

pub(crate) fn router() -> Routes {
    let all = "/api/platform/projects/{project}/users";
    let one = format!("{all}/{{user}}");
    let listed = operators("listUsers", "The people of a project")
        .query("q", text())
        .query("status", one_of(STATES))
        .lists(USER);
    let wish = body()
        .with("email", email())
        .may("name", text())
        .may("email_verified", flag())
        .may("password", text());
    let made = operators("createUser", "A new user of the project").takes(wish).gives(201, USER).refuses(&[
        Code::Conflict,
        Code::RateLimited,
        Code::Busy,
    ]);
    let whole = both(USER, facts());
    let placed =
        operators("listOrganizationsOfUser", "The organizations that a user belongs to").lists(PLACE);
    let ended = operators("endSessionsOfUser", "Sign a user out everywhere").gives_nothing();
    Routes::new()
        .at(all, get(find, listed).post(make, made))
        .at(&one, get(show, operators("readUser", "A user, and how they sign in").gives(200, whole)))
        .at(&format!("{one}/organizations"), get(places, placed))
        .at(&format!("{one}/sessions"), crate::openapi::delete(sign_out, ended))
}

fn facts() -> Members {
    let ways = object()
        .with("password", flag())
        .with("totp", flag())
        .with("recovery_codes", number())
        .with("passkeys", number());
    let places = object().with("data", list(PLACE)).with("next_cursor", text().or_null());
    object().with("sign_in", ways).with("sessions", number()).with("organizations", places)
}

/// A user as an operator sees them in a list.
pub(super) fn shown(user: &User) -> Value {
    json!({
        "id": user.id,
        "email": user.email,
        "email_verified": user.email_verified,
        "name": user.name,
        "status": state(user.active),
        "created_at": rfc3339(user.created_at),
    })
}

fn state(active: bool) -> &'static str {
    if active { "active" } else { "suspended" }
}

pub(super) fn is_active(word: &str) -> Result<bool, Problem> {
    match word {
        "active" => Ok(true),
        "suspended" => Ok(false),
        _ => Err(Problem::invalid("status", "is `active` or `suspended`")),
    }
}

async fn find(
    State(app): State<Shared>,
    operator: Operator,
    Path(project): Path<String>,
    Query(query): Query,
    page: Page,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    operator.require(&mut conn, &project, Rank::Viewer).await?;
    let active = query.get("status").map(is_active).transpose()?;
    let sought = query.get("q").map(str::trim).unwrap_or_default();
    if sought.len() > MAX_SOUGHT {
        return Err(Problem::invalid("q", format!("has at most {MAX_SOUGHT} bytes")));
    }
    let id = Kind::User.canonical(sought);
    if Kind::User.accepts(&id)
        && let Some(user) = users::find(&mut conn, &project, &id).await?
    {
        let rows =
            if active.is_none_or(|active| active == user.active) { vec![shown(&user)] } else { vec![] };
        return Ok(private(json!({ "data": rows, "next_cursor": null })));
    }
    // A whole address is brought into the form in which it is compared; of a part only the letters.
    let prefix = Address::parse(sought)
        .map_or_else(|| sought.to_ascii_lowercase(), |address| address.key().to_owned());
    let filter = Filter { prefix, active };
    let found = users::list(&mut conn, &project, &filter, &page).await?;
    Ok(private(page.answer(found.iter().map(|user| (filter.place(user), shown(user))).collect())))
}

async fn show(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, user)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    operator.require(&mut conn, &project, Rank::Viewer).await?;
    let id = Kind::User.canonical(&user);
    let user = users::find(&mut conn, &project, &id).await?.ok_or(Code::NotFound)?;
    let standing = factors::standing(&mut conn, &id).await?;
    let sessions = session::all_of(&mut conn, &project, &id, app.now_ms()).await?.len();
    let page = Page::of(None)?;
    let places = queries::places(&mut conn, (&project, &id), &page).await?;
    let mut whole = shown(&user);
    if let Some(object) = whole.as_object_mut() {
        let ways = json!({
            "password": user.password_phc.is_some(),
            "totp": standing.totp,
            "recovery_codes": standing.recovery_codes,
            "passkeys": standing.passkeys,
        });
        object.insert("sign_in".to_owned(), ways);
        object.insert("sessions".to_owned(), sessions.into());
        object.insert("organizations".to_owned(), page.answer(places));
    }
    Ok(private(whole))
}

async fn places(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, user)): Path<(String, String)>,
    page: Page,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    operator.require(&mut conn, &project, Rank::Viewer).await?;
    let id = Kind::User.canonical(&user);
    users::find(&mut conn, &project, &id).await?.ok_or(Code::NotFound)?;
    Ok(private(page.answer(queries::places(&mut conn, (&project, &id), &page).await?)))
}

/// Somebody who has not shown that the address is theirs, unless the operator says so. Without a password they come in by a
/// mailed link, or choose one by `password/forgot`.
async fn make(
    State(app): State<Shared>,
    operator: Operator,
    Path(project): Path<String>,
    peer: Peer,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    operator.require(&mut *app.db.read().await?, &project, Rank::Admin).await?;
    let address = super::read_address(&body.required_text("email")?)?;
    let name = check_name(body.text("name")?)?;
    let email_verified = body.flag("email_verified")?.unwrap_or_default();
    let password = body.text("password")?;
    body.finish()?;
    let mut password_phc = None;
    if let Some(password) = password {
        let own = [address.shown(), address.key(), name.as_deref().unwrap_or_default()];
        if let Some(objection) = rules::objection(&password, &own) {
            return Err(Problem::invalid("password", objection));
        }
        let visitor = Visitor::of_console(&app, peer, &headers);
        let who = For::Request { peer: visitor.peer.0, realm: &project, account: address.key() };
        password_phc = Some(app.passwords.hash(who, password).await?);
    }
    let now = app.now_ms();
    let who = Newcomer { address, email_verified, name, password_phc };
    let user = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                operator.require(tx, &project, Rank::Admin).await?;
                let project = projects::find(tx, &project).await?.ok_or(Code::NotFound)?;
                let (id, actor) = (Kind::User.new_id(now), Actor::Operator(operator.id));
                let taken =
                    || Problem::new(Code::Conflict).field("email").detail("is that of another user already");
                bear(tx, &project, (&id, who), (actor, now)).await?.ok_or_else(taken)?;
                Ok(users::find(tx, &project.id, &id).await?.ok_or(Code::Internal)?)
            })
        })
        .await?;
    Ok((StatusCode::CREATED, private(shown(&user))).into_response())
}

async fn sign_out(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, user)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    operator.require(&mut *app.db.read().await?, &project, Rank::Admin).await?;
    let (id, now) = (Kind::User.canonical(&user), app.now_ms());
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                operator.require(tx, &project, Rank::Admin).await?;
                users::find(tx, &project, &id).await?.ok_or(Code::NotFound)?;
                let actor = Actor::Operator(operator.id);
                suspension::sign_out(tx, (&project, &id), &actor, now).await?;
                Ok(StatusCode::NO_CONTENT)
            })
        })
        .await
}
