//! Signs a person in as a browser would: through the hosted pages, to a code, to a token.

use http::{Method, StatusCode};

use super::{
    client::{Answer, Cookies, Sent, send},
    files,
};

/// How many pages and redirects a sign-in may take.
const MAX_STEPS: usize = 8;

/// Signs the person with `role` in to `organization` and returns the access token.
///
/// # Errors
/// A sentence that says at which step the issuer answered otherwise than expected.
pub(super) async fn sign_in(issuer: &str, role: &str, organization: &str) -> Result<String, String> {
    let code = code(issuer, role).await.map_err(|error| format!("sign-in as {role}: {error}"))?;
    let body = serde_json::json!({
        "grant_type": "authorization_code",
        "code": code,
        "client_id": files::PROJECT,
        "client_secret": files::CLIENT_SECRET,
        "redirect_uri": files::REDIRECT_URI,
        "org_id": organization,
    });
    let sent = Sent { body: Some(("application/json", body.to_string())), ..Sent::default() };
    let answer = send(Method::POST, &format!("{issuer}/token"), sent).await?;
    let refused = || format!("token for {role}: the issuer answered {}", describe(&answer));
    answer.member("access_token").filter(|_| answer.status == StatusCode::OK).ok_or_else(refused)
}

/// Walks from `/authorize` over the pages to the redirect that carries the code.
async fn code(issuer: &str, role: &str) -> Result<String, String> {
    let query = form(&[
        ("response_type", "code"),
        ("client_id", files::PROJECT),
        ("redirect_uri", files::REDIRECT_URI),
        ("scope", "openid"),
        ("state", role),
    ]);
    let mut cookies = Cookies::default();
    let mut url = format!("{issuer}/authorize?{query}");
    let mut submitted = None;
    for _ in 0..MAX_STEPS {
        let method = if submitted.is_some() { Method::POST } else { Method::GET };
        let body = submitted.take().map(|body| ("application/x-www-form-urlencoded", body));
        let answer = send(method, &url, Sent { cookies: Some(&cookies), body, ..Sent::default() }).await?;
        cookies.keep(&answer.headers);
        if let Some(location) = answer.location().filter(|_| answer.status.is_redirection()) {
            if location.starts_with(files::REDIRECT_URI) {
                let code = parameter(location, "code");
                return code.ok_or_else(|| format!("the redirect carries no code: {location}"));
            }
            url = resolve(&url, location);
        } else if answer.status == StatusCode::OK {
            let page = answer.text();
            let (action, fields) = read_form(&page).ok_or("the page has no form")?;
            url = resolve(&url, &action);
            submitted = Some(fill(&fields, role));
        } else {
            return Err(format!("{url} answered {}", describe(&answer)));
        }
    }
    Err(format!("no code after {MAX_STEPS} steps; the last page was {url}"))
}

/// The form's fields with the person's answers in place.
fn fill(fields: &[(String, String)], role: &str) -> String {
    let address = files::address(role);
    let filled: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| match name.as_str() {
            "email" => ("email", address.as_str()),
            "password" => ("password", files::PASSWORD),
            "org_id" => ("org_id", files::ORGANIZATION),
            name => (name, value.as_str()),
        })
        .collect();
    form(&filled)
}

fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The value of a query parameter.
fn parameter(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The target of a link on the page at `url`: absolute, or a path of the same origin.
fn resolve(url: &str, link: &str) -> String {
    if link.starts_with("http://") || link.starts_with("https://") {
        return link.to_owned();
    }
    if link.is_empty() {
        return url.to_owned();
    }
    let origin: String = url.split('/').take(3).collect::<Vec<_>>().join("/");
    format!("{origin}{link}")
}

/// The action and the named fields of the first form that is sent by POST.
fn read_form(page: &str) -> Option<(String, Vec<(String, String)>)> {
    let forms = page.split("<form").skip(1).filter_map(|form| form.split("</form").next());
    let form = forms.into_iter().find(|form| {
        let tag = form.split('>').next().unwrap_or_default();
        attribute(tag, "method").is_some_and(|method| method.eq_ignore_ascii_case("post"))
    })?;
    let action = attribute(form.split('>').next().unwrap_or_default(), "action").unwrap_or_default();
    let mut fields: Vec<(String, String)> = Vec::new();
    for tag in form.split("<input").skip(1).filter_map(|tag| tag.split('>').next()) {
        if let Some(name) =
            attribute(tag, "name").filter(|name| !fields.iter().any(|(known, _)| known == name))
        {
            fields.push((name, attribute(tag, "value").unwrap_or_default()));
        }
    }
    Some((action, fields))
}

/// The value of an attribute of a tag, without its quotes and entities.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let (before, after) = rest.split_once(&format!("{name}=\""))?;
        if before.ends_with(char::is_whitespace) {
            return Some(unescape(after.split('"').next().unwrap_or_default()));
        }
        rest = after;
    }
}

fn unescape(text: &str) -> String {
    [("&quot;", "\""), ("&#x27;", "'"), ("&#x2f;", "/"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

fn describe(answer: &Answer) -> String {
    let status = answer.status.as_u16();
    let code = answer.member("error").or_else(|| answer.member("code"));
    code.map_or_else(|| status.to_string(), |code| format!("{status} {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_posted_form_of_a_page_is_read() {
        let page = r#"<form method="get" action="/search"><input name="q"></form>
            <form class="x" method="post" action="&#x2f;p&#x2f;login?a=1&amp;b=2">
            <input type="hidden" name="csrf" value="a&quot;b"><input data-name="no" name="email" type="email">
            <input type="radio" name="org_id" value="1"><input type="radio" name="org_id" value="2"></form>"#;
        let (action, fields) = read_form(page).unwrap();
        assert_eq!(action, "/p/login?a=1&b=2");
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(fields, [("csrf", "a\"b"), ("email", ""), ("org_id", "1")]);
        assert_eq!(resolve("http://h:1/p/authorize?x", &action), "http://h:1/p/login?a=1&b=2");
    }
}
