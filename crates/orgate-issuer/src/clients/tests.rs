mod api;

use http::HeaderValue;

use super::*;

fn read(
    authorization: &[&'static str],
    id: Option<&str>,
    secret: Option<&str>,
) -> Result<Credentials, ClientError> {
    let mut headers = HeaderMap::new();
    for value in authorization {
        headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
    }
    Credentials::read(&headers, id, secret)
}

#[test]
fn basic_credentials_are_form_encoded() {
    // `a b:p%3A+ss` in base64: the id `a b`, the secret `p: ss`.
    let found = read(&["Basic YStiOnAlM0Erc3M="], None, None).unwrap();
    assert_eq!(
        (found.id.as_deref(), found.secret.as_deref(), found.basic),
        (Some("a b"), Some("p: ss"), true)
    );
    assert!(read(&["basic YStiOnAlM0Erc3M="], Some("a b"), None).is_ok());
}

#[test]
fn two_ways_at_once_are_none() {
    let malformed = |outcome| matches!(outcome, Err(ClientError::Malformed(_)));
    assert!(malformed(read(&["Basic YTpi"], None, Some("b"))));
    assert!(malformed(read(&["Basic YTpi"], Some("other"), None)));
    assert!(malformed(read(&["Basic YTpi", "Basic YTpi"], None, None)));
    for broken in ["Basic", "Basic YQ==", "Basic YTolenp6", "Basic !!!", "Bearer YTpi", "Basic YTol"] {
        assert_eq!(read(&[broken], None, None).err(), Some(ClientError::Invalid { basic: true }), "{broken}");
    }
}
