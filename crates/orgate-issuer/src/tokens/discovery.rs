//! What a client needs to know about a project (OpenID Connect Discovery §3, RFC 8414 §2). Only what exists is listed.

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::header;
use serde_json::{Value, json};

use crate::{
    app::{App, Shared},
    clients, factors,
    http::{Problem, language::Language, problem::Code},
    keys::Algorithm,
    login::{authorize::PROMPTS, scope},
    openapi::{Named, Routes, flag, get, object, public, texts, uri},
    projects::{self, Project},
};

pub(super) fn router() -> Routes {
    let about = |name, about| public(name, about).gives(200, METADATA);
    let openid = about("readOpenIdConfiguration", "What a client needs to know (OpenID Connect Discovery)");
    let oauth = about("readServerMetadata", "What a client needs to know (RFC 8414)");
    Routes::new()
        .at("/p/{project}/.well-known/openid-configuration", get(show, openid))
        .at("/.well-known/oauth-authorization-server/p/{project}", get(show, oauth))
}

const METADATA: Named = Named("ServerMetadata", || {
    let uris = [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "userinfo_endpoint",
        "introspection_endpoint",
        "revocation_endpoint",
        "pushed_authorization_request_endpoint",
        "device_authorization_endpoint",
        "end_session_endpoint",
        "revocations_endpoint",
    ];
    let lists = [
        "scopes_supported",
        "response_types_supported",
        "response_modes_supported",
        "grant_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
        "token_endpoint_auth_methods_supported",
        "introspection_endpoint_auth_methods_supported",
        "revocation_endpoint_auth_methods_supported",
        "code_challenge_methods_supported",
        "dpop_signing_alg_values_supported",
        "acr_values_supported",
        "prompt_values_supported",
        "ui_locales_supported",
        "claims_supported",
    ];
    let flags = [
        "authorization_response_iss_parameter_supported",
        "require_pushed_authorization_requests",
        "backchannel_logout_supported",
        "backchannel_logout_session_supported",
        "claims_parameter_supported",
        "request_parameter_supported",
        "request_uri_parameter_supported",
    ];
    let members = uris.into_iter().fold(object(), |members, name| members.with(name, uri()));
    let members = lists.into_iter().fold(members, |members, name| members.with(name, texts()));
    flags.into_iter().fold(members, |members, name| members.with(name, flag())).done()
});

/// The metadata where RFC 8414 §3.1 looks for them if the issuer is below `path`: the well-known part comes first.
pub(crate) fn above(path: &str) -> Routes {
    let about =
        public("readServerMetadataAbove", "What a client needs to know, above the issuer's path (RFC 8414)");
    let path = format!("/.well-known/oauth-authorization-server{path}/p/{{project}}");
    Routes::new().at(&path, get(show, about.gives(200, METADATA)))
}

async fn show(State(app): State<Shared>, Path(project): Path<String>) -> Result<Response, Problem> {
    let project = projects::find(&mut *app.db.read().await?, &project).await?.ok_or(Code::NotFound)?;
    let headers = [
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, axum::Json(document(&app, &project))).into_response())
}

fn document(app: &App, project: &Project) -> Value {
    let issuer = app.public.issuer(&project.id);
    // RS256 is always there: clients refuse a provider that does not list it.
    let mut id_algorithms = vec![project.id_algorithm.as_str()];
    if project.id_algorithm != Algorithm::Rs256 {
        id_algorithms.push(Algorithm::Rs256.as_str());
    }
    let with_secret = ["client_secret_basic", "client_secret_post"];
    let all_methods = ["client_secret_basic", "client_secret_post", "none"];
    let proofs: Vec<String> = orgate_verify::dpop::algorithms().split(' ').map(str::to_owned).collect();
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks.json"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "introspection_endpoint": format!("{issuer}/introspect"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "pushed_authorization_request_endpoint": format!("{issuer}/par"),
        "device_authorization_endpoint": format!("{issuer}/device_authorization"),
        "end_session_endpoint": format!("{issuer}/logout"),
        // Ours: the change feed, for gates.
        "revocations_endpoint": format!("{issuer}/revocations"),
        "scopes_supported": scope::KNOWN,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": clients::GRANTS,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": id_algorithms,
        "token_endpoint_auth_methods_supported": all_methods,
        "introspection_endpoint_auth_methods_supported": with_secret,
        "revocation_endpoint_auth_methods_supported": all_methods,
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": proofs,
        "authorization_response_iss_parameter_supported": true,
        "require_pushed_authorization_requests": false,
        "backchannel_logout_supported": app.settings.courier.is_some(),
        "backchannel_logout_session_supported": app.settings.courier.is_some(),
        "acr_values_supported": factors::ACR_VALUES,
        "prompt_values_supported": PROMPTS,
        "ui_locales_supported": Language::ALL.map(Language::tag),
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "sid", "at_hash", "email",
            "email_verified", "name", "org_id", "org_slug", "org_role", "org_permissions",
        ],
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    })
}
