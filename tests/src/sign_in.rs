//! Signs people in at the hosted pages, as a browser does.

use std::collections::BTreeMap;

use crate::{Response, request};

/// A person's browser: its cookies, and where it is.
#[derive(Debug, Default)]
pub struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Opens `url`; follows nothing.
    pub fn open(&mut self, url: &str) -> Response {
        self.send("GET", url, None)
    }

    /// Sends a form to `url`.
    pub fn submit(&mut self, url: &str, fields: &[(String, String)]) -> Response {
        let pairs: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        self.send("POST", url, Some(&pairs.join("&")))
    }

    fn send(&mut self, method: &str, url: &str, form: Option<&str>) -> Response {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut headers = vec![("sec-fetch-site", "same-origin")];
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        if form.is_some() {
            headers.push(("content-type", "application/x-www-form-urlencoded"));
        }
        let response = request(method, url, &headers, form);
        for (_, value) in response.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) = value.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        response
    }

    /// Walks from `url` over pages and redirects until one leads to `callback`; answers each form by `fill`, which gets
    /// the name and the value of a field. Returns the final address and how many pages were shown.
    pub fn walk(
        &mut self,
        url: &str,
        callback: &str,
        fill: impl Fn(&str, &str) -> String,
    ) -> (String, usize) {
        self.walk_at("", url, callback, fill)
    }

    /// The same where the server calls itself something else than where it is: every address is asked at `base`.
    pub fn walk_at(
        &mut self,
        base: &str,
        url: &str,
        callback: &str,
        fill: impl Fn(&str, &str) -> String,
    ) -> (String, usize) {
        let resolve = |url: &str, link: &str| {
            let found = resolve(url, link);
            let path = found.splitn(4, '/').nth(3).unwrap_or_default();
            if base.is_empty() { found } else { format!("{base}/{path}") }
        };
        let mut url = url.to_owned();
        let mut pages = 0;
        let mut response = self.open(&url);
        for _ in 0..10 {
            if let Some(location) = response.header("location").map(str::to_owned) {
                if location.starts_with(callback) {
                    return (location, pages);
                }
                url = resolve(&url, &location);
                response = self.open(&url);
            } else {
                assert_eq!(response.status, 200, "{url}: {}", response.body);
                pages += 1;
                let (action, fields) = form(&response.body);
                let fields: Vec<_> =
                    fields.iter().map(|(name, value)| (name.clone(), fill(name, value))).collect();
                url = resolve(&url, &action);
                response = self.submit(&url, &fields);
            }
        }
        panic!("no way to {callback} from {url}");
    }
}

fn resolve(url: &str, link: &str) -> String {
    if link.starts_with("http://") || link.is_empty() {
        return if link.is_empty() { url.to_owned() } else { link.to_owned() };
    }
    let origin: Vec<&str> = url.splitn(4, '/').take(3).collect();
    format!("{}{link}", origin.join("/"))
}

/// The action and the fields of the first form that is posted; of several fields of one name, the first.
fn form(page: &str) -> (String, Vec<(String, String)>) {
    let form =
        page.split("<form").skip(1).find(|form| form.split('>').next().unwrap().contains("method=\"post\""));
    let form = form.unwrap_or_else(|| panic!("no form: {page}")).split("</form").next().unwrap();
    let action = attribute(form.split('>').next().unwrap(), "action").unwrap_or_default();
    let mut fields: Vec<(String, String)> = Vec::new();
    for tag in form.split("<input").skip(1).map(|tag| tag.split('>').next().unwrap()) {
        if let Some(name) =
            attribute(tag, "name").filter(|name| !fields.iter().any(|(known, _)| known == name))
        {
            fields.push((name, attribute(tag, "value").unwrap_or_default()));
        }
    }
    (action, fields)
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let mut value = rest.split('"').next().unwrap().to_owned();
    for (entity, character) in
        [("&#x2f;", "/"), ("&quot;", "\""), ("&#x27;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")]
    {
        value = value.replace(entity, character);
    }
    Some(value)
}

/// Percent-encodes for a form or a query.
#[must_use]
pub fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The value of a query parameter of `url`, as it stands there.
#[must_use]
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let query = url.split_once('?')?.1;
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}
