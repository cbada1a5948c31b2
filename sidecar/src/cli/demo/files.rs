//! What the demo is made of: one project, its people, one policy.

/// The project's id, which is also the id of its default client.
pub(super) const PROJECT: &str = "proj_demo";
/// For whom the project's tokens are.
pub(super) const AUDIENCE: &str = "demo-api";
/// Where the hosted sign-in sends people back to. Nothing listens there: the demo reads the code from the redirect.
pub(super) const REDIRECT_URI: &str = "http://127.0.0.1:3000/callback";
/// The secret of the project's client; the project lives as long as the demo.
pub(super) const CLIENT_SECRET: &str = "demo client secret";
/// The key by which its change feed is read.
pub(super) const FEED_KEY: &str = "sk_a_key_that_lives_as_long_as_the_demo_does";
/// The password of all its people.
pub(super) const PASSWORD: &str = "correct horse battery";
/// Who looks at the console of the issuer.
pub(super) const OPERATOR: &str = "operator@example.com";
/// The organization that the four people belong to.
pub(super) const ORGANIZATION: &str = "org_acme";
/// Another organization, to knock at.
pub(super) const OTHER_ORGANIZATION: &str = "org_globex";
/// The built-in roles, one person each.
pub(super) const ROLES: [&str; 4] = ["owner", "admin", "member", "viewer"];

/// The mail address of the person with `role`.
pub(super) fn address(role: &str) -> String {
    format!("{role}@example.com")
}

/// The issuer's bootstrap file.
pub(super) fn bootstrap() -> String {
    let users: String = ROLES
        .iter()
        .chain(&["stranger"])
        .map(|role| {
            let address = address(role);
            format!(
                "      - {{id: usr_{role}, email: {address}, password: {PASSWORD}, email_verified: true}}\n"
            )
        })
        .collect();
    let members: Vec<String> = ROLES
        .iter()
        .filter(|role| **role != "owner")
        .map(|role| format!("{{user: {}, role: {role}}}", address(role)))
        .collect();
    let (owner, stranger, members) = (address("owner"), address("stranger"), members.join(", "));
    format!(
        "projects:\n\
         \x20 - id: {PROJECT}\n\
         \x20   name: Demo\n\
         \x20   org_enabled: true\n\
         \x20   audience: [{AUDIENCE}]\n\
         \x20   access_ttl: 1h\n\
         \x20   redirect_uris: [\"{REDIRECT_URI}\"]\n\
         \x20   client_secret: {CLIENT_SECRET}\n\
         \x20   keys: [{{name: gate, secret: {FEED_KEY}, scopes: [feed]}}]\n\
         \x20   operators: [{{email: {OPERATOR}, password: {PASSWORD}}}]\n\
         \x20   users:\n{users}\
         \x20   organizations:\n\
         \x20     - {{id: {ORGANIZATION}, slug: acme, name: Acme Corp, owner: {owner}, members: [{members}]}}\n\
         \x20     - {{id: {OTHER_ORGANIZATION}, slug: globex, name: Globex, owner: {stranger}}}\n"
    )
}

/// The policy that both doors enforce.
pub(super) fn policy(issuer: &str) -> String {
    let mut text = format!(
        "version: 1\n\
         issuers:\n\
         \x20 demo: {{issuer: \"{issuer}\", audience: {AUDIENCE}, profile: orgate, feed: off}}\n\
         rules:\n"
    );
    for route in ROUTES {
        text.push_str(&format!("  {} {}: {}\n", route.method, route.pattern, route.requirement));
    }
    text
}

/// One rule of the demo's policy and the request that tries it.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) pattern: &'static str,
    pub(super) requirement: &'static str,
    /// A path that the pattern matches, in the organization of the four.
    pub(super) path: &'static str,
    /// Which of the four roles may do it, in the order of [`ROLES`]; the built-in matrix, written out.
    pub(super) allowed: [bool; 4],
}

const fn route(
    line: (&'static str, &'static str, &'static str),
    path: &'static str,
    allowed: [bool; 4],
) -> Route {
    Route { method: line.0, pattern: line.1, requirement: line.2, path, allowed }
}

/// The policy: a public route, and one route for each of the seven permissions.
pub(super) const ROUTES: [Route; 8] = [
    route(("GET", "/healthz", "public"), "/healthz", [true; 4]),
    route(("GET", "/docs", "read"), "/docs", [true; 4]),
    route(("POST", "/docs", "write"), "/docs", [true, true, true, false]),
    route(("POST", "/members", "invite"), "/members", [true, true, false, false]),
    route(("DELETE", "/members/{id}", "remove_members"), "/members/mem_7", [true, true, false, false]),
    route(("PUT", "/members/{id}", "change_roles"), "/members/mem_7", [true, true, false, false]),
    route(("DELETE", "/orgs/{org_id}", "delete_org"), "/orgs/org_acme", [true, false, false, false]),
    route(
        ("POST", "/orgs/{org_id}/transfer", "transfer_ownership"),
        "/orgs/org_acme/transfer",
        [true, false, false, false],
    ),
];
