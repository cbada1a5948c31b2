//! The document made of the routes.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, Header, HttpMethod, InfoBuilder, LicenseBuilder, OpenApiBuilder,
    Paths, Required, ResponseBuilder, ServerBuilder,
    path::{OperationBuilder, ParameterBuilder, ParameterIn},
    request_body::RequestBodyBuilder,
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    tag::TagBuilder,
};

use super::{
    operation::{Answer, Body, Security},
    routes::{Described, Verb},
    shape::{Named, Shape, number, text, uri},
};
use crate::{
    config::{PublicUrl, Settings},
    http::cookies,
};

const ABOUT: &str = "What the issuer answers. Every other method of a path is refused with 405, every other path with 404. \
                     A request that changes something by a cookie must say where it comes from: `Origin`, or \
                     `Sec-Fetch-Site: same-origin`.";

const TAGS: [(&str, &str); 6] = [
    ("Operators", "The operators' plane."),
    ("End users", "The API of the people who sign in; the same under the prefix and under each project."),
    ("OAuth", "OAuth 2 and OpenID Connect, for applications."),
    ("Pages", "What browsers are sent to."),
    ("Gates", "What gates ask, so that they refuse tokens whose rights have ended."),
    ("Documents", "What anybody may read."),
];

/// What collects while the paths are written.
#[derive(Default)]
struct Written {
    named: BTreeMap<&'static str, Named>,
}

/// The document, in JSON.
pub(crate) fn document(routes: &[Described], settings: &Settings, public: &PublicUrl) -> String {
    let mut written = Written::default();
    let mut paths = Paths::new();
    for one in routes {
        let operation = written.operation(one);
        // A parameter that takes the rest of the path is a parameter all the same.
        paths.add_path_operation(one.path.replace("{*", "{"), vec![method(one.verb)], operation);
    }
    let mut components = ComponentsBuilder::new();
    for (name, shape) in written.shapes() {
        components = components.schema(name, shape);
    }
    for (name, scheme) in schemes(settings, public) {
        components = components.security_scheme(name, scheme);
    }
    let license =
        LicenseBuilder::new().name(env!("CARGO_PKG_LICENSE")).identifier(Some(env!("CARGO_PKG_LICENSE")));
    let info = InfoBuilder::new()
        .title("orgate issuer")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(license.build()));
    let tags = TAGS.map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build());
    let document = OpenApiBuilder::new()
        .info(info)
        .servers(Some([ServerBuilder::new().url(public.base()).build()]))
        .paths(paths)
        .components(Some(components.build()))
        .tags(Some(tags))
        .build();
    document.to_json().unwrap_or_default()
}

fn method(verb: Verb) -> HttpMethod {
    match verb {
        Verb::Get => HttpMethod::Get,
        Verb::Post => HttpMethod::Post,
        Verb::Put => HttpMethod::Put,
        Verb::Patch => HttpMethod::Patch,
        Verb::Delete => HttpMethod::Delete,
    }
}

impl Written {
    /// The schema of a shape; what it mentions is written down.
    fn schema(&mut self, shape: Shape) -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let (schema, mentions) = shape.into_parts();
        for named in mentions {
            if self.named.insert(named.0, named).is_none() {
                let (_, more) = (named.1)().into_parts();
                for other in more {
                    self.schema(other.into());
                }
            }
        }
        schema
    }

    fn shapes(self) -> impl Iterator<Item = (&'static str, utoipa::openapi::RefOr<utoipa::openapi::Schema>)> {
        self.named.into_values().map(|Named(name, shape)| (name, shape().into_parts().0))
    }

    fn operation(&mut self, one: &Described) -> utoipa::openapi::path::Operation {
        let Described { path, verb, operation } = one;
        let mut built = OperationBuilder::new()
            .operation_id(Some(operation.id(path)))
            .tag(operation.plane.tag())
            .summary(Some(operation.summary));
        for requirement in requirements(operation.security) {
            built = built.security(requirement);
        }
        let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        for name in names.map(|name| name.trim_start_matches('*')) {
            let parameter = ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(text().into_parts().0));
            built = built.parameter(parameter);
        }
        for parameter in &operation.query {
            let required = if parameter.required { Required::True } else { Required::False };
            let schema = self.schema(parameter.shape.clone());
            let parameter = ParameterBuilder::new()
                .name(parameter.name)
                .parameter_in(ParameterIn::Query)
                .required(required)
                .schema(Some(schema));
            built = built.parameter(parameter);
        }
        if operation.is_once {
            let parameter = ParameterBuilder::new()
                .name("Idempotency-Key")
                .parameter_in(ParameterIn::Header)
                .required(Required::False)
                .schema(Some(text().into_parts().0));
            built = built.parameter(parameter);
        }
        if let Some(Body { media, shape, required }) = &operation.body {
            let required = if *required { Required::True } else { Required::False };
            let mut body = RequestBodyBuilder::new().required(Some(required));
            for media in *media {
                let schema = self.schema(shape.clone());
                body = body.content(*media, ContentBuilder::new().schema(Some(schema)).build());
            }
            built = built.request_body(Some(body.build()));
        }
        for (status, answer) in operation.all_answers(*verb, path) {
            built = built.response(status.to_string(), self.response(answer));
        }
        built.build()
    }

    fn response(&mut self, answer: Answer) -> utoipa::openapi::Response {
        let mut about: Vec<String> = Vec::new();
        for sentence in answer.about {
            let sentence = format!("{}.", sentence.trim_end_matches('.'));
            if !about.contains(&sentence) {
                about.push(sentence);
            }
        }
        let mut built = ResponseBuilder::new().description(about.join(" "));
        for (media, shape) in answer.content {
            let schema = self.schema(shape);
            built = built.content(media, ContentBuilder::new().schema(Some(schema)).build());
        }
        for name in answer.headers.into_iter().collect::<BTreeSet<_>>() {
            let shape = match name {
                "Retry-After" => number(),
                "Location" => uri(),
                _ => text(),
            };
            built = built.header(name, Header::new(shape.into_parts().0));
        }
        built.build()
    }
}

fn requirements(security: Security) -> Vec<SecurityRequirement> {
    let by = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
    match security {
        Security::Nothing => Vec::new(),
        Security::Operator => vec![by("operator"), by("key")],
        Security::Session => vec![by("session")],
        Security::SessionOrToken => vec![by("session"), by("bearer")],
        // A client may also say its secret in the body, and a public one has none.
        Security::Client => vec![by("client"), SecurityRequirement::default()],
        Security::Bearer => vec![by("bearer")],
        Security::Program => vec![by("key")],
    }
}

fn schemes(settings: &Settings, public: &PublicUrl) -> [(&'static str, SecurityScheme); 5] {
    let cookie = |name: String, about: String| {
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(name, about)))
    };
    let http = |scheme: HttpAuthScheme, about: &str| {
        SecurityScheme::Http(HttpBuilder::new().scheme(scheme).description(Some(about)).build())
    };
    [
        ("operator", cookie(cookies::OPERATOR.to_owned(), "The session of an operator.".to_owned())),
        (
            "session",
            cookie(
                cookies::session_name(settings, public, "{project}"),
                "The session of an end user; `{project}` stands for the id of the project.".to_owned(),
            ),
        ),
        (
            "client",
            http(
                HttpAuthScheme::Basic,
                "Id and secret of a client, form-encoded (RFC 6749 §2.3.1); or in the body.",
            ),
        ),
        (
            "bearer",
            http(HttpAuthScheme::Bearer, "An access token; one that is bound to a key comes as `DPoP`."),
        ),
        ("key", http(HttpAuthScheme::Bearer, "A key of the project: `sk_…`.")),
    ]
}
