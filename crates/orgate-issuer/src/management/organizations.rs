//! `…/organizations` and `…/organizations/{org}`.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::{Call, Who};
use crate::{
    app::Shared,
    http::{
        Problem,
        body::{Json, Object, Query},
        paging::Page,
        problem::Code,
    },
    ids::Kind,
    login::account::private,
    members::{self, Caller},
    organizations::{self, Change, NewOrganization, Organization},
    users,
};

/// The version of an organization.
pub(super) fn tag(ver: u64) -> String {
    format!("\"{ver}\"")
}

/// An organization as the caller may see it.
fn shown(call: &Call, organization: &Organization, caller: Option<&Caller>) -> Value {
    let mut value = if call.is_operator() { organization.to_whole_json() } else { organization.to_json() };
    if let (Some(object), Some(own)) = (value.as_object_mut(), caller.and_then(|caller| caller.own.as_ref()))
    {
        object.insert("role".to_owned(), own.role.key.as_str().into());
        object.insert("member_id".to_owned(), own.id.as_str().into());
    }
    value
}

/// An answer with a version.
pub(super) fn versioned(status: StatusCode, ver: u64, body: Value) -> Response {
    let mut response = (status, private(body)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&tag(ver)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

pub(super) async fn list(State(app): State<Shared>, call: Call, page: Page) -> Result<Response, Problem> {
    call.permit()?;
    let mut conn = app.db.read().await?;
    let rows = match &call.who {
        Who::Operator { .. } => organizations::list(&mut conn, &call.project.id, &page)
            .await?
            .iter()
            .map(|one| (one.id.clone(), one.to_whole_json()))
            .collect(),
        Who::User(session) => {
            organizations::of_user(&mut conn, &call.project.id, &session.user_id, &page).await?
        }
    };
    Ok(private(page.answer(rows)))
}

pub(super) async fn create(
    State(app): State<Shared>,
    call: Call,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    call.permit()?;
    let (name, slug) = (body.required_text("name")?, body.text("slug")?);
    let logo_url = body.text("logo_url")?;
    let public_metadata = public_metadata(&mut body)?;
    let (creator, private_metadata, limit) = match &call.who {
        Who::Operator { .. } => {
            let creator = match (body.text("creator_end_user_id")?, body.text("created_by")?) {
                (Some(_), Some(_)) => {
                    return Err(Problem::invalid("created_by", "is another name of `creator_end_user_id`"));
                }
                (Some(one), None) | (None, Some(one)) => Kind::User.canonical(&one),
                (None, None) => return Err(Problem::invalid("creator_end_user_id", "is missing")),
            };
            (creator, body.take("private_metadata"), None)
        }
        Who::User(session) => (session.user_id.clone(), None, call.project.max_orgs_per_user),
    };
    body.finish()?;
    let new = NewOrganization {
        slug,
        logo_url,
        public_metadata,
        private_metadata,
        limit,
        ..NewOrganization::named(&call.project.id, name, &creator)
    };
    call.ask_to_create(&app, &new).await?;
    let made = app
        .db
        .write::<_, Problem>({
            let call = call.clone();
            move |tx| {
                Box::pin(async move {
                    if let Who::User(session) = &call.who {
                        let user = users::find(tx, &call.project.id, &session.user_id).await?;
                        organizations::may_create(&call.project, &user.ok_or(Code::Unauthenticated)?)?;
                    }
                    Ok(organizations::create(tx, new, call.actor(), call.now_ms).await?)
                })
            }
        })
        .await?;
    let mut value = shown(&call, &made, None);
    if let (Some(object), Who::User(_)) = (value.as_object_mut(), &call.who) {
        object.insert("role".to_owned(), "owner".into());
    }
    Ok(versioned(StatusCode::CREATED, made.ver, value))
}

/// The public metadata, under either of its names.
fn public_metadata(body: &mut Object) -> Result<Option<Value>, Problem> {
    match (body.nullable("public_metadata"), body.nullable("metadata")) {
        (Some(_), Some(_)) => Err(Problem::invalid("metadata", "is another name of `public_metadata`")),
        (one, other) => Ok(one.or(other)),
    }
}

pub(super) async fn show(State(app): State<Shared>, call: Call) -> Result<Response, Problem> {
    let (organization, caller) = call.enter(&mut *app.db.read().await?).await?;
    Ok(versioned(StatusCode::OK, organization.ver, shown(&call, &organization, Some(&caller))))
}

pub(super) async fn patch(
    State(app): State<Shared>,
    call: Call,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    let changes = body.to_value();
    let change = Change {
        name: body.text("name")?,
        slug: body.text("slug")?,
        logo_url: logo_url(&mut body)?,
        public_metadata: public_metadata(&mut body)?,
        ..operators_part(&call, &mut body)?
    };
    body.finish()?;
    update(app, call, change, changes).await
}

pub(super) async fn put(
    State(app): State<Shared>,
    call: Call,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    let changes = body.to_value();
    let change = Change {
        name: Some(body.required_text("name")?),
        slug: body.text("slug")?,
        logo_url: Some(logo_url(&mut body)?.flatten()),
        public_metadata: Some(public_metadata(&mut body)?.unwrap_or_else(|| json!({}))),
        whole: true,
        ..operators_part(&call, &mut body)?
    };
    body.finish()?;
    update(app, call, change, changes).await
}

fn logo_url(body: &mut Object) -> Result<Option<Option<String>>, Problem> {
    match body.nullable("logo_url") {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(Value::String(text)) => Ok(Some(Some(text))),
        Some(_) => Err(Problem::invalid("logo_url", "must be a text or null")),
    }
}

/// What operators alone may say. From anybody else it is a field that nobody asked for.
fn operators_part(call: &Call, body: &mut Object) -> Result<Change, Problem> {
    if !call.is_operator() {
        return Ok(Change::default());
    }
    Ok(Change {
        private_metadata: body.nullable("private_metadata"),
        status: body.text("status")?,
        max_members: body.limit("max_members")?,
        ..Change::default()
    })
}

async fn update(app: Shared, call: Call, change: Change, changes: Value) -> Result<Response, Problem> {
    call.ask_to_update(&app, changes).await?;
    let (organization, caller, call) = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (before, held, caller) = call.hold(tx).await?;
                call.require_version(&tag(held.ver))?;
                // The slug is what links and people know the organization by.
                if change.slug.is_some() && caller.own.as_ref().is_some_and(|own| !own.role.is_owner()) {
                    return Err(Problem::new(Code::Forbidden).field("slug"));
                }
                let after = organizations::update(tx, &before, change, &caller, call.now_ms).await?;
                Ok((after, caller, call))
            })
        })
        .await?;
    Ok(versioned(StatusCode::OK, organization.ver, shown(&call, &organization, Some(&caller))))
}

pub(super) async fn delete(
    State(app): State<Shared>,
    call: Call,
    Query(query): Query,
) -> Result<StatusCode, Problem> {
    let confirmed = query.get("confirm").map(str::to_owned);
    call.ask_to_delete(&app).await?;
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (organization, held, caller) = call.hold(tx).await?;
                call.require_version(&tag(held.ver))?;
                if organization.personal {
                    return Err(Code::PersonalOrganization.into());
                }
                call.require_fresh()?;
                if confirmed.is_some_and(|slug| slug != organization.slug) {
                    return Err(Problem::invalid("confirm", "is not the slug of the organization"));
                }
                organizations::delete(tx, &organization, &caller, call.now_ms).await?;
                Ok(StatusCode::NO_CONTENT)
            })
        })
        .await
}

/// Both memberships after a transfer, or one member after a change.
pub(super) fn member_json(call: &Call, caller: &Caller, member: &members::Listed) -> Value {
    let oneself = caller.own.as_ref().is_some_and(|own| own.id == member.id);
    member.to_json(oneself || sees_addresses(call, caller))
}

/// Whether the caller sees the mail addresses of others. Who only looks sees names.
pub(super) fn sees_addresses(call: &Call, caller: &Caller) -> bool {
    call.is_operator() || caller.power.rank > 0
}
