//! The clients of a project.

use orgate_config::{
    codes,
    diagnostic::{Diagnostic, Diagnostics, Span},
    document::{MapReader, Node, Spanned},
};

use super::{
    super::{ClientPlan, Secret},
    Reading, bad, did_you_mean, redirect_uris, texts,
};
use crate::{
    clients::{ClientKind, DEFAULT_GRANTS, DEVICE_CODE, GRANTS, TOKEN_EXCHANGE, redirect_uri},
    ids, roles,
};

/// The short names that a file may use beside the long ones.
const SHORT: [(&str, &str); 2] = [("token_exchange", TOKEN_EXCHANGE), ("device_code", DEVICE_CODE)];

/// The client whose id is the project's.
pub(super) fn default_client(
    project_id: &str,
    redirects: Option<Vec<Spanned<&str>>>,
    post_logout: Option<Vec<Spanned<&str>>>,
    secret: Option<Secret>,
    diagnostics: &mut Diagnostics,
) -> ClientPlan {
    ClientPlan {
        id: project_id.to_owned(),
        name: None,
        kind: ClientKind::Confidential,
        secret,
        redirect_uris: redirect_uris(redirects, diagnostics),
        post_logout_redirect_uris: redirect_uris(post_logout, diagnostics),
        grants: DEFAULT_GRANTS.iter().map(|grant| (*grant).to_owned()).collect(),
        require_pkce: false,
        post: None,
        audiences: Vec::new(),
        scopes: Vec::new(),
        first_party: true,
        require_org: false,
        require_par: false,
        dpop_bound: false,
        dpop_nonce: false,
        backchannel_logout_uri: None,
    }
}

pub(super) fn client(
    reading: &mut Reading<'_>,
    node: &Node,
    path: &str,
    diagnostics: &mut Diagnostics,
) -> Option<ClientPlan> {
    let mut map = MapReader::new(node, path, diagnostics)?;
    let span = map.span();
    let id = map.required("id").text();
    let name = map.optional("name").text().map(|name| name.value.to_owned());
    let kinds = [
        ("confidential", ClientKind::Confidential),
        ("public", ClientKind::Public),
        ("m2m", ClientKind::Machine),
    ];
    let kind = map.required("kind").one_of(&kinds);
    let redirects = map.optional("redirect_uris").list();
    let post_logout = map.optional("post_logout_redirect_uris").list();
    let secret_node = map.optional("secret").node();
    let grants = map.optional("grants").list();
    let [require_pkce, first_party, require_org, require_par, dpop_bound, dpop_nonce] =
        ["require_pkce", "first_party", "require_org", "require_par", "dpop_bound", "dpop_nonce"]
            .map(|key| map.optional(key).boolean());
    let [org, role, backchannel] =
        ["org", "role", "backchannel_logout_uri"].map(|key| map.optional(key).text());
    let audiences = map.optional("audiences").list();
    let scopes = map.optional("scopes").list();
    map.finish();

    let secret = reading.secret(secret_node, &format!("{path}.secret"), diagnostics);
    let kind = kind?.value;
    let written = Written { path, span, secret: secret_node.map(|node| node.span), require_pkce };
    check_kind(kind, &written, redirects.as_deref(), diagnostics);
    let usual: &[&str] = match kind {
        ClientKind::Machine => &["client_credentials"],
        ClientKind::Confidential | ClientKind::Public => &["authorization_code", "refresh_token"],
    };
    let grants = match grants {
        None => usual.iter().map(|grant| (*grant).to_owned()).collect(),
        Some(grants) => grants.iter().filter_map(|grant| known_grant(kind, *grant, diagnostics)).collect(),
    };
    let post = post(kind, org, role, diagnostics);
    let flag = |flag: Option<Spanned<bool>>| flag.is_some_and(|flag| flag.value);
    let id = client_id(id?, diagnostics)?;
    Some(ClientPlan {
        id: reading.unique(id, diagnostics)?,
        name,
        kind,
        secret,
        redirect_uris: redirect_uris(redirects, diagnostics),
        post_logout_redirect_uris: redirect_uris(post_logout, diagnostics),
        grants,
        require_pkce: require_pkce.is_none_or(|flag| flag.value),
        post,
        audiences: words(audiences, "an audience", diagnostics),
        scopes: words(scopes, "a scope", diagnostics),
        first_party: first_party.is_none_or(|flag| flag.value),
        require_org: flag(require_org),
        require_par: flag(require_par),
        dpop_bound: flag(dpop_bound),
        dpop_nonce: flag(dpop_nonce),
        backchannel_logout_uri: logout_uri(backchannel, diagnostics),
    })
}

/// What is written of a client, and where.
struct Written<'a> {
    path: &'a str,
    span: Span,
    secret: Option<Span>,
    require_pkce: Option<Spanned<bool>>,
}

/// What a client of this kind must have, and must not.
fn check_kind(
    kind: ClientKind,
    written: &Written<'_>,
    redirects: Option<&[Spanned<&str>]>,
    diagnostics: &mut Diagnostics,
) {
    match (kind, written.secret, written.require_pkce) {
        (ClientKind::Public, Some(span), _) => {
            bad(diagnostics, span, "a public client has no secret: everybody who has the application has it");
        }
        (ClientKind::Public, None, Some(Spanned { value: false, span })) => {
            bad(diagnostics, span, "a public client always needs a proof key");
        }
        (ClientKind::Confidential | ClientKind::Machine, None, _) => {
            let kind = if kind == ClientKind::Machine { "a machine" } else { "confidential" };
            let message = format!("`{}` is {kind} and has no `secret`", written.path);
            diagnostics.push(Diagnostic::error(codes::MISSING_KEY, message).at(written.span));
        }
        _ => {}
    }
    if let (ClientKind::Machine, Some([first, ..])) = (kind, redirects) {
        bad(diagnostics, first.span, "nobody signs in to a machine, so it has no redirect URI");
    }
}

fn client_id<'n>(id: Spanned<&'n str>, diagnostics: &mut Diagnostics) -> Option<Spanned<&'n str>> {
    // `sub` of a token is a user or a client, and nobody may take the one for the other (RFC 9700 §4.15).
    if ids::is_id(id.value) && !id.value.starts_with("usr_") {
        return Some(id);
    }
    diagnostics.push(
        Diagnostic::error(codes::BAD_VALUE, format!("`{}` cannot be a client id", id.value))
            .at(id.span)
            .help("`app_` and up to 40 of `0-9`, `a-z` and `_`, such as `app_web`"),
    );
    None
}

fn known_grant(kind: ClientKind, grant: Spanned<&str>, diagnostics: &mut Diagnostics) -> Option<String> {
    let long = SHORT.iter().find(|(short, _)| *short == grant.value).map_or(grant.value, |(_, long)| long);
    if !GRANTS.contains(&long) {
        let names = GRANTS.iter().copied().chain(SHORT.iter().map(|(short, _)| *short));
        diagnostics.push(
            Diagnostic::error(codes::BAD_VALUE, format!("there is no grant `{}`", grant.value))
                .at(grant.span)
                .help(did_you_mean(grant.value, names)),
        );
        return None;
    }
    let fits = match kind {
        ClientKind::Machine => ["client_credentials", TOKEN_EXCHANGE].contains(&long),
        ClientKind::Public => long != "client_credentials",
        ClientKind::Confidential => true,
    };
    if !fits {
        bad(diagnostics, grant.span, format!("a client of this kind cannot use `{}`", grant.value));
        return None;
    }
    Some(long.to_owned())
}

/// The organization of a machine; whether there is one is known when the file is applied.
fn post(
    kind: ClientKind,
    org: Option<Spanned<&str>>,
    role: Option<Spanned<&str>>,
    diagnostics: &mut Diagnostics,
) -> Option<(String, String)> {
    let (org, role) = match (org, role) {
        (None, None) => return None,
        (Some(org), Some(role)) => (org, role),
        (Some(one), None) | (None, Some(one)) => {
            bad(diagnostics, one.span, "`org` and `role` belong together");
            return None;
        }
    };
    if kind == ClientKind::Public {
        bad(diagnostics, org.span, "only what can keep a secret acts for an organization by itself");
        return None;
    }
    if role.value == roles::OWNER || !roles::exists(role.value) {
        let names: Vec<_> = roles::names().into_iter().filter(|name| *name != roles::OWNER).collect();
        diagnostics.push(
            Diagnostic::error(codes::BAD_VALUE, format!("a machine cannot have the role `{}`", role.value))
                .at(role.span)
                .help(did_you_mean(role.value, names.iter().copied())),
        );
        return None;
    }
    Some((org.value.to_owned(), role.value.to_owned()))
}

/// Names without spaces in them.
fn words(list: Option<Vec<Spanned<&str>>>, what: &str, diagnostics: &mut Diagnostics) -> Vec<String> {
    let list = list.unwrap_or_default();
    // RFC 6749 §3.3 for scopes; nothing else stands in an audience that people chose.
    let fits = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
    };
    for word in list.iter().filter(|word| !fits(word.value)) {
        bad(diagnostics, word.span, format!("`{}` cannot be {what}", word.value));
    }
    texts(list)
}

/// Where an application hears of a sign-out: https, or this machine.
fn logout_uri(uri: Option<Spanned<&str>>, diagnostics: &mut Diagnostics) -> Option<String> {
    let uri = uri?;
    if redirect_uri::check(uri.value).is_err() || !uri.value.starts_with("http") {
        diagnostics.push(
            Diagnostic::error(codes::BAD_VALUE, format!("nothing can be sent to `{}`", uri.value))
                .at(uri.span)
                .help("such as `https://app.example.com/logout`"),
        );
        return None;
    }
    Some(uri.value.to_owned())
}
