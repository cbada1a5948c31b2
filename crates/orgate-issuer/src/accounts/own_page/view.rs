//! How the page about one's own security looks.

use axum::response::Response;
use http::StatusCode;
use minijinja::{Value, context};

use super::{Visit, word};
use crate::{
    accounts::own::Offer,
    clock::rfc3339,
    consents::{self, Consent},
    factors,
    http::{
        Problem,
        messages::{self, part, said, verbatim},
        problem::Code,
    },
    login::{
        authorize::Stop,
        consent::words,
        own_pages::{account_url, organizations_url},
        session::{self, Session},
    },
    passkeys::{self, Passkey},
    password::MIN_PASSWORD,
};

/// What the page says first, and which part of it is open.
#[derive(Default)]
pub(super) struct Page {
    status: StatusCode,
    code: Option<&'static str>,
    message: Option<Value>,
    wrong: bool,
    open: String,
}

impl Page {
    pub(super) fn done(code: &'static str, words: &str) -> Self {
        Self { code: Some(code), message: Some(part(words)), ..Self::default() }
    }

    pub(super) fn failed(change: &str, problem: &Problem) -> Self {
        Self {
            status: problem.code().status(),
            code: Some(problem.code().as_str()),
            message: Some(message(change, problem)),
            wrong: true,
            open: change.to_owned(),
        }
    }
}

/// What a person is told of a change that was not made.
fn message(change: &str, problem: &Problem) -> Value {
    match (change, problem.about()) {
        ("password", Some(("current_password", _))) => part("The password that you have now is another one."),
        (_, Some(("password", what))) => said("The new password {what}.", context! { what => part(what) }),
        ("save_passkey", _) => part("No new passkey came of that. Try again, or use another device."),
        ("add_totp", _) => part("You have an authenticator app already. Remove it first."),
        _ => match problem.code() {
            Code::Mistyped => {
                part("That is not the code that the app shows now. Codes change every 30 seconds.")
            }
            Code::NotFound => part("It is gone already."),
            code => messages::refused(code),
        },
    }
}

impl Visit<'_> {
    /// The page as a whole.
    pub(super) async fn whole(&self, page: Page) -> Result<Response, Stop> {
        let now = self.app.now_ms();
        let mut conn = self.app.db.read().await?;
        let standing = factors::standing(&mut conn, &self.user.id).await?;
        let keys = passkeys::of_user(&mut conn, &self.user.id).await?;
        let allowed = consents::of_user(&mut conn, &self.user.id).await?;
        let mut sessions = session::all_of(&mut conn, &self.project.id, &self.user.id, now).await?;
        drop(conn);
        sessions.sort_by_key(|one| (one.id != self.session.id, std::cmp::Reverse(one.last_seen_at)));
        let values = context! {
            code => page.code,
            message => page.message,
            wrong => page.wrong,
            open => page.open,
            fresh => self.session.is_fresh(now),
            has_password => self.user.password_phc.is_some(),
            least => MIN_PASSWORD,
            totp => standing.totp,
            recovery_codes => standing.recovery_codes,
            passkeys => keys.iter().map(passkey).collect::<Vec<_>>(),
            sessions => sessions.iter().map(|one| self.session(one)).collect::<Vec<_>>(),
            applications => allowed.iter().map(application).collect::<Vec<_>>(),
            organizations => self.project.org_enabled.then(|| organizations_url(self.app, &self.project.id)),
            logout => format!("{}/logout", self.app.public.issuer(&self.project.id)),
        };
        Ok(self.show(page.status, "account.html", values))
    }

    fn session(&self, one: &Session) -> Value {
        context! {
            id => one.id.as_str(),
            current => one.id == self.session.id,
            browser => browser(one.user_agent.as_deref().unwrap_or_default()),
            seen => day(one.last_seen_at),
            begun => day(one.created_at),
        }
    }

    /// The page with an authenticator application's secret.
    pub(super) fn offer(&self, offer: &Offer, wrong: Option<&Problem>) -> Response {
        let groups: Vec<String> = offer
            .secret
            .as_bytes()
            .chunks(4)
            .map(|group| String::from_utf8_lossy(group).into_owned())
            .collect();
        let values = context! {
            qr => offer.qr.clone().map(Value::from_safe_string),
            secret => groups.join(" "),
            uri => offer.uri.as_str(),
            code => wrong.map(|problem| problem.code().as_str()),
            message => wrong.map(|problem| message("confirm_totp", problem)),
        };
        self.show(status(wrong), "account_totp.html", values)
    }

    /// The page with recovery codes, which are shown this once.
    pub(super) fn codes(&self, codes: &[String], first: bool) -> Response {
        let values = context! {
            code => if first { "totp_added" } else { "recovery_codes" },
            first => first,
            codes => codes.to_vec(),
        };
        self.show(StatusCode::OK, "account_codes.html", values)
    }

    /// The page that has a passkey made.
    pub(super) fn new_passkey(&self, options: &serde_json::Value, wrong: Option<&Problem>) -> Response {
        let values = context! {
            options => options.to_string(),
            code => wrong.map(|problem| problem.code().as_str()),
            message => wrong.map(|problem| message("save_passkey", problem)),
        };
        self.show(status(wrong), "account_passkey.html", values)
    }

    fn show(&self, status: StatusCode, template: &'static str, values: Value) -> Response {
        let values = context! {
            project => self.project.name.as_str(),
            email => self.user.email.as_str(),
            action => account_url(self.app, &self.project.id),
            word => word(&self.session),
            ..values
        };
        self.app.pages.show(status, template, values, None)
    }
}

fn status(wrong: Option<&Problem>) -> StatusCode {
    wrong.map_or(StatusCode::OK, |problem| problem.code().status())
}

fn passkey(one: &Passkey) -> Value {
    context! {
        id => one.id.as_str(),
        name => one.name.as_str(),
        made => day(one.created_at),
        used => one.last_used_at.map(day),
    }
}

fn application(one: &Consent) -> Value {
    context! {
        id => one.id.as_str(),
        name => one.client_name.as_str(),
        organization => one.organization.as_ref().map(|(_, name)| name.as_str()),
        scopes => words::of(&one.scope, None),
        since => day(one.created_at),
    }
}

/// The day of a moment, in universal time.
fn day(at_ms: i64) -> String {
    rfc3339(at_ms).unwrap_or_default().chars().take(10).collect()
}

/// What a browser calls itself, in the words of people. It is for recognizing one's own devices, and for nothing else.
fn browser(agent: &str) -> Value {
    let first = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    let program = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (program, system) {
        (Some(program), Some(system)) => said("{program} on {system}", context! { program, system }),
        (Some(one), None) | (None, Some(one)) => verbatim(one),
        (None, None) => {
            let name: String = agent.split(['/', ' ']).next().unwrap_or_default().chars().take(40).collect();
            if name.is_empty() { part("A program that does not say its name") } else { verbatim(&name) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_called_as_people_call_them() {
        let on = |program: &str, system: &str| said("{program} on {system}", context! { program, system });
        for (agent, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                on("Firefox", "Linux"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 \
                 Safari/537.36 Edg/140.0.0.0",
                on("Edge", "Windows"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.0 Mobile/15E148 Safari/604.1",
                on("Safari", "iPhone"),
            ),
            ("curl/8.5.0", verbatim("curl")),
            ("<script>", verbatim("<script>")),
            ("", part("A program that does not say its name")),
        ] {
            assert_eq!(browser(agent), name);
        }
    }
}
