//! The parts of a project: clients, operators, users, organizations.

use orgate_config::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{MapReader, Node, Spanned, closest},
};

use super::{
    super::{ClientPlan, MemberPlan, OperatorPlan, OrganizationPlan, ProjectPlan, Secret, UserPlan},
    Reading, address, bad, did_you_mean, items, redirect_uris,
};
use crate::{
    address::Address,
    clients::{ClientKind, GRANTS},
    ids::{self, Kind},
    organizations::slug,
    password::{MAX_PASSWORD, MIN_PASSWORD},
    roles,
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
        redirect_uris: redirect_uris(redirects, diagnostics),
        post_logout_redirect_uris: redirect_uris(post_logout, diagnostics),
        grants: GRANTS.iter().map(|grant| (*grant).to_owned()).collect(),
        require_pkce: false,
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
    let kinds = [("confidential", ClientKind::Confidential), ("public", ClientKind::Public)];
    let kind = map.required("kind").one_of(&kinds);
    let redirects = map.optional("redirect_uris").list();
    let post_logout = map.optional("post_logout_redirect_uris").list();
    let secret_node = map.optional("secret").node();
    let grants = map.optional("grants").list();
    let require_pkce = map.optional("require_pkce").boolean();
    map.finish();

    let redirect_uris_read = redirect_uris(redirects, diagnostics);
    let post_logout_redirect_uris = redirect_uris(post_logout, diagnostics);
    let secret = reading.secret(secret_node, &format!("{path}.secret"), diagnostics);
    let grants = match grants {
        None => vec!["authorization_code".to_owned(), "refresh_token".to_owned()],
        Some(grants) => grants.iter().filter_map(|grant| known_grant(*grant, diagnostics)).collect(),
    };
    let kind = kind?.value;
    match (kind, secret_node.map(|node| node.span), require_pkce) {
        (ClientKind::Public, Some(span), _) => {
            bad(diagnostics, span, "a public client has no secret: everybody who has the application has it");
        }
        (ClientKind::Public, None, Some(Spanned { value: false, span })) => {
            bad(diagnostics, span, "a public client always needs a proof key");
        }
        (ClientKind::Confidential, None, _) => {
            let message = format!("`{path}` is confidential and has no `secret`");
            diagnostics.push(Diagnostic::error(codes::MISSING_KEY, message).at(span));
        }
        _ => {}
    }
    let id = id?;
    if !ids::is_id(id.value) {
        diagnostics.push(
            Diagnostic::error(codes::BAD_VALUE, format!("`{}` cannot be a client id", id.value))
                .at(id.span)
                .help("`app_` and up to 40 of `0-9`, `a-z` and `_`, such as `app_web`"),
        );
        return None;
    }
    Some(ClientPlan {
        id: reading.unique(id, diagnostics)?,
        name,
        kind,
        secret,
        redirect_uris: redirect_uris_read,
        post_logout_redirect_uris,
        grants,
        require_pkce: require_pkce.is_none_or(|flag| flag.value),
    })
}

fn known_grant(grant: Spanned<&str>, diagnostics: &mut Diagnostics) -> Option<String> {
    if GRANTS.contains(&grant.value) {
        return Some(grant.value.to_owned());
    }
    diagnostics.push(
        Diagnostic::error(codes::BAD_VALUE, format!("there is no grant `{}`", grant.value))
            .at(grant.span)
            .help(did_you_mean(grant.value, GRANTS.iter().copied())),
    );
    None
}

pub(super) fn operator(
    reading: &Reading<'_>,
    node: &Node,
    path: &str,
    diagnostics: &mut Diagnostics,
) -> Option<OperatorPlan> {
    let mut map = MapReader::new(node, path, diagnostics)?;
    let email = map.required("email").text();
    let password = map.required("password").node();
    map.finish();
    let email = address(email, diagnostics);
    let password = new_password(reading, password, path, diagnostics);
    Some(OperatorPlan { address: email?.value, password: password? })
}

fn new_password(
    reading: &Reading<'_>,
    node: Option<&Node>,
    path: &str,
    diagnostics: &mut Diagnostics,
) -> Option<Secret> {
    let password = reading.secret(node, &format!("{path}.password"), diagnostics)?;
    let length = password.0.chars().count();
    if length < MIN_PASSWORD || password.0.len() > MAX_PASSWORD {
        let message =
            format!("a password has {MIN_PASSWORD} characters at least and {MAX_PASSWORD} bytes at most");
        bad(diagnostics, node?.span, message);
        return None;
    }
    Some(password)
}

pub(super) fn user(
    reading: &mut Reading<'_>,
    node: &Node,
    path: &str,
    others: &[UserPlan],
    diagnostics: &mut Diagnostics,
) -> Option<UserPlan> {
    let mut map = MapReader::new(node, path, diagnostics)?;
    let id = map.optional("id").text();
    let email = map.required("email").text();
    let password = map.optional("password").node();
    let email_verified = map.optional("email_verified").boolean();
    let name = map.optional("name").text().map(|name| name.value.to_owned());
    map.finish();
    let given_id = reading.id(id, Kind::User, diagnostics);
    let email = address(email, diagnostics);
    let password = new_password(reading, password, path, diagnostics);
    let email = email?;
    if others.iter().any(|other| other.address.key() == email.value.key()) {
        bad(diagnostics, email.span, format!("the user `{}` is listed twice", email.value.shown()));
        return None;
    }
    Some(UserPlan {
        id: given_id,
        address: email.value,
        password,
        email_verified: email_verified.is_some_and(|flag| flag.value),
        name,
    })
}

pub(super) fn organization(
    reading: &mut Reading<'_>,
    node: &Node,
    path: &str,
    project: &ProjectPlan,
    diagnostics: &mut Diagnostics,
) -> Option<OrganizationPlan> {
    let mut map = MapReader::new(node, path, diagnostics)?;
    let id = map.optional("id").text();
    let slug_text = map.required("slug").text();
    let name = map.optional("name").text().map(|name| name.value.to_owned());
    let owner = map.required("owner").text();
    let members_path = map.path_of("members");
    let member_nodes = map.optional("members").node();
    map.finish();

    let given_id = reading.id(id, Kind::Organization, diagnostics);
    let owner = known_user(owner, project, diagnostics);
    let mut members: Vec<MemberPlan> = Vec::new();
    for (at, node) in items(member_nodes, &members_path, diagnostics).iter().enumerate() {
        let path = format!("{members_path}[{at}]");
        let Some((member, span)) = member(node, &path, project, diagnostics) else { continue };
        let same = |address: &Address| address.key() == member.user.key();
        if owner.as_ref().is_some_and(same) || members.iter().any(|other| same(&other.user)) {
            let message = format!("`{}` has two roles in this organization", member.user.shown());
            bad(diagnostics, span, message);
            continue;
        }
        members.push(member);
    }
    let slug_text = slug_text?;
    if let Err(error) = slug::check(slug_text.value) {
        bad(diagnostics, slug_text.span, format!("the slug `{}` {error}", slug_text.value));
        return None;
    }
    if project.organizations.iter().any(|other| other.slug == slug_text.value) {
        bad(diagnostics, slug_text.span, format!("the slug `{}` is used twice", slug_text.value));
        return None;
    }
    Some(OrganizationPlan {
        id: given_id,
        slug: slug_text.value.to_owned(),
        name: name.unwrap_or_else(|| slug_text.value.to_owned()),
        owner: owner?,
        members,
    })
}

fn member(
    node: &Node,
    path: &str,
    project: &ProjectPlan,
    diagnostics: &mut Diagnostics,
) -> Option<(MemberPlan, orgate_config::diagnostic::Span)> {
    let mut map = MapReader::new(node, path, diagnostics)?;
    let user = map.required("user").text();
    let role = map.required("role").text();
    map.finish();
    let span = user.map(|user| user.span);
    let user = known_user(user, project, diagnostics);
    let role = role?;
    if role.value == roles::OWNER {
        diagnostics.push(
            Diagnostic::error(codes::BAD_VALUE, "an organization has one owner, and that is `owner`")
                .at(role.span)
                .help("give the member another role, such as `admin`"),
        );
        return None;
    }
    if !roles::exists(role.value) {
        let names = roles::names();
        diagnostics.push(
            Diagnostic::error(codes::BAD_VALUE, format!("there is no role `{}`", role.value))
                .at(role.span)
                .help(did_you_mean(role.value, names.iter().copied())),
        );
        return None;
    }
    Some((MemberPlan { user: user?, role: role.value.to_owned() }, span?))
}

/// A user of the file, by address or by id.
fn known_user(
    text: Option<Spanned<&str>>,
    project: &ProjectPlan,
    diagnostics: &mut Diagnostics,
) -> Option<Address> {
    let text = text?;
    let wanted = Address::parse(text.value);
    let found = project.users.iter().find(|user| {
        user.id.as_deref() == Some(text.value)
            || wanted.as_ref().is_some_and(|wanted| wanted.key() == user.address.key())
    });
    if let Some(user) = found {
        return Some(user.address.clone());
    }
    // The others are not listed: a finding names nobody it is not about.
    let meant = closest(text.value, project.users.iter().map(|user| user.address.shown()));
    diagnostics.push(
        Diagnostic::error(codes::BAD_VALUE, format!("the project has no user `{}`", text.value))
            .at(text.span)
            .help(match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "name somebody who is under `users`".to_owned(),
            }),
    );
    None
}
