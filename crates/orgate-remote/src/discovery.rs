//! From an issuer to the URL of its keys (OpenID Connect Discovery 1.0 §4, RFC 8414 §3).
//!
//! The document is looked for where OpenID Connect puts it, and if there is none, where OAuth does. Its `issuer` must be
//! ours, character for character (§4.3, RFC 8414 §3.3): otherwise one issuer of a shared host could speak for another.

use serde::Deserialize;

use crate::{
    address::{Address, Told},
    error::{Fault, RemoteError},
    http::HttpClient,
};

/// What is read of a document. Members named twice are refused.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

/// Where the issuer `ours`, whose URL is `base`, publishes its keys.
pub(crate) async fn find_keys(
    client: &HttpClient,
    ours: &str,
    base: &Address,
) -> Result<Address, RemoteError> {
    let [first, second] = places(base)?;
    match read(client, ours, base, &first).await {
        // The first place is the one that nearly every issuer has: its answer explains more than the second's.
        Err(error) if error.is_absent() => read(client, ours, base, &second).await.map_err(|_| error),
        result => result,
    }
}

/// Where the document of an issuer is first looked for, for people.
pub(crate) fn first_place(base: &Address) -> Result<Address, RemoteError> {
    places(base).map(|[first, _]| first)
}

fn places(base: &Address) -> Result<[Address; 2], RemoteError> {
    let path = base.path();
    Ok([
        base.with_path(&format!("{path}/.well-known/openid-configuration"))?,
        base.with_path(&format!("/.well-known/oauth-authorization-server{path}"))?,
    ])
}

async fn read(
    client: &HttpClient,
    ours: &str,
    base: &Address,
    place: &Address,
) -> Result<Address, RemoteError> {
    let answer = client.get_json(place).await?;
    let document: Document = serde_json::from_slice(&answer.body)
        .map_err(|error| RemoteError::at(place, Fault::NotADocument(what_is_wrong(&error))))?;
    if document.issuer != ours {
        return Err(RemoteError::at(place, Fault::OtherIssuer { ours: ours.to_owned() }));
    }
    Address::of_keys(&document.jwks_uri, Some(base), Told::ByDocument)
}

/// Without the server's own words, which could be anything.
fn what_is_wrong(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "`issuer` or `jwks_uri` is missing, repeated or not a string",
        _ => "it is not JSON",
    };
    what.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_looked_for_where_the_two_standards_put_it() {
        for (issuer, oidc, oauth) in [
            (
                "https://issuer.example",
                "https://issuer.example/.well-known/openid-configuration",
                "https://issuer.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://issuer.example/",
                "https://issuer.example/.well-known/openid-configuration",
                "https://issuer.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://issuer.example:8443/p/demo",
                "https://issuer.example:8443/p/demo/.well-known/openid-configuration",
                "https://issuer.example:8443/.well-known/oauth-authorization-server/p/demo",
            ),
        ] {
            let places = places(&Address::of_issuer(issuer).unwrap()).unwrap();
            assert_eq!(places.map(|place| place.to_string()), [oidc, oauth]);
        }
    }
}
