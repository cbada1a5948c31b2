//! `GET {prefix}/me/export` and `DELETE {prefix}/me`, and the same of any user for the operators of a project.

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, header};

use super::{erase, export};
use crate::{
    app::Shared,
    events::Actor,
    http::{Problem, cookies, problem::Code},
    ids::Kind,
    login::account::{Acting, asking, private},
    openapi::{Operation, Routes, anything, delete, get, operators, own},
    operators::{Operator, Rank},
};

pub(crate) fn router(prefix: &str) -> Routes {
    let one = "/api/platform/projects/{project}/users/{user}";
    let exported = operators("exportUser", "Everything there is of a user, by section");
    let erased = operators("eraseUser", "Erase a user");
    Routes::new()
        .at(
            &format!("{one}/export"),
            get(of_user, exported.gives(200, anything()).refuses(&[Code::Forbidden])),
        )
        .at(one, delete(erase_user, erasing(erased)))
        .under(prefix, |base| {
            let exported = own("exportMe", "Everything there is of oneself, by section")
                .or_by_token()
                .gives(200, anything());
            let erased =
                own("eraseMe", "Erase oneself").or_by_token().refuses(&[Code::ReauthenticationRequired]);
            Routes::new()
                .at(&format!("{base}/me/export"), get(of_oneself, exported.refuses(&[Code::NotFound])))
                .at(&format!("{base}/me"), delete(erase_oneself, erasing(erased)))
        })
}

fn erasing(operation: Operation) -> Operation {
    operation.gives_nothing().refuses(&[
        Code::OwnerOfOrganizations,
        Code::RefusedByHook,
        Code::InvalidValue,
        Code::NotFound,
        Code::Conflict,
    ])
}

async fn of_oneself(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = asking(&app, path, &headers).await?;
    Ok(private(export(&app, &session.project_id, &session.user_id).await?))
}

async fn erase_oneself(
    State(app): State<Shared>,
    Acting { session, project }: Acting,
) -> Result<Response, Problem> {
    if !session.is_fresh(app.now_ms()) {
        return Err(Code::ReauthenticationRequired.into());
    }
    erase(&app, &project.id, &session.user_id, Actor::User(session.user_id.clone())).await?;
    let name = cookies::session_name(&app.settings, &app.public, &project.id);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookies::set(&app.public, &name, "", "/", 0))])
        .into_response())
}

async fn of_user(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, user)): Path<(String, String)>,
) -> Result<Response, Problem> {
    operator.require(&mut *app.db.read().await?, &project, Rank::Admin).await?;
    Ok(private(export(&app, &project, &Kind::User.canonical(&user)).await?))
}

async fn erase_user(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, user)): Path<(String, String)>,
) -> Result<Response, Problem> {
    operator.require(&mut *app.db.read().await?, &project, Rank::Admin).await?;
    erase(&app, &project, &Kind::User.canonical(&user), Actor::Operator(operator.id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
