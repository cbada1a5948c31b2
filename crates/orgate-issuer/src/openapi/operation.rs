//! What one method of one path does: who may, what comes in, what goes out, and what is refused.

use std::collections::BTreeMap;

use super::{
    refusals::{add_errors, add_pages, add_problems},
    routes::Verb,
    shape::{Shape, list, number, object, text},
};
use crate::{http::problem::Code, oauth::TokenError};

pub(super) const JSON: &str = "application/json";
pub(super) const PROBLEM: &str = "application/problem+json";
pub(super) const HTML: &str = "text/html";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// For whom an operation is; it decides which refusals it has without saying so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plane {
    Operators,
    /// The end users' API, with a session.
    Own,
    /// The end users' API, without one.
    Anyone,
    OAuth,
    /// What an access token is shown to.
    Bearers,
    Page,
    Programs,
    Public,
}

impl Plane {
    /// How it refuses.
    pub(super) fn voice(self) -> Voice {
        match self {
            Self::OAuth | Self::Bearers => Voice::OAuth,
            Self::Page => Voice::Page,
            Self::Operators | Self::Own | Self::Anyone | Self::Programs | Self::Public => Voice::Problem,
        }
    }

    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Operators => "Operators",
            Self::Own | Self::Anyone => "End users",
            Self::OAuth | Self::Bearers => "OAuth",
            Self::Page => "Pages",
            Self::Programs => "Gates",
            Self::Public => "Documents",
        }
    }
}

/// How a route refuses what it cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    Problem,
    OAuth,
    Page,
}

/// How a client says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    Nothing,
    Operator,
    Session,
    /// The same, or an access token with the scope `account`.
    SessionOrToken,
    Client,
    Bearer,
    Program,
}

/// A parameter of the query.
#[derive(Clone)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) required: bool,
}

/// A body that is taken.
#[derive(Clone)]
pub(super) struct Body {
    pub(super) media: &'static [&'static str],
    pub(super) shape: Shape,
    pub(super) required: bool,
}

/// What is answered under one status.
#[derive(Clone, Default)]
pub(super) struct Answer {
    pub(super) about: Vec<&'static str>,
    pub(super) content: BTreeMap<&'static str, Shape>,
    pub(super) headers: Vec<&'static str>,
}

/// One method of one path.
#[derive(Clone)]
pub(crate) struct Operation {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) plane: Plane,
    pub(super) security: Security,
    pub(super) query: Vec<Parameter>,
    /// Whether it takes an `Idempotency-Key`.
    pub(super) is_once: bool,
    pub(super) body: Option<Body>,
    answers: BTreeMap<u16, Answer>,
    problems: Vec<Code>,
    errors: Vec<TokenError>,
    pages: Vec<&'static str>,
}

fn new(name: &'static str, summary: &'static str, plane: Plane, security: Security) -> Operation {
    Operation {
        name,
        summary,
        plane,
        security,
        query: Vec::new(),
        is_once: false,
        body: None,
        answers: BTreeMap::new(),
        problems: Vec::new(),
        errors: Vec::new(),
        pages: Vec::new(),
    }
}

/// An operation of an operator who is signed in.
pub(crate) fn operators(name: &'static str, summary: &'static str) -> Operation {
    new(name, summary, Plane::Operators, Security::Operator)
}

/// An operation of an end user with the session of their browser.
pub(crate) fn own(name: &'static str, summary: &'static str) -> Operation {
    new(name, summary, Plane::Own, Security::Session)
}

/// An operation of the end users' API that brings its own proof, or needs none.
pub(crate) fn anyone(name: &'static str, summary: &'static str) -> Operation {
    new(name, summary, Plane::Anyone, Security::Nothing)
}

/// An endpoint of OAuth, for clients that say who they are.
pub(crate) fn oauth(name: &'static str, summary: &'static str) -> Operation {
    new(name, summary, Plane::OAuth, Security::Client)
}

/// An endpoint that an access token is shown to.
pub(crate) fn bearers(name: &'static str, summary: &'static str) -> Operation {
    new(name, summary, Plane::Bearers, Security::Bearer)
}

/// A page for people.
pub(crate) fn page(name: &'static str, summary: &'static str) -> Operation {
    new(name, summary, Plane::Page, Security::Nothing)
}

/// What programs ask with a key of their project.
pub(crate) fn programs(name: &'static str, summary: &'static str) -> Operation {
    new(name, summary, Plane::Programs, Security::Program)
}

/// A document for everybody.
pub(crate) fn public(name: &'static str, summary: &'static str) -> Operation {
    new(name, summary, Plane::Public, Security::Nothing)
}

impl Operation {
    /// A parameter of the query that may be there.
    pub(crate) fn query(mut self, name: &'static str, shape: impl Into<Shape>) -> Self {
        self.query.push(Parameter { name, shape: shape.into(), required: false });
        self
    }

    /// It is done once for each `Idempotency-Key` (`idempotency`).
    pub(crate) fn once(mut self) -> Self {
        self.is_once = true;
        self.refuses(&[Code::BadRequest, Code::TooLarge, Code::InProgress, Code::IdempotencyKeyReused])
    }

    /// A body in JSON, with the refusals of one that cannot be read.
    pub(crate) fn takes(mut self, body: impl Into<Shape>) -> Self {
        self.body = Some(Body { media: &[JSON], shape: body.into(), required: true });
        self.refuses(&[
            Code::BadRequest,
            Code::TooLarge,
            Code::UnsupportedMediaType,
            Code::UnknownField,
            Code::InvalidValue,
        ])
    }

    /// A form; of a page, only if that page has sent it.
    pub(crate) fn takes_form(self, fields: impl Into<Shape>) -> Self {
        let form = self.takes_media(&[FORM], fields);
        if form.plane == Plane::Page { form.stops(&["csrf"]) } else { form }
    }

    /// A form that an application may send as well.
    pub(crate) fn takes_any_form(self, fields: impl Into<Shape>) -> Self {
        self.takes_media(&[FORM], fields)
    }

    /// A form, or JSON with the same names.
    pub(crate) fn takes_form_or_json(self, fields: impl Into<Shape>) -> Self {
        self.takes_media(&[FORM, JSON], fields)
    }

    /// The body may be left out as a whole.
    pub(crate) fn or_none(mut self) -> Self {
        if let Some(body) = &mut self.body {
            body.required = false;
        }
        self
    }

    fn takes_media(mut self, media: &'static [&'static str], fields: impl Into<Shape>) -> Self {
        self.body = Some(Body { media, shape: fields.into(), required: true });
        if self.plane == Plane::Page { self.stops(&["too_large"]) } else { self }
    }

    /// The good answer, in JSON.
    pub(crate) fn gives(self, status: u16, shape: impl Into<Shape>) -> Self {
        self.answers(status, "Done.", Some((JSON, shape.into())), &[])
    }

    /// The good answer that says nothing.
    pub(crate) fn gives_nothing(self) -> Self {
        self.answers(204, "Done.", None, &[])
    }

    /// A list, as a whole.
    pub(crate) fn gives_all(self, one: impl Into<Shape>) -> Self {
        self.gives(200, object().with("data", list(one)).with("next_cursor", text().or_null()))
    }

    /// A list, page by page.
    pub(crate) fn lists(self, one: impl Into<Shape>) -> Self {
        self.query("limit", number()).query("cursor", text()).gives_all(one).refuses(&[Code::InvalidValue])
    }

    /// A page under each of these statuses.
    pub(crate) fn shows(mut self, statuses: &[u16]) -> Self {
        for status in statuses {
            self = self.answers(*status, "A page.", Some((HTML, text())), &[]);
        }
        self
    }

    /// The browser is sent on.
    pub(crate) fn sends_on(self) -> Self {
        self.answers(303, "The browser goes on from here.", None, &["Location"])
    }

    /// Any other answer.
    pub(crate) fn answers(
        mut self,
        status: u16,
        about: &'static str,
        content: Option<(&'static str, Shape)>,
        headers: &[&'static str],
    ) -> Self {
        let answer = self.answers.entry(status).or_default();
        answer.about.push(about);
        answer.headers.extend(headers);
        answer.content.extend(content);
        self
    }

    /// What it refuses besides.
    pub(crate) fn refuses(mut self, codes: &[Code]) -> Self {
        self.problems.extend(codes);
        self
    }

    /// What it refuses in the words of OAuth besides.
    pub(crate) fn errs(mut self, errors: &[TokenError]) -> Self {
        self.errors.extend(errors);
        self
    }

    /// What it refuses with a page besides.
    pub(crate) fn stops(mut self, codes: &[&'static str]) -> Self {
        self.pages.extend(codes);
        self
    }

    /// An access token with the scope `account` is as good as the session's cookie.
    pub(crate) fn or_by_token(mut self) -> Self {
        self.security = Security::SessionOrToken;
        self.refuses(&[Code::BadRequest, Code::Forbidden])
    }

    /// Nobody has to be signed in.
    pub(crate) fn for_everybody(mut self) -> Self {
        self.security = Security::Nothing;
        self
    }

    pub(super) fn voice(&self) -> Voice {
        self.plane.voice()
    }

    /// Its name in the document: the same operation stands under the prefix and under each project.
    pub(super) fn id(&self, path: &str) -> String {
        let of_project =
            matches!(self.plane, Plane::Own | Plane::Anyone) && path.starts_with("/p/{project}/");
        format!("{}{}", self.name, if of_project { "OfProject" } else { "" })
    }

    /// Everything it answers as `verb` of `path`.
    pub(super) fn all_answers(&self, verb: Verb, path: &str) -> BTreeMap<u16, Answer> {
        let mut answers = self.answers.clone();
        let (mut problems, mut errors, mut pages) =
            (self.problems.clone(), self.errors.clone(), self.pages.clone());
        match self.plane {
            Plane::Page => {
                pages.extend(["invalid_request", "unavailable", "internal"]);
                pages.extend(path.contains("{project}").then_some("not_found"));
            }
            Plane::OAuth => {
                errors.extend([TokenError::InvalidRequest(""), TokenError::Unavailable]);
                if self.body.is_some() {
                    errors.push(TokenError::TooLarge);
                }
                errors.push(TokenError::InvalidClient { basic: false });
            }
            Plane::Bearers => {
                problems.extend([Code::NotFound, Code::Internal, Code::Unavailable]);
                errors.push(TokenError::InvalidRequest(""));
            }
            Plane::Operators | Plane::Own | Plane::Anyone | Plane::Programs | Plane::Public => {
                problems.extend([Code::Internal, Code::Unavailable]);
                if path.contains('{') {
                    problems.push(Code::BadRequest);
                }
            }
        }
        if self.security == Security::Operator {
            // A key that is good for something else is refused everywhere.
            problems.extend([Code::Unauthenticated, Code::Forbidden]);
            if !verb.is_safe() {
                problems.push(Code::Csrf);
            }
        }
        let of_project = path.contains("{project}");
        match self.plane {
            Plane::Own => {
                problems.push(Code::Unauthenticated);
                // Of a project in the path only those know something who are signed in to it.
                problems.extend((!of_project).then_some(Code::ProjectRequired));
                problems
                    .extend((path.matches('{').count() > usize::from(of_project)).then_some(Code::NotFound));
            }
            Plane::Anyone => {
                problems.push(Code::NotFound);
                problems.extend((!of_project).then_some(Code::ProjectRequired));
            }
            Plane::Programs => problems.extend([Code::Unauthenticated, Code::Forbidden, Code::NotFound]),
            Plane::Operators | Plane::Public if path.contains('{') => problems.push(Code::NotFound),
            _ => {}
        }
        if matches!(self.plane, Plane::Own | Plane::Anyone | Plane::Operators) && !verb.is_safe() {
            problems.push(Code::Csrf);
        }
        add_problems(&mut answers, &problems);
        add_errors(&mut answers, &errors);
        add_pages(&mut answers, &pages);
        answers
    }
}
