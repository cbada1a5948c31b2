//! The parts of a project: operators, users, organizations.

use orgate_config::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{MapReader, Node, Spanned, closest},
};

use super::{
    super::{KeyPlan, MemberPlan, OperatorPlan, OrganizationPlan, ProjectPlan, Secret, UserPlan},
    Reading, address, bad, items, texts,
};
use crate::{
    address::Address,
    clients::draft::did_you_mean,
    ids::Kind,
    operators::keys,
    organizations::slug,
    password::{MAX_PASSWORD, MIN_PASSWORD},
    roles,
};

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

/// A key. What a whole plane opens belongs to an operator, so a key of the file has scopes.
pub(super) fn key(
    reading: &Reading<'_>,
    node: &Node,
    path: &str,
    others: &[KeyPlan],
    diagnostics: &mut Diagnostics,
) -> Option<KeyPlan> {
    let mut map = MapReader::new(node, path, diagnostics)?;
    let name = map.required("name").text();
    let secret_node = map.required("secret").node();
    let scopes = map.required("scopes").list();
    map.finish();
    let (name, scopes) = (name?, scopes?);
    if others.iter().any(|other| other.name == name.value) {
        let message = format!("there is another key called `{}`", name.value);
        diagnostics.push(Diagnostic::error(codes::DUPLICATE, message).at(name.span));
        return None;
    }
    if scopes.is_empty() {
        bad(
            diagnostics,
            node.span,
            format!("`scopes` has no entries; there are: {}", keys::SCOPES.join(", ")),
        );
    }
    for scope in scopes.iter().filter(|scope| !keys::SCOPES.contains(&scope.value)) {
        diagnostics.push(
            Diagnostic::error(codes::BAD_VALUE, format!("there is no scope `{}`", scope.value))
                .at(scope.span)
                .help(did_you_mean(scope.value, keys::SCOPES.into_iter())),
        );
    }
    let secret = reading.secret(secret_node, &format!("{path}.secret"), diagnostics)?;
    if !keys::is_fit(&secret.0) {
        let message =
            format!("a key begins with `{}` and has {} characters behind it", keys::PREFIX, keys::LEAST);
        diagnostics.push(
            Diagnostic::error(codes::BAD_VALUE, message)
                .at(secret_node?.span)
                .help("such as `sk_` and what `openssl rand -hex 32` gives"),
        );
        return None;
    }
    Some(KeyPlan { name: name.value.to_owned(), secret, scopes: texts(scopes) })
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
