//! What somebody should look at. What a code means never changes.

codes! {
    UNTESTED = "W012", "a rule without a test",
"Off unless the policy has `lint: {require_tests: warn}`, or `error`. The file of tests beside the policy has no case that the
rule lets through, or none that it keeps out, and so nothing would tell if it did something else. `orgate test --coverage`
lists the same rules. The gate itself does not look for tests.

    principals:
      ann: {role: owner, org: acme}
      bob: {role: viewer, org: acme}
    cases:
      DELETE /orgs/acme: [ann]          # ann is let through, bob is kept out";

    DEAD_RULE = "W020", "no declared role can satisfy a requirement",
"The rule is dead: none of the roles holds what it demands.";

    CONTRADICTION = "W021", "a requirement that can never hold",
"Whatever the caller is and has, the requirement does not hold. `deny` says so openly.

    GET /a: read and not read";

    TAUTOLOGY = "W022", "a requirement that always holds",
"Whatever the caller has, the requirement holds. `authenticated` says so openly.

    GET /a: read or not read";

    NEGATIVE_PERMISSION = "W023", "a right that comes from lacking a permission",
"`not` over a permission lets in a token with fewer rights and refuses one with more. Tokens lose permissions for many
reasons (a narrower scope, another issuer), and none of them should open anything.

    GET /trial: not billing:read";

    NEGATIVE_COMPARISON = "W024", "a right that comes from an absent value",
"A comparison does not hold where one of its values is absent: so `not` over one lets in whoever leaves the value away, and a
caller chooses which headers and parameters of the query to send. `!=` demands that the value is there.

    GET /beta: read and not header.x-beta == \"off\"     # without the header one gets in
    GET /beta: read and header.x-beta != \"off\"";

    LIMIT_WITHOUT_ORGANIZATION = "W025", "a limit for organizations, on a rule that needs none",
"`limit: … per org` counts the callers of an organization together. Whoever has no active organization is counted by
himself, so a rule that lets such callers in has a limit for each of them besides.

    GET /docs: {require: read and org, limit: 100/s per org}";

    DRIFT = "W031", "an operation without a rule of its own",
"An operation of the API description, or a route of the application, is matched by no rule, or only by a `**` that was
written for whatever is left. It may be open to more callers than whoever wrote the operation thought, or to nobody.
Give it a rule.

    orgate check --openapi openapi.yaml";

    NO_OPERATION = "W032", "a rule without an operation",
"The API description, or the list of routes, has nothing that the rule could be about. Either the rule is left over, or its
path is misspelt, and then what it should protect is matched by something else.

    orgate check --openapi openapi.yaml";

    ROLE_DEMANDED = "W040", "a rule demands a role and not a permission",
"Off unless the policy has `lint: {prefer_permissions: warn}`. A permission says what a rule is about, and the table of
roles says who has it; a role in a rule says both at once, in many places.

    DELETE /projects/{id}: role(owner)
    DELETE /projects/{id}: delete_project     # roles: {owner: {grants: [delete_project]}}";

    UNUSED_ALLOW = "W041", "an `allow` that silences nothing",
"A rule may silence one warning by its code, with a note that says why. Where there is nothing to silence, the entry is old
or misspelt, and would hide what comes later.

    GET /tenants/{tenant}: {require: read, allow: [W052], note: \"tenants are no organizations here\"}";

    FEED_UNREAD = "W050", "an issuer whose change feed is not read",
"Who is removed from an organization, demoted or signed out keeps the rights of the token they have until it ends: five
minutes after it was issued, unless the issuer says otherwise. The companion issuer tells at once what it revokes; a gate that
reads this feed refuses such a token within a second. It needs a project key of the scope `feed`.

    issuers:
      main: {issuer: \"https://id.example/p/proj_demo\", audience: api, profile: orgate, feed: {key: {env: FEED_KEY}}}

`feed: off` says that the life of a token is short enough.";

    ANY_AUDIENCE = "W051", "tokens made for other services are accepted",
"`audience: any` accepts every token of the issuer, also those made for other services. Whoever receives such a token can
use it here.";

    UNBOUND_ORGANIZATION = "W052", "a parameter that looks like an organization and is not bound",
"`{org_id}`, `{org_slug}` and `{org}` are compared with the caller's organization by themselves. Another spelling is only a
parameter: members of every organization get in. Rename it, or bind it.

    bind: {tenant: org.id}";

    OPEN_CATCH_ALL = "W053", "an open catch-all beside narrower rules",
"Whatever misses the narrower rule by a letter, or is spelt as only the application understands it, falls into the open one.
Name the paths that are open instead.

    GET /files/**: public
    GET /files/private/**: read     # /files/Private/x is public";

    TOKEN_IN_QUERY = "W054", "tokens travel in addresses",
"An address is written down where a header is not: in the history of a browser, in the logs of every server on the way, in the
`Referer` of the next page. The gate takes the parameter out of what it forwards, and logs none of it; what is in front of it
may not (RFC 6750 §5.3). Where a page opens a WebSocket, the token can travel among the subprotocols instead.

    token: {from: [bearer, {query: access_token}]}                  # W054
    token: {from: [bearer, {websocket_protocol: bearer}]}";

    FULL_DISCLOSURE = "W056", "refusals show the policy to everybody",
"`deny.disclose: full` adds the file and the line of the rule to every refusal. It helps while a policy is written; in
production it tells strangers how the policy is built.

    deny: {disclose: permission}";

    UNION = "W057", "rights that the issuer took away come back",
"With `permissions_from: union` a role grants its permissions also where the token lists fewer: what the issuer took away
from one person is given back by the role.

    permissions_from: token_else_role       # the role counts only where the token lists no permissions";

    UNUSED_CLAIM = "W058", "a claim is declared and no rule compares it",
"`claims.NAME` under an issuer says where a rule finds that claim. No rule or condition compares this one; perhaps the name
is misspelt here or there.

    issuers:
      main: {issuer: https://auth.example.com, audience: my-api, claims: {claims.team: [/team/id]}}
    rules:
      GET /teams/{team}: path.team == claims.team";

    LOGGED_REFUSED = "W059", "requests of the access log would be refused",
"`orgate check --log ACCESS_LOG` reads what was asked of the application so far. These requests are answered 400
`bad_request_target` whatever the rules say, because their target can be read in two ways. Mend who sends them, or see
`paths:`, which accepts some of it.

    paths: {normalize: true}";
}
