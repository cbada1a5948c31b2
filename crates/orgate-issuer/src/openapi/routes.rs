//! Routes together with what they are: the only way in which this crate makes any.

use std::collections::{HashMap, HashSet};

use axum::{
    Extension, Router,
    extract::Request,
    handler::Handler,
    response::Response,
    routing::{MethodFilter, MethodRouter},
};

use super::{Operation, Voice};
use crate::app::Shared;

/// The methods that a route may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    /// Whether it changes nothing.
    pub(crate) fn is_safe(self) -> bool {
        self == Self::Get
    }
}

/// A route's method, as the document has it.
pub(crate) struct Described {
    pub(crate) path: String,
    pub(crate) verb: Verb,
    pub(crate) operation: Operation,
}

/// The routes of a slice.
pub(crate) struct Routes {
    router: Router<Shared>,
    described: Vec<Described>,
}

impl Routes {
    pub(crate) fn new() -> Self {
        Self { router: Router::new(), described: Vec::new() }
    }

    /// Adds what `path` answers; parameters are `{name}`.
    pub(crate) fn at(mut self, path: &str, methods: Methods) -> Self {
        self.router = self.router.route(path, methods.router);
        self.described.extend(methods.described.into_iter().map(|(verb, operation)| Described {
            path: path.to_owned(),
            verb,
            operation,
        }));
        self
    }

    /// Adds the end users' API: the same under the prefix and under each project.
    pub(crate) fn under(self, prefix: &str, of: impl Fn(&str) -> Self) -> Self {
        self.merge(of(prefix)).merge(of(&format!("/p/{{project}}{prefix}")))
    }

    /// Puts a value beside every request to the routes so far, for their extractors.
    pub(crate) fn told<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.router = self.router.layer(Extension(value));
        self
    }

    /// Adds the routes of another part.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.described.extend(other.described);
        self
    }

    /// The router, and what it has.
    pub(crate) fn into_parts(self) -> (Router<Shared>, Vec<Described>) {
        (self.router, self.described)
    }
}

/// Asks a finished router, from inside.
pub(crate) async fn call(router: Router, request: Request) -> Response {
    axum::routing::any_service(router).call(request, ()).await
}

/// How each path speaks.
pub(crate) fn voices(routes: &[Described]) -> HashMap<String, Voice> {
    routes.iter().map(|one| (one.path.clone(), one.operation.voice())).collect()
}

/// The paths whose POST is done once for each `Idempotency-Key`.
pub(crate) fn once(routes: &[Described]) -> HashSet<String> {
    routes.iter().filter(|one| one.operation.is_once).map(|one| one.path.clone()).collect()
}

/// The methods of one path.
pub(crate) struct Methods {
    router: MethodRouter<Shared>,
    described: Vec<(Verb, Operation)>,
}

impl Methods {
    fn on<H, T>(mut self, verb: Verb, handler: H, about: Operation) -> Self
    where
        H: Handler<T, Shared>,
        T: 'static,
    {
        let filter = match verb {
            Verb::Get => MethodFilter::GET,
            Verb::Post => MethodFilter::POST,
            Verb::Put => MethodFilter::PUT,
            Verb::Patch => MethodFilter::PATCH,
            Verb::Delete => MethodFilter::DELETE,
        };
        self.router = self.router.on(filter, handler);
        self.described.push((verb, about));
        self
    }

    /// What every other method gets, instead of the refusal that all paths share.
    pub(crate) fn fallback<H, T>(mut self, handler: H) -> Self
    where
        H: Handler<T, Shared>,
        T: 'static,
    {
        self.router = self.router.fallback(handler);
        self
    }
}

macro_rules! methods {
    ($($name:ident $verb:ident)*) => {
        $(
            #[allow(dead_code, reason = "each may be the first method of a path")]
            pub(crate) fn $name<H, T>(handler: H, about: Operation) -> Methods
            where
                H: Handler<T, Shared>,
                T: 'static,
            {
                Methods { router: MethodRouter::new(), described: Vec::new() }.$name(handler, about)
            }
        )*

        impl Methods {
            $(
                #[allow(dead_code, reason = "each may be another method of a path")]
                pub(crate) fn $name<H, T>(self, handler: H, about: Operation) -> Self
                where
                    H: Handler<T, Shared>,
                    T: 'static,
                {
                    self.on(Verb::$verb, handler, about)
                }
            )*
        }
    };
}

methods! { get Get post Post put Put patch Patch delete Delete }
