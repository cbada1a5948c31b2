//! What the issuer answers, as an OpenAPI document: `GET /api/platform/openapi.json` and `orgate issuer openapi`.
//!
//! A route and its description are one value, so that neither is there without the other: [`Routes`] is axum's `Router` with
//! an [`Operation`] for each handler, and no slice uses axum's own (a test of the repository looks). The answers of all
//! tests of the router are compared with the document (`testing`), so what it lacks is noticed where it happens.
//!
//! Adding a route takes one line for each of these:
//!
//! ```text
//! pub(crate) fn router() -> Routes {
//!     Routes::new().at(
//!         "/api/platform/projects/{project}/things",
//!         get(list, operators("listThings", "The things of a project").lists(THING))
//!             .post(add, operators("createThing", "A new thing").takes(NEW_THING).gives(201, THING).refuses(&[Code::Conflict])),
//!     )
//! }
//!
//! const THING: Named = Named("Thing", || object().with("id", text()).with("name", text()).with("at", time()).done());
//! const NEW_THING: Named = Named("NewThing", || body().with("name", text()).may("slug", text()).done());
//! ```
//!
//! - [`operators`], [`own`] (the session of an end user), [`anyone`] (the end users' API before a sign-in), [`oauth`], [`page`]
//!   and [`public`] begin an operation. With them come its tag, who may use it, and every refusal that all of its kind
//!   have: 401 and 403, 404 and 400 where the path has parameters, `csrf` where something is changed, 500 and 503.
//! - [`Operation::takes`] is a JSON body with its 400, 413, 415 and 422; [`Operation::lists`] a page of a list with `limit` and
//!   `cursor`; [`Operation::gives`] and [`Operation::gives_nothing`] the good answer.
//! - [`Operation::refuses`] names what else this operation refuses, by its codes. A code that is not named is a failure of
//!   the tests as soon as one of them meets it.
//! - Under `/p/{project}` the end users' API has the same operations again; their names get `OfProject` by themselves.

mod document;
mod operation;
mod refusals;
mod routes;
mod shape;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use axum::{
    Extension,
    body::Bytes,
    response::{IntoResponse as _, Response},
};
use http::header;

pub(crate) use self::{
    document::document,
    operation::{Operation, Voice, anyone, bearers, oauth, operators, own, page, programs, public},
    refusals::OAUTH_ERROR,
    routes::{Routes, call, delete, get, once, patch, post, put, voices},
    shape::{
        Members, Named, Shape, anything, body, both, either, email, flag, list, number, object, one_of, text,
        texts, time, uri,
    },
};

/// Where the document is.
const PATH: &str = "/api/platform/openapi.json";

/// The document, as it is sent. It is written when somebody asks for it first: nobody waits for it at a start.
#[derive(Clone)]
pub(crate) struct Document(Arc<LazyLock<Bytes, Box<dyn FnOnce() -> Bytes + Send>>>);

impl Document {
    pub(crate) fn of(write: impl FnOnce() -> String + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(|| write().into()))))
    }
}

pub(crate) fn router() -> Routes {
    let about = public("readOpenApi", "This document").gives(200, anything());
    Routes::new().at(PATH, get(show, about))
}

async fn show(Extension(Document(json)): Extension<Document>) -> Response {
    let json = Bytes::clone(&json);
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], json).into_response()
}
