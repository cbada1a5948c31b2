//! Pages for people: templates, one stylesheet, and the headers that keep a page alone.
//!
//! Everything in a page is escaped, an unknown name is an error and not an empty text, nothing is loaded from another host
//! and no script runs: the content security policy allows one stylesheet (by its hash), the project's logo and the forms'
//! targets. The pages that ask for a passkey, or have one made,
//! and the console's charts have one script, which their policy allows by its hash.
//!
//! A handler says which page and with what; [`Pages::fill`] fills it in behind all handlers, where the language of the
//! person and the look of the project are known.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    extract::rejection::BytesRejection,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, StatusCode, header};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};

pub(crate) use super::mistake::PageError;
use super::{
    body::unreadable,
    brand::Brand,
    language::Language,
    messages::{Messages, verbatim},
    problem::Code,
};

const STYLE: &str = include_str!("../../templates/style.css");
/// What the pages about organizations have besides.
const WORKSPACE_STYLE: &str = include_str!("../../templates/workspace.css");
/// What their templates begin with.
const WORKSPACE: &str = "org_";
/// What the console's pages have besides, and what their templates begin with.
const CONSOLE_STYLE: &str =
    concat!(include_str!("../../templates/workspace.css"), include_str!("../../templates/console.css"));
const CONSOLE: &str = "console_";
/// What the pages have besides that say what an application may.
const CONSENT_STYLE: &str = include_str!("../../templates/consent.css");
const CONSENTS: [&str; 2] = ["consent.html", "device_confirm.html"];
/// The pages that have a script, each one.
const SCRIPTS: [(&str, &str); 3] =
    [("passkey.html", PASSKEY), ("account_passkey.html", PASSKEY), ("console_overview.html", LIVE)];
const PASSKEY: &str = include_str!("../../templates/passkey.js");
/// Asks this host what the charts show now.
const LIVE: &str = include_str!("../../templates/console_live.js");
const TEMPLATES: [(&str, &str); 60] = [
    ("layout.html", include_str!("../../templates/layout.html")),
    ("login.html", include_str!("../../templates/login.html")),
    ("form.html", include_str!("../../templates/form.html")),
    ("notice.html", include_str!("../../templates/notice.html")),
    ("passkey.html", include_str!("../../templates/passkey.html")),
    ("invitation.html", include_str!("../../templates/invitation.html")),
    ("picker.html", include_str!("../../templates/picker.html")),
    ("consent.html", include_str!("../../templates/consent.html")),
    ("scopes.html", include_str!("../../templates/scopes.html")),
    ("account.html", include_str!("../../templates/account.html")),
    ("account_totp.html", include_str!("../../templates/account_totp.html")),
    ("account_codes.html", include_str!("../../templates/account_codes.html")),
    ("account_passkey.html", include_str!("../../templates/account_passkey.html")),
    ("org_layout.html", include_str!("../../templates/org_layout.html")),
    ("org_macros.html", include_str!("../../templates/org_macros.html")),
    ("org_list.html", include_str!("../../templates/org_list.html")),
    ("org_members.html", include_str!("../../templates/org_members.html")),
    ("org_member.html", include_str!("../../templates/org_member.html")),
    ("org_invitations.html", include_str!("../../templates/org_invitations.html")),
    ("org_teams.html", include_str!("../../templates/org_teams.html")),
    ("org_team.html", include_str!("../../templates/org_team.html")),
    ("org_roles.html", include_str!("../../templates/org_roles.html")),
    ("org_role.html", include_str!("../../templates/org_role.html")),
    ("org_keys.html", include_str!("../../templates/org_keys.html")),
    ("org_key_shown.html", include_str!("../../templates/org_key_shown.html")),
    ("org_audit.html", include_str!("../../templates/org_audit.html")),
    ("org_settings.html", include_str!("../../templates/org_settings.html")),
    ("console_layout.html", include_str!("../../templates/console_layout.html")),
    ("console_macros.html", include_str!("../../templates/console_macros.html")),
    ("console_sign_in.html", include_str!("../../templates/console_sign_in.html")),
    ("console_projects.html", include_str!("../../templates/console_projects.html")),
    ("console_project_made.html", include_str!("../../templates/console_project_made.html")),
    ("console_overview.html", include_str!("../../templates/console_overview.html")),
    ("console_users.html", include_str!("../../templates/console_users.html")),
    ("console_user.html", include_str!("../../templates/console_user.html")),
    ("console_signing_keys.html", include_str!("../../templates/console_signing_keys.html")),
    ("console_audit.html", include_str!("../../templates/console_audit.html")),
    ("console_organizations.html", include_str!("../../templates/console_organizations.html")),
    ("console_organization.html", include_str!("../../templates/console_organization.html")),
    ("console_roles.html", include_str!("../../templates/console_roles.html")),
    ("console_permissions.html", include_str!("../../templates/console_permissions.html")),
    ("console_client_macros.html", include_str!("../../templates/console_client_macros.html")),
    ("console_clients.html", include_str!("../../templates/console_clients.html")),
    ("console_client.html", include_str!("../../templates/console_client.html")),
    ("console_client_made.html", include_str!("../../templates/console_client_made.html")),
    ("console_program_keys.html", include_str!("../../templates/console_program_keys.html")),
    ("console_program_key_made.html", include_str!("../../templates/console_program_key_made.html")),
    ("console_webhooks.html", include_str!("../../templates/console_webhooks.html")),
    ("console_webhook.html", include_str!("../../templates/console_webhook.html")),
    ("console_webhook_secret.html", include_str!("../../templates/console_webhook_secret.html")),
    ("console_settings.html", include_str!("../../templates/console_settings.html")),
    ("found.html", include_str!("../../templates/found.html")),
    ("device.html", include_str!("../../templates/device.html")),
    ("device_confirm.html", include_str!("../../templates/device_confirm.html")),
    ("device_done.html", include_str!("../../templates/device_done.html")),
    ("letter.html", include_str!("../../templates/letter.html")),
    ("logout.html", include_str!("../../templates/logout.html")),
    ("error.html", include_str!("../../templates/error.html")),
    ("setup.html", include_str!("../../templates/setup.html")),
    ("setup_done.html", include_str!("../../templates/setup_done.html")),
];

/// The templates, ready to be filled in.
pub(crate) struct Pages {
    /// One for each of [`Language::ALL`], in their order.
    environments: Vec<Environment<'static>>,
    /// In the same order.
    messages: Vec<Messages>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pages")
    }
}

/// A page that is still to be filled in.
#[derive(Clone)]
struct Blank {
    template: &'static str,
    values: Value,
    form_target: Option<String>,
}

/// For whom a page is.
#[derive(Clone, Debug)]
pub(crate) struct Viewer {
    pub(crate) language: Language,
    pub(crate) brand: Brand,
    /// The query of the page, where asking for it again in another language gives the same page.
    pub(crate) query: Option<String>,
}

impl Viewer {
    /// The other languages that the page can be seen in.
    fn languages(&self) -> Vec<Value> {
        let Some(query) = &self.query else { return Vec::new() };
        let rest: Vec<&str> =
            query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("ui_locales=")).collect();
        let link = |one: Language| {
            let own = format!("ui_locales={}", one.tag());
            format!("?{}", rest.iter().copied().chain([own.as_str()]).collect::<Vec<_>>().join("&"))
        };
        let entry = |one: Language| {
            context! {
                lang => one.tag(),
                dir => one.direction(),
                name => one.name(),
                to => (one != self.language).then(|| link(one)),
            }
        };
        Language::ALL.into_iter().map(entry).collect()
    }
}

impl Pages {
    pub(crate) fn new() -> Result<Self, minijinja::Error> {
        let (mut environments, mut messages) = (Vec::new(), Vec::new());
        for language in Language::ALL {
            let mut environment = Environment::new();
            environment.set_undefined_behavior(UndefinedBehavior::Strict);
            environment.set_auto_escape_callback(|_| AutoEscape::Html);
            let spoken = Messages::of(language)?;
            messages.push(spoken.clone());
            spoken.add_to(&mut environment);
            for (name, source) in TEMPLATES {
                environment.add_template(name, source)?;
            }
            environments.push(environment);
        }
        Ok(Self { environments, messages })
    }

    /// The page `template` with these values. `form_target` is where, beside this host, the browser may be sent after a form:
    /// browsers apply the policy to the redirect too.
    pub(crate) fn show(
        &self,
        status: StatusCode,
        template: &'static str,
        values: Value,
        form_target: Option<&str>,
    ) -> Response {
        let mut response = status.into_response();
        let form_target = form_target.map(str::to_owned);
        response.extensions_mut().insert(Blank { template, values, form_target });
        response
    }

    /// Whether it is a page, and still to be filled in.
    pub(crate) fn is_blank(response: &Response) -> bool {
        response.extensions().get::<Blank>().is_some()
    }

    /// Fills in what [`show`](Self::show) has begun; any other answer stays as it is.
    pub(crate) fn fill(&self, mut response: Response, viewer: &Viewer) -> Response {
        let Some(blank) = response.extensions_mut().remove::<Blank>() else { return response };
        let is_console = blank.template.starts_with(CONSOLE);
        // Operators read English.
        let in_english = Viewer { language: Language::English, query: None, ..viewer.clone() };
        let viewer = if is_console { &in_english } else { viewer };
        let besides = match blank.template {
            template if template.starts_with(WORKSPACE) => WORKSPACE_STYLE,
            template if CONSENTS.contains(&template) => CONSENT_STYLE,
            _ if is_console => CONSOLE_STYLE,
            _ => "",
        };
        let style = format!("{STYLE}{besides}{}", viewer.brand.style());
        let html = match self.render(&blank, viewer, &style) {
            Ok(html) => html,
            Err(error) => {
                tracing::error!(%error, "page `{}` could not be filled in", blank.template);
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
        };
        let policy = policy(&blank, viewer, &style);
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_LANGUAGE, viewer.language.tag()),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        *response.body_mut() = html.into();
        response
    }

    /// What a letter says, without markup.
    pub(crate) fn say(&self, language: Language, said: &Value) -> Result<String, minijinja::Error> {
        self.messages.get(language.place()).ok_or_else(no_such_language)?.say(said)
    }

    /// A letter as mail programs show it.
    pub(crate) fn letter(&self, language: Language, values: Value) -> Result<String, minijinja::Error> {
        let environment = self.environments.get(language.place()).ok_or_else(no_such_language)?;
        let frame = context! { lang => language.tag(), dir => language.direction() };
        environment.get_template("letter.html")?.render(context! { ..frame, ..values })
    }

    fn render(&self, blank: &Blank, viewer: &Viewer, style: &str) -> Result<String, minijinja::Error> {
        let environment = self.environments.get(viewer.language.place()).ok_or_else(no_such_language)?;
        let frame = context! {
            lang => viewer.language.tag(),
            dir => viewer.language.direction(),
            name => viewer.brand.name.as_str(),
            sign => viewer.brand.sign(),
            logo => viewer.brand.logo.as_deref(),
            style => Value::from_safe_string(style.to_owned()),
            languages => viewer.languages(),
        };
        let script = Value::from_safe_string(script_of(blank.template).unwrap_or_default().to_owned());
        let template = environment.get_template(blank.template)?;
        template.render(context! { frame => frame, script => script, ..blank.values.clone() })
    }

    /// The page for a form that did not come.
    pub(crate) fn unreadable(&self, rejection: BytesRejection) -> Response {
        self.error(&PageError::new(match unreadable(rejection).code() {
            Code::TooLarge => "too_large",
            _ => "invalid_request",
        }))
    }

    /// The page for what an application's hook did not let happen, and why.
    pub(crate) fn refused(&self, why: &str) -> Response {
        let code = Code::RefusedByHook;
        let values =
            context! { code => code.as_str(), title => "This is not possible", advice => verbatim(why) };
        self.show(code.status(), "error.html", values, None)
    }

    /// The page for something that went wrong: what, and what to do.
    pub(crate) fn error(&self, error: &PageError) -> Response {
        let (status, title, advice) = error.row();
        let values = context! { code => error.code, title => title, advice => advice };
        let mut response = self.show(status, "error.html", values, None);
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(error.retry_after));
        }
        response
    }
}

fn no_such_language() -> minijinja::Error {
    minijinja::Error::new(minijinja::ErrorKind::TemplateNotFound, "no such language")
}

fn script_of(template: &str) -> Option<&'static str> {
    SCRIPTS.iter().find(|(known, _)| *known == template).map(|(_, script)| *script)
}

/// What a browser may do with the page. Nothing of a page is made by a script, so that no text can become one (Trusted Types).
fn policy(blank: &Blank, viewer: &Viewer, style: &str) -> String {
    let source = |text: &str| format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())));
    let script = script_of(blank.template).map(|script| {
        let asks = if script == LIVE { "connect-src 'self'; " } else { "" };
        format!("script-src {}; {asks}", source(script))
    });
    let image = viewer.brand.logo.as_ref().map(|_| "img-src 'self'; ");
    let target = blank.form_target.as_ref().map(|target| format!(" {target}"));
    format!(
        "default-src 'none'; style-src {}; {}{}form-action 'self'{}; frame-ancestors 'none'; base-uri 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        source(style),
        script.unwrap_or_default(),
        image.unwrap_or_default(),
        target.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::brand::Colour;

    fn shown(code: &'static str, language: Language) -> Response {
        let pages = Pages::new().unwrap();
        let brand = Brand { colour: Colour::parse("#ffcc00"), ..Brand::default() };
        let viewer = Viewer { language, brand, query: Some("a=1&ui_locales=ar".to_owned()) };
        pages.fill(pages.error(&PageError::new(code)), &viewer)
    }

    #[test]
    fn every_mistake_is_told_in_every_language() {
        let source = include_str!("mistake.rs");
        let codes = source.split("            \"").skip(1).filter_map(|rest| rest.split_once("\" =>"));
        let codes: Vec<&'static str> = codes.map(|(code, _)| code).collect();
        assert!(codes.len() > 20 && codes.contains(&"csrf"), "{codes:?}");
        for code in codes.into_iter().chain(["internal"]) {
            for language in Language::ALL {
                let status = PageError::new(code).shown().0;
                assert_eq!(shown(code, language).status(), status, "{code} {language:?}");
            }
        }
    }

    #[test]
    fn every_message_of_the_templates_exists_and_is_said_there_or_in_the_code() {
        let known: std::collections::HashMap<String, String> =
            serde_json::from_str(include_str!("../../messages/ar.json")).unwrap();
        for (name, source) in TEMPLATES {
            for close in ['"', '\''] {
                for said in source.split(&format!("t({close}")).skip(1) {
                    let key = said.replace("\\\"", "\u{1}");
                    let key = key.split(close).next().unwrap().replace('\u{1}', "\"");
                    assert!(known.contains_key(&key), "`{key}` of {name} is no message");
                }
            }
        }
    }

    /// `source` without what stands between `open` and `close`.
    fn without(source: &str, open: &str, close: &str) -> String {
        let mut parts = source.split(open);
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |rest, part| rest + part.split_once(close).unwrap().1)
    }

    #[test]
    fn no_template_says_anything_but_messages() {
        for (name, source) in TEMPLATES.iter().filter(|(name, _)| !name.starts_with(CONSOLE)) {
            // What a macro is given to say: its own names and attributes are small letters.
            for expression in source.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap()) {
                for (at, quote) in expression.match_indices('"') {
                    let (before, rest) = expression.split_at(at);
                    let rest = rest.trim_start_matches(quote);
                    let is_said = before.ends_with("t(") || rest.starts_with("Type ");
                    let begins_a_sentence = rest.starts_with(|c: char| c.is_ascii_uppercase());
                    assert!(
                        is_said || !begins_a_sentence,
                        "`{rest}` of {name} is not said in any other language"
                    );
                }
            }
            let values = without(&without(source, "{{", "}}"), "{%", "%}");
            let values = without(&values, "<style", "</style>");
            for attribute in ["aria-label", "data-name", "placeholder", "alt", "title", "summary"] {
                for said in values.split(&format!(" {attribute}=\"")).skip(1) {
                    let said = said.split('"').next().unwrap();
                    let is_sample = matches!(said, "https://" | "usr_…" | "http://127.0.0.1:3000/callback");
                    assert!(
                        said.is_empty() || is_sample,
                        "`{said}` of {name} is not said in any other language"
                    );
                }
            }
            let text = without(&without(&values, "<code", "</code>"), "<", ">").replace(" UTC", "");
            let words: Vec<&str> =
                text.split_whitespace().filter(|word| word.contains(char::is_alphabetic)).collect();
            assert!(words.is_empty(), "{words:?} of {name} is not said in any other language");
        }
    }

    #[tokio::test]
    async fn the_policy_allows_exactly_the_stylesheet_of_the_page() {
        use http_body_util::BodyExt as _;
        let response = shown("csrf", Language::English);
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let html = String::from_utf8(body.to_vec()).unwrap();
        let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let hash = STANDARD.encode(digest(&SHA256, style.as_bytes()));
        assert!(policy.contains(&format!("'sha256-{hash}'")), "{policy}");
        assert_eq!(html.matches("<style").count(), 1);
        assert!(!html.contains(" style=") && !html.contains("http://") && !html.contains("https://"));
    }

    #[test]
    fn a_page_allows_nothing_but_its_style_and_its_form() {
        let response = shown("csrf", Language::English);
        assert_eq!(response.status(), 403);
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(
            policy.contains("form-action 'self';") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"));
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["referrer-policy"], "no-referrer");
        assert_eq!(response.headers()["x-frame-options"], "DENY");
    }
}
