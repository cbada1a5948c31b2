//! The clients of a project.

use orgate_config::{
    codes,
    diagnostic::{Diagnostic, Diagnostics, Span},
    document::{MapReader, Node, Spanned},
};

use super::{
    super::{ClientPlan, Secret},
    Reading, bad, mistaken, redirect_uris,
};
use crate::{
    clients::{ClientKind, DEFAULT_GRANTS, draft::Draft},
    ids,
};

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
        redirect_uris: redirect_uris("redirect_uris", redirects, diagnostics),
        post_logout_redirect_uris: redirect_uris("post_logout_redirect_uris", post_logout, diagnostics),
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
    let secret_node = map.optional("secret").node();
    let mut lists = Lists::default();
    let [redirects, post_logout, grants, audiences, scopes] = LISTS.map(|key| {
        let list = map.optional(key).list();
        lists.note(key, list)
    });
    let [require_pkce, first_party, require_org, require_par, dpop_bound, dpop_nonce] =
        ["require_pkce", "first_party", "require_org", "require_par", "dpop_bound", "dpop_nonce"]
            .map(|key| map.optional(key).boolean());
    let [org, role, backchannel] = TEXTS.map(|key| {
        let text = map.optional(key).text();
        lists.note(key, text.map(|text| vec![text])).and_then(|list| list.first().copied())
    });
    map.finish();
    lists.0.extend(require_pkce.map(|flag| ("require_pkce", vec![flag.span])));

    let secret = reading.secret(secret_node, &format!("{path}.secret"), diagnostics);
    let kind = kind?.value;
    check_secret(kind, path, (span, secret_node.map(|node| node.span)), diagnostics);
    let draft = Draft {
        redirect_uris: redirects.unwrap_or_default(),
        post_logout_redirect_uris: post_logout.unwrap_or_default(),
        grants,
        require_pkce: require_pkce.map(|flag| flag.value),
        org,
        role,
        audiences: audiences.unwrap_or_default(),
        scopes: scopes.unwrap_or_default(),
        backchannel_logout_uri: backchannel,
        ..Draft::new(kind)
    };
    for mistake in draft.mistakes() {
        mistaken(lists.place(mistake.field, mistake.entry).unwrap_or(span), mistake, diagnostics);
    }
    let flag = |flag: Option<Spanned<bool>>| flag.is_some_and(|flag| flag.value);
    let owned = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    let id = client_id(id?, diagnostics)?;
    Some(ClientPlan {
        id: reading.unique(id, diagnostics)?,
        name,
        kind,
        secret,
        redirect_uris: owned(&draft.redirect_uris),
        post_logout_redirect_uris: owned(&draft.post_logout_redirect_uris),
        grants: draft.grants(),
        require_pkce: require_pkce.is_none_or(|flag| flag.value),
        post: org.zip(role).map(|(org, role)| (org.to_owned(), role.to_owned())),
        audiences: owned(&draft.audiences),
        scopes: owned(&draft.scopes),
        first_party: first_party.is_none_or(|flag| flag.value),
        require_org: flag(require_org),
        require_par: flag(require_par),
        dpop_bound: flag(dpop_bound),
        dpop_nonce: flag(dpop_nonce),
        backchannel_logout_uri: backchannel.map(str::to_owned),
    })
}

const LISTS: [&str; 5] = ["redirect_uris", "post_logout_redirect_uris", "grants", "audiences", "scopes"];
const TEXTS: [&str; 3] = ["org", "role", "backchannel_logout_uri"];

/// Where each entry of a member stands.
#[derive(Default)]
struct Lists(Vec<(&'static str, Vec<Span>)>);

impl Lists {
    fn note<'n>(&mut self, key: &'static str, list: Option<Vec<Spanned<&'n str>>>) -> Option<Vec<&'n str>> {
        let list = list?;
        self.0.push((key, list.iter().map(|one| one.span).collect()));
        Some(list.into_iter().map(|one| one.value).collect())
    }

    fn place(&self, key: &str, entry: usize) -> Option<Span> {
        self.0.iter().find(|(known, _)| *known == key)?.1.get(entry).copied()
    }
}

/// Whether a client of this kind has a secret, and should; the places are those of the client and of its secret.
fn check_secret(
    kind: ClientKind,
    path: &str,
    (client, secret): (Span, Option<Span>),
    diagnostics: &mut Diagnostics,
) {
    match (kind, secret) {
        (ClientKind::Public, Some(span)) => {
            bad(diagnostics, span, "a public client has no secret: everybody who has the application has it");
        }
        (ClientKind::Confidential | ClientKind::Machine, None) => {
            let kind = if kind == ClientKind::Machine { "a machine" } else { "confidential" };
            let message = format!("`{path}` is {kind} and has no `secret`");
            diagnostics.push(Diagnostic::error(codes::MISSING_KEY, message).at(client));
        }
        _ => {}
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
