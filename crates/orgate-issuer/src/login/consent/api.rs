//! `GET {prefix}/consents` and `DELETE {prefix}/consents/{id}`: what one allows the applications of others, and taking it back.

use axum::{
    extract::{Path, RawPathParams, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::{
    app::Shared,
    clock::rfc3339,
    consents,
    http::{Problem, csrf, problem::Code},
    login::account::{current, find_project, private},
    openapi::{Named, Routes, delete, get, object, own, text, texts, time},
};

pub(in crate::login) fn router(base: &str) -> Routes {
    let all = own("listConsents", "What one allows the applications of others").gives_all(CONSENT);
    let one = own("withdrawConsent", "Take back what one allows an application, and end its access")
        .gives_nothing()
        .refuses(&[Code::NotFound]);
    Routes::new()
        .at(&format!("{base}/consents"), get(list, all))
        .at(&format!("{base}/consents/{{consent}}"), delete(withdraw, one))
}

const CONSENT: Named = Named("Consent", || {
    let client = object().with("id", text()).with("name", text());
    let organization = object().with("id", text()).with("name", text());
    object()
        .with("id", text())
        .with("client", client)
        .with("organization", organization.done().or_null())
        .with("scopes", texts())
        .with("created_at", time())
        .with("updated_at", time())
        .done()
});

async fn list(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let own = current(&app, path, &headers).await?;
    let all = consents::of_user(&mut *app.db.read().await?, &own.user_id).await?;
    let data: Vec<_> = all
        .iter()
        .map(|one| {
            let organization = one.organization.as_ref();
            json!({
                "id": one.id,
                "client": { "id": one.client_id, "name": one.client_name },
                "organization": organization.map(|(id, name)| json!({ "id": id, "name": name })),
                "scopes": one.scope.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>(),
                "created_at": rfc3339(one.created_at),
                "updated_at": rfc3339(one.updated_at),
            })
        })
        .collect();
    Ok(private(json!({ "data": data, "next_cursor": null })))
}

async fn withdraw(
    State(app): State<Shared>,
    parameters: RawPathParams,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let parameter =
        |name| parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned());
    let own = current(&app, parameter("project").map(Path), &headers).await?;
    let project = find_project(&app, &own.project_id).await?;
    csrf::check(&headers, &app.public, &project.trusted_origins)?;
    super::withdraw(&app, &own, parameter("consent").unwrap_or_default()).await?;
    Ok(StatusCode::NO_CONTENT)
}
