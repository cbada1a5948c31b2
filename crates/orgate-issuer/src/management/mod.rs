//! The organizations' API, for operators and for end users.
//!
//! Two families of paths lead to one set of handlers: `/api/platform/projects/{project}/orgs…` with the operators' cookie and
//! `{prefix}/organizations…` with the end users' session. [`Call`] says who is asking and judges the request by
//! `policy.yaml`; the operations judge what is done to whom. Whoever is no member learns nothing: 404. A member who lacks the
//! right gets 403.

mod active;
mod asking;
mod call;
mod catalogue;
mod members;
mod organizations;
mod policy;
mod roles;

use axum::{
    Extension, Router,
    routing::{get, patch, post, put},
};

use self::call::Plane;
pub(crate) use self::call::{Call, Who};
use crate::app::Shared;

/// Both families.
pub(crate) fn router(prefix: &str) -> Router<Shared> {
    let operators = "/api/platform/projects/{project}";
    Router::new()
        .merge(
            organization_routes(operators, "orgs")
                .merge(catalogue_routes(operators))
                .layer(Extension(Plane::operators(operators))),
        )
        .merge(end_users(prefix))
        .merge(end_users(&format!("/p/{{project}}{prefix}")))
}

fn end_users(base: &str) -> Router<Shared> {
    let organization = format!("{base}/organizations/{{org}}");
    organization_routes(base, "organizations")
        .route(&format!("{organization}/leave"), post(members::leave))
        .route(&format!("{organization}/activate"), post(active::activate))
        .route(&format!("{organization}/switch"), post(active::switch))
        .layer(Extension(Plane::end_users(base)))
        .route(&format!("{base}/session/active-organization"), put(active::put))
}

fn organization_routes(base: &str, name: &str) -> Router<Shared> {
    let all = format!("{base}/{name}");
    let one = format!("{all}/{{org}}");
    Router::new()
        .route(&all, get(organizations::list).post(organizations::create))
        .route(
            &one,
            get(organizations::show)
                .patch(organizations::patch)
                .put(organizations::put)
                .delete(organizations::delete),
        )
        .route(&format!("{one}/transfer-ownership"), post(members::transfer))
        .route(&format!("{one}/members"), get(members::list).post(members::create))
        .route(
            &format!("{one}/members/{{member}}"),
            get(members::show).patch(members::change).put(members::change).delete(members::remove),
        )
        .route(&format!("{one}/roles"), get(roles::list).post(roles::create))
        .route(
            &format!("{one}/roles/{{role}}"),
            get(roles::show).patch(roles::patch).put(roles::put).delete(roles::delete),
        )
        .route(&format!("{one}/permissions"), get(catalogue::of_organization))
}

fn catalogue_routes(base: &str) -> Router<Shared> {
    Router::new()
        .route(&format!("{base}/permissions"), get(catalogue::list).post(catalogue::create))
        // A permission may hold `/`.
        .route(
            &format!("{base}/permissions/{{*permission}}"),
            patch(catalogue::describe).delete(catalogue::delete),
        )
}

#[cfg(test)]
mod tests;
