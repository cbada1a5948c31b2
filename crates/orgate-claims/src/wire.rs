//! What the things of this crate are called inside a JWT, and the shape of the access token that the issuer writes.
//!
//! The gate reads tokens with its own strict parser and uses only the names; the issuer serialises
//! [`AccessTokenClaims`]. A name exists here once, so the two sides cannot drift apart.

use serde::Serialize;

/// The `typ` of an access token (RFC 9068 §2.1).
pub const ACCESS_TOKEN_TYP: &str = "at+jwt";

/// The claim with the organization's id.
pub const ORG_ID: &str = "org_id";
/// The claim with the organization's slug.
pub const ORG_SLUG: &str = "org_slug";
/// The claim with the member's role.
pub const ORG_ROLE: &str = "org_role";
/// The claim with the permissions of that role: an array of strings, in the order of the project's catalogue.
pub const ORG_PERMISSIONS: &str = "org_permissions";
/// The claim with the organization's change counter.
pub const ORG_VER: &str = "org_ver";
/// The claim with the sign-in's id.
pub const SID: &str = "sid";
/// The claim with the OAuth client's id (RFC 9068 §2.2).
pub const CLIENT_ID: &str = "client_id";

/// The payload of an access token of the companion issuer (RFC 9068 §2.2 with the organization's claims).
///
/// Times are whole seconds since the epoch. Without an organization none of the five `org_*` claims is written: not
/// even as `null`.
#[derive(Clone, Debug, Serialize)]
pub struct AccessTokenClaims<'a> {
    /// The issuer of the project.
    pub iss: &'a str,
    /// The user, or the client itself for machine tokens.
    pub sub: &'a str,
    /// For whom: the audiences of the project. One is written as a string, several as an array.
    #[serde(serialize_with = "one_or_many")]
    pub aud: &'a [String],
    /// The OAuth client.
    pub client_id: &'a str,
    /// When the token ends.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// Its own id.
    pub jti: &'a str,
    /// The granted scopes, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'a str>,
    /// The sign-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<&'a str>,
    /// When the person proved to be present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// The class of that proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<&'a str>,
    /// By which methods (RFC 8176).
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub amr: &'a [String],
    /// The organization's part.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub organization: Option<OrganizationClaims<'a>>,
}

/// The organization's part of an access token.
#[derive(Clone, Debug, Serialize)]
pub struct OrganizationClaims<'a> {
    /// The organization.
    pub org_id: &'a str,
    /// Its slug when the token was issued.
    pub org_slug: &'a str,
    /// The one role of the member.
    pub org_role: &'a str,
    /// What that role may do, in catalogue order.
    pub org_permissions: &'a [String],
    /// The organization's change counter, read in the same statement as the role.
    pub org_ver: u64,
}

fn one_or_many<S: serde::Serializer>(audiences: &&[String], serializer: S) -> Result<S::Ok, S::Error> {
    match audiences {
        [one] => serializer.serialize_str(one),
        many => many.serialize(serializer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims<'a>(organization: Option<OrganizationClaims<'a>>, aud: &'a [String]) -> serde_json::Value {
        serde_json::to_value(AccessTokenClaims {
            iss: "https://i/p/proj_demo",
            sub: "usr_ann",
            aud,
            client_id: "proj_demo",
            exp: 300,
            iat: 0,
            jti: "tok_1",
            scope: None,
            sid: Some("ses_1"),
            auth_time: Some(0),
            acr: None,
            amr: &[],
            organization,
        })
        .unwrap()
    }

    #[test]
    fn without_an_organization_no_claim_speaks_of_one() {
        let value = claims(None, &["demo-api".to_owned()]);
        let names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["aud", "auth_time", "client_id", "exp", "iat", "iss", "jti", "sid", "sub"]);
        assert_eq!(value["aud"], "demo-api");
    }

    #[test]
    fn the_claims_have_the_names_that_the_gate_reads() {
        let permissions = ["read".to_owned(), "write".to_owned()];
        let organization = OrganizationClaims {
            org_id: "org_1",
            org_slug: "acme",
            org_role: "member",
            org_permissions: &permissions,
            org_ver: 7,
        };
        let value = claims(Some(organization), &["a".to_owned(), "b".to_owned()]);
        assert_eq!(value["aud"], serde_json::json!(["a", "b"]));
        assert_eq!(value[ORG_ID], "org_1");
        assert_eq!(value[ORG_SLUG], "acme");
        assert_eq!(value[ORG_ROLE], "member");
        assert_eq!(value[ORG_PERMISSIONS], serde_json::json!(["read", "write"]));
        assert_eq!(value[ORG_VER], 7);
        assert_eq!(value[SID], "ses_1");
        assert_eq!(value[CLIENT_ID], "proj_demo");
    }
}
