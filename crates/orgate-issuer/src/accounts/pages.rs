//! The pages `/signup`, `/verify`, `/forgot`, `/reset` and `/magic` of each project.
//!
//! Those that belong to a sign-in under way carry its handle, which works together with a cookie of the same browser; those
//! that a letter leads to carry its token. A page of another origin has neither.

use axum::{
    extract::{Path, RawQuery, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use minijinja::{Value, context};

use super::{Link, Of, Verified, Wish};
use crate::{
    app::{App, Shared},
    clients::redirect_uri::form_target,
    http::{
        Problem,
        body::Form,
        messages::{self, part, said, verbatim},
        peer::Peer,
        posted::Posted,
        problem::Code,
        redirect::see_other,
    },
    login::{
        Entry,
        authorize::{Stop, page_url, render},
        page::{go_on, load},
        second, session,
    },
    one_time::Purpose,
    password::MIN_PASSWORD,
    projects::{self, Project},
    throttle::Visitor,
};

/// Everything a page of this file begins with.
struct Visit<'a> {
    app: &'a App,
    project: Project,
    visitor: Visitor,
    headers: &'a HeaderMap,
    fields: Form,
    /// Where the browser may be sent after the form, beside here.
    target: Option<String>,
    /// The address that was typed, or that the application has named.
    email: String,
}

pub(super) async fn show(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    uri: http::Uri,
    RawQuery(query): RawQuery,
    peer: Peer,
    headers: HeaderMap,
) -> Response {
    let query = query.unwrap_or_default();
    let shown = async {
        let fields = Form::parse(query.as_bytes()).ok_or(Stop::Page("invalid_request"))?;
        let visit = Visit::begin(&app, &project_id, peer, &headers, fields).await?;
        visit.show(page_of(&uri)).await
    };
    shown.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

pub(super) async fn submit(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    uri: http::Uri,
    peer: Peer,
    headers: HeaderMap,
    Posted(fields): Posted,
) -> Response {
    let done = async {
        let visit = Visit::begin(&app, &project_id, peer, &headers, fields).await?;
        visit.submit(page_of(&uri)).await
    };
    done.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

fn page_of(uri: &http::Uri) -> &str {
    uri.path().rsplit('/').next().unwrap_or_default()
}

impl<'a> Visit<'a> {
    async fn begin(
        app: &'a App,
        project_id: &str,
        peer: Peer,
        headers: &'a HeaderMap,
        fields: Form,
    ) -> Result<Self, Stop> {
        let project = projects::find(&mut *app.db.read().await?, project_id).await?;
        let project = project.ok_or(Stop::Page("not_found"))?;
        let visitor = Visitor::of(app, project_id, peer, headers);
        let email = fields.get("email").unwrap_or_default().to_owned();
        Ok(Self { app, project, visitor, headers, fields, target: None, email })
    }

    async fn show(mut self, page: &str) -> Result<Response, Stop> {
        match (page, self.token()) {
            ("signup", _) => {
                self.email = self.under_way().await?.params.login_hint.unwrap_or_default();
                Ok(self.sign_up_form(None))
            }
            ("verify", Some(token)) => match super::look(self.app, &self.project, &token).await? {
                Link::SignUp => Ok(self.verify_link_form(None)),
                Link::Address => Ok(self.button("verify", "Confirm your address", "Confirm")),
                Link::Nothing => Err(Stop::Page("link_invalid")),
            },
            ("verify", None) => {
                self.under_way().await?;
                Ok(self.verify_form(None))
            }
            ("forgot", _) => Ok(self.address_form("forgot", None)),
            ("magic", None) => {
                self.email = self.under_way().await?.params.login_hint.unwrap_or_default();
                Ok(self.address_form("magic", None))
            }
            ("reset", Some(token))
                if super::is_live(self.app, &self.project, Purpose::Password, &token).await? =>
            {
                Ok(self.reset_form(None))
            }
            ("magic", Some(token))
                if super::is_live(self.app, &self.project, Purpose::Magic, &token).await? =>
            {
                Ok(self.button("magic", "Sign in", "Sign in"))
            }
            _ => Err(Stop::Page("link_invalid")),
        }
    }

    async fn submit(mut self, page: &str) -> Result<Response, Stop> {
        match (page, self.token()) {
            ("signup", _) => self.sign_up().await,
            ("verify", Some(token)) => self.verify_by_link(&token).await,
            ("verify", None) => self.verify_by_code().await,
            ("forgot", _) => self.mail("forgot", Purpose::Password, None).await,
            ("magic", None) => {
                self.under_way().await?;
                let handle = self.field("request").to_owned();
                self.mail("magic", Purpose::Magic, Some(&handle)).await
            }
            ("reset", Some(token)) => self.reset(&token).await,
            ("magic", Some(token)) => self.by_mail(&token).await,
            _ => Err(Stop::Page("invalid_request")),
        }
    }

    fn token(&self) -> Option<String> {
        self.fields.get("token").map(str::to_owned)
    }

    fn field(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_default()
    }

    /// The sign-in under way, which belongs to this browser.
    async fn under_way(&mut self) -> Result<crate::login::Request, Stop> {
        let handle = self.fields.get("request").ok_or(Stop::Page("request_expired"))?;
        let (_, request) = load(self.app, &self.project.id, self.headers, handle).await?;
        self.target = form_target(&request.params.redirect_uri);
        Ok(request)
    }

    async fn previous(&self) -> Result<Option<session::Session>, Stop> {
        Ok(session::of_project(self.app, self.headers, &self.project.id).await?)
    }

    async fn sign_up(mut self) -> Result<Response, Stop> {
        self.under_way().await?;
        let name = self.fields.get("name").map(str::to_owned);
        let wish = match Wish::read(self.field("email"), self.field("password").to_owned(), name) {
            Ok(wish) => wish,
            Err(problem) => return Ok(self.sign_up_form(Some(&problem))),
        };
        let handle = match super::sign_up(self.app, &self.project, &self.visitor, wish).await {
            Ok(handle) => handle,
            Err(problem) if problem.refusal().is_some() || problem.about().is_some() => {
                return Ok(self.sign_up_form(Some(&problem)));
            }
            Err(problem) => return Err(problem.into()),
        };
        let mut to = page_url(self.app, &self.project.id, "verify", self.field("request"));
        to.push_str("&sign_up=");
        to.push_str(&handle);
        Ok(see_other(&to))
    }

    async fn verify_by_code(mut self) -> Result<Response, Stop> {
        let request = self.under_way().await?;
        let of = Of::Handle(self.field("sign_up").to_owned());
        let previous = self.previous().await?;
        let code = self.field("code");
        match super::verify_code(self.app, &self.project, &self.visitor, of, code, previous).await {
            Ok(Verified::SignedUp(signed_in)) => {
                go_on(self.app, &self.project, &request, self.field("request"), &signed_in).await
            }
            Ok(Verified::Address) => Ok(self.confirmed()),
            Err(problem) if problem.code() == Code::Mistyped => Ok(self.verify_form(Some(&problem))),
            Err(problem) => Err(problem.into()),
        }
    }

    async fn verify_by_link(self, token: &str) -> Result<Response, Stop> {
        let previous = self.previous().await?;
        let proof = (token, self.field("password").to_owned());
        match super::verify_link(self.app, &self.project, &self.visitor, proof, previous).await {
            Ok(Verified::SignedUp(signed_in)) => {
                second::entered(self.app, &self.project, None, &signed_in).await
            }
            Ok(Verified::Address) => Ok(self.confirmed()),
            Err(problem) if problem.code() == Code::InvalidCredentials => {
                Ok(self.verify_link_form(Some(&problem)))
            }
            Err(problem) => Err(problem.into()),
        }
    }

    async fn mail(self, page: &str, purpose: Purpose, request: Option<&str>) -> Result<Response, Stop> {
        let address = match super::read_address(self.field("email")) {
            Ok(address) => address,
            Err(problem) => return Ok(self.address_form(page, Some(&problem))),
        };
        super::mail_secret(self.app, &self.project, &self.visitor, address, purpose, request).await?;
        Ok(self.notice(
            "mail_sent",
            "Look into your mail",
            "If the address has an account here, a mail is on its way to it. You may close this page.",
        ))
    }

    async fn reset(self, token: &str) -> Result<Response, Stop> {
        let password = self.field("password").to_owned();
        match super::reset(self.app, &self.project, &self.visitor, token, password).await {
            Ok(()) => Ok(self.notice(
                "password_changed",
                "Your password was changed",
                "You were signed out everywhere. Go back to the application and sign in with the new password.",
            )),
            Err(problem) if problem.about().is_some() => Ok(self.reset_form(Some(&problem))),
            Err(problem) => Err(problem.into()),
        }
    }

    async fn by_mail(mut self, token: &str) -> Result<Response, Stop> {
        let previous = self.previous().await?;
        // The browser that asked for the mail goes on to the application; any other one is signed in here.
        let request = match self.fields.get("request") {
            Some(_) => self.under_way().await.ok(),
            None => None,
        };
        let entry = super::sign_in_by_mail(self.app, &self.project, &self.visitor, token, previous).await?;
        let under_way = request.as_ref().map(|request| (request, self.field("request")));
        match entry {
            Entry::In(signed_in) => second::entered(self.app, &self.project, under_way, &signed_in).await,
            Entry::Second(ticket) => Ok(second::form(self.app, &self.project, under_way, &ticket, None)),
        }
    }

    fn confirmed(&self) -> Response {
        self.notice("email_verified", "Your address is confirmed", "You may close this page.")
    }

    fn notice(&self, code: &str, title: &str, advice: &str) -> Response {
        let values = context! { project => self.project.name.as_str(), code => code, title => title, advice => advice };
        self.app.pages.show(StatusCode::OK, "notice.html", values, None)
    }

    fn sign_up_form(&self, wrong: Option<&Problem>) -> Response {
        let fields = vec![
            email_field(&self.email),
            new_password_field(),
            context! { name => "name", label => "Your name, if you like", type => "text", mode => "",
            autocomplete => "name", required => false, least => 0, most => 100,
            value => self.field("name") },
        ];
        self.form(
            "signup",
            context! { title => "Create an account", intro => "", button => "Create account", fields => fields,
                       hidden => self.hidden(&["request"]),
                       links => vec![self.link("login", "You have an account? Sign in")] },
            wrong,
        )
    }

    fn verify_form(&self, wrong: Option<&Problem>) -> Response {
        let fields = vec![
            context! { name => "code", label => "Code of eight digits", type => "text", mode => "numeric",
            autocomplete => "one-time-code", required => true, least => 0, most => 20,
            value => "" },
        ];
        self.form(
            "verify",
            context! { title => "Look into your mail", button => "Confirm", fields => fields,
            intro => "A code is on its way to the address you gave.",
            hidden => self.hidden(&["request", "sign_up"]),
            links => vec![self.link("signup", "No mail? Sign up again")] },
            wrong,
        )
    }

    fn verify_link_form(&self, wrong: Option<&Problem>) -> Response {
        let fields =
            vec![context! { name => "password", label => "The password you chose", type => "password",
            mode => "", autocomplete => "current-password", required => true, least => 0,
            most => 1024, value => "" }];
        self.form(
            "verify",
            context! { title => "Confirm your address", button => "Confirm", fields => fields, intro => "",
            hidden => self.hidden(&["token"]), links => Vec::<Value>::new() },
            wrong,
        )
    }

    fn reset_form(&self, wrong: Option<&Problem>) -> Response {
        self.form(
            "reset",
            context! { title => "Choose another password", button => "Change password", intro => "",
            fields => vec![new_password_field()], hidden => self.hidden(&["token"]),
            links => Vec::<Value>::new() },
            wrong,
        )
    }

    fn address_form(&self, page: &str, wrong: Option<&Problem>) -> Response {
        let (title, intro) = match page {
            "magic" => ("Sign in by email", "We mail you a link that signs you in."),
            _ => ("Forgot your password?", "We mail you a link to choose another one."),
        };
        self.form(
            page,
            context! { title => title, button => "Send the mail", intro => intro,
            fields => vec![email_field(&self.email)], hidden => self.hidden(&["request"]),
            links => Vec::<Value>::new() },
            wrong,
        )
    }

    /// A page with nothing but a button: what a letter leads to happens only when somebody presses it.
    fn button(&self, page: &str, title: &str, button: &str) -> Response {
        self.form(
            page,
            context! { title => title, button => button, intro => "", fields => Vec::<Value>::new(),
            hidden => self.hidden(&["token", "request"]), links => Vec::<Value>::new() },
            None,
        )
    }

    fn form(&self, page: &str, values: Value, wrong: Option<&Problem>) -> Response {
        let status = wrong.map_or(StatusCode::OK, |problem| problem.code().status());
        let message = wrong.map(|problem| match problem.about() {
            Some(("password", what)) => said("The password {what}.", context! { what => part(what) }),
            Some(("email", what)) => {
                said("What you gave as address {what}.", context! { what => part(what) })
            }
            Some((_, what)) => said("The name {what}.", context! { what => part(what) }),
            None => problem.refusal().map_or_else(|| messages::refused(problem.code()), verbatim),
        });
        let values = context! {
            project => self.project.name.as_str(),
            action => format!("{}/{page}", self.app.public.issuer(&self.project.id)),
            code => wrong.map(|problem| problem.code().as_str()),
            message => message,
            ..values
        };
        self.app.pages.show(status, "form.html", values, self.target.as_deref())
    }

    fn hidden(&self, names: &[&str]) -> Vec<Value> {
        names
            .iter()
            .filter_map(|name| Some(context! { name => *name, value => self.fields.get(name)? }))
            .collect()
    }

    fn link(&self, page: &str, text: &str) -> Value {
        context! { to => page_url(self.app, &self.project.id, page, self.field("request")), text => text }
    }
}

fn email_field(value: &str) -> Value {
    context! { name => "email", label => "Email address", type => "email", mode => "email",
    autocomplete => "username", required => true, least => 0, most => 320, value => value }
}

fn new_password_field() -> Value {
    context! { name => "password", label => "A password of at least 8 characters", type => "password", mode => "",
    autocomplete => "new-password", required => true, least => MIN_PASSWORD, most => 1024, value => "" }
}
