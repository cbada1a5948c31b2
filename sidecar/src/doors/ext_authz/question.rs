//! What Envoy asks, as a question to the gate. `path` holds the query and is not decoded, pseudo-headers stand among the
//! headers, and CONNECT has no path; `query` and `fragment` of the message are always empty and are not read.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::messages::{self, HttpRequest};
use crate::{
    doors::{
        decision::Question,
        original::target_of,
        reading::{Unclear, is_host},
    },
    problem::Refusal,
};

/// More fields than Envoy accepts by default, with those that it adds.
const MOST_FIELDS: usize = 128;
/// Whether the body is all of it. Envoy writes it where it sends a body.
const PARTIAL: HeaderName = HeaderName::from_static("x-envoy-auth-partial-body");

/// The one reading of `asked`.
pub(super) fn of(asked: HttpRequest) -> Result<Question, Unclear> {
    let HttpRequest { method, headers, path, host, body, raw_body, header_map } = asked;
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| Unclear::Head(Refusal::BadRequest, "the method of the request is none"))?;
    if method == Method::CONNECT {
        return Err(Unclear::Head(Refusal::BadRequest, "the methods TRACE and CONNECT are not served"));
    }
    let target = target_of(&path)?;
    if !is_host(&host) {
        return Err(Unclear::Head(Refusal::BadRequest, "the host of the request is none"));
    }
    let mut fields = HeaderMap::new();
    match header_map {
        Some(messages::HeaderMap { headers }) => {
            for messages::HeaderValue { key, value, raw_value } in headers {
                let value = if raw_value.is_empty() { value.into() } else { raw_value };
                add(&mut fields, &key, &value)?;
            }
        }
        None => headers.iter().try_for_each(|(key, value)| add(&mut fields, key, value.as_bytes()))?,
    }
    let own = HeaderValue::try_from(&host);
    fields.insert(
        header::HOST,
        own.map_err(|_| Unclear::Head(Refusal::BadRequest, "the host of the request is none"))?,
    );
    let body = if raw_body.is_empty() { body.into() } else { raw_body };
    // SECURITY: an empty one may be one that was not sent along, and a client can say that it is whole.
    let mut says = fields.get_all(PARTIAL).iter().peekable();
    let is_whole = says.peek().is_some() && says.all(|partial| partial == "false") && !body.is_empty();
    Ok(Question { method, host: Some(host), target, headers: fields, body: is_whole.then_some(body) })
}

fn add(fields: &mut HeaderMap, name: &str, value: &[u8]) -> Result<(), Unclear> {
    // What they say stands in fields of its own.
    if name.starts_with(':') || name.eq_ignore_ascii_case("host") {
        return Ok(());
    }
    if fields.len() >= MOST_FIELDS {
        return Err(Unclear::Head(Refusal::HeadTooLarge, "the request has too many headers"));
    }
    let unclear = || Unclear::Head(Refusal::BadRequest, "a header of the request is none");
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unclear())?;
    let value = HeaderValue::from_bytes(value).map_err(|_| unclear())?;
    fields.append(name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> HttpRequest {
        HttpRequest {
            method: "GET".to_owned(),
            path: "/a%2Fb?c".to_owned(),
            host: "app.example".to_owned(),
            headers: [(":path", "/other"), ("accept", "*/*")]
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .into(),
            ..HttpRequest::default()
        }
    }

    #[test]
    fn the_path_is_taken_as_it_came() {
        let Question { target, headers, host, body, .. } = of(asked()).expect("one reading");
        assert_eq!((target.as_str(), host.as_deref()), ("/a%2Fb?c", Some("app.example")));
        assert_eq!((headers.len(), &headers["host"]), (2, &HeaderValue::from_static("app.example")));
        assert!(body.is_none());
    }

    #[test]
    fn headers_that_came_by_themselves_stay_so() {
        let line = |value: &'static str| messages::HeaderValue {
            key: "x-role".to_owned(),
            value: String::new(),
            raw_value: value.into(),
        };
        let map = messages::HeaderMap { headers: vec![line("user"), line("admin")] };
        let question = of(HttpRequest { header_map: Some(map), ..asked() }).expect("one reading");
        assert_eq!(question.headers.get_all("x-role").iter().count(), 2);
        assert!(!question.headers.contains_key("accept"));
    }

    #[test]
    fn what_has_no_single_reading_is_refused() {
        let bad = [
            HttpRequest { method: "CONNECT".to_owned(), path: String::new(), ..asked() },
            HttpRequest { method: "CONNECT".to_owned(), ..asked() },
            HttpRequest { method: String::new(), ..asked() },
            HttpRequest { path: String::new(), ..asked() },
            HttpRequest { path: "a".to_owned(), ..asked() },
            HttpRequest { path: "/a#b".to_owned(), ..asked() },
            HttpRequest { path: "/\u{ff0f}".to_owned(), ..asked() },
            HttpRequest { host: "a,b".to_owned(), ..asked() },
            HttpRequest { host: String::new(), ..asked() },
            HttpRequest { headers: [("a b".to_owned(), String::new())].into(), ..asked() },
            HttpRequest { headers: [("a".to_owned(), "b\r\nc: d".to_owned())].into(), ..asked() },
            HttpRequest { headers: (0..200).map(|n| (format!("x-{n}"), String::new())).collect(), ..asked() },
        ];
        for question in bad {
            assert!(of(question.clone()).is_err(), "{question:?}");
        }
    }

    #[test]
    fn a_body_counts_where_envoy_says_that_it_is_whole() {
        let with = |partial: &str, body: &str| {
            let headers = [("x-envoy-auth-partial-body".to_owned(), partial.to_owned())].into();
            of(HttpRequest { headers, body: body.to_owned(), ..asked() }).expect("one reading").body
        };
        assert_eq!(with("false", "b").as_deref(), Some(b"b".as_slice()));
        for (partial, body) in [("true", "b"), ("", "b"), ("false", ""), ("false,true", "b")] {
            assert!(with(partial, body).is_none(), "{partial} {body}");
        }
        assert!(of(HttpRequest { body: "b".to_owned(), ..asked() }).expect("one reading").body.is_none());
    }
}
