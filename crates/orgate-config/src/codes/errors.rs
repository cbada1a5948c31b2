//! What keeps a policy from being enforced. What a code means never changes.

codes! {
    SYNTAX = "E001", "the file is not well-formed",
"The file cannot be read as YAML, JSON or TOML, by the end of its name. The place is where reading stopped; the cause may be a little before it.

    rules:
      GET /healthz: \"public        # the quote is never closed

Indentation is made of spaces; a tab is never indentation.";

    ENCODING = "E002", "the file is not plain UTF-8 text",
"A file is UTF-8 without a byte order mark. Characters that a reader does not see are refused, because they make a rule
look like another one: control characters, zero-width characters, and those that change the direction of text.

    GET /adm<U+200B>in: deny        # looks like /admin and is not";

    LIMIT = "E003", "the file is too large or too deep",
"A file has at most 1 MiB, and a policy at most 4 MiB with what it includes; maps and lists are nested at most 32 levels deep
and have at most 25 000 entries each, and all of them together 130 000 keys and values. Reading ends at what is more.";

    NOT_IN_FORMAT = "E004", "a construct that is not part of the format",
"Anchors, aliases, merge keys, tags, directives, keys that are not texts, more than one document in a file, and the dates
of TOML have no counterpart in the other formats, and they hide the effect of a line from whoever reviews a change. Write values out.

    base: &base {issuer: https://a.example}      # E004
    main: {<<: *base}                            # E004";

    INCLUDE = "E005", "a file that cannot be included",
"`include:` names files below the directory of the policy file; `*` stands for any part of one name. A pattern that
matches nothing, a path that leads out of the directory (by `..`, by a link, or from the root), and a file that cannot
be read are errors: a policy must never be read as less than it says. At most 64 files are included.

    include: [policies/*.orgate.yaml]";

    FRAGMENT = "E006", "a fragment says what only the policy file can",
"A file that is included speaks of one part of the application: `base` stands before each of its paths. It holds
`permissions`, `conditions` and `rules`. Whatever concerns the whole application, such as issuers, roles, bindings and
hosts, stands in the policy file, and a fragment includes nothing.

    base: /billing
    permissions: {billing:read: See invoices}
    rules:
      GET /invoices/**: billing:read      # GET /billing/invoices/**";

    UNKNOWN_KEY = "E010", "an unknown key",
"Keys that are not known are never passed over: a misspelt key would silently lose its effect. Keys that start with `x-`
belong to other tools and are ignored.

    issuers:
      main: {isuer: https://a.example}      # did you mean `issuer`?";

    MISSING_KEY = "E011", "a required key is missing",
"The map lacks a key without which it has no meaning. A policy file needs `version` and `rules`; an issuer needs `issuer`
and `audience`.";

    WRONG_TYPE = "E012", "a value of the wrong kind",
"A text was expected where there is a number, a list where there is a map, and so on. Quotes make a value a text.

    audience: 42            # write \"42\"";

    BAD_VALUE = "E013", "a value that does not fit",
"The value has the right kind and the wrong content: a duration without a unit, a number out of bounds, a word that is
none of the choices.

    leeway: 30              # write 30s
    leeway: 10m             # at most 5m";

    UNSUPPORTED = "E014", "not supported by this version",
"The key or value belongs to the policy language, but this version of orgate does not enforce it. It is refused and not
ignored: a policy must never be read as less than it says.";

    INTERPOLATION = "E015", "`${…}` where it is not allowed",
"Environment variables may stand only in issuer URLs, audiences and key locations. Everywhere else a reviewer must see the
policy that is enforced.

    issuer: ${ISSUER:-https://auth.example.com}     # allowed
    GET /a: ${WHO}                                  # E015";

    UNSET_VARIABLE = "E016", "an environment variable is not set",
"`${NAME}` needs the variable; `${NAME:-default}` does not. An empty variable counts as not set.";

    TOO_OLD = "E017", "the policy needs a newer orgate",
"`min_orgate` names the first version that enforces everything the policy says. An older one would refuse the file anyway,
because of keys that it does not know; this is the message that says why.

    min_orgate: \"0.6\"";

    NO_RULES = "E018", "the policy has no rules",
"Without a rule nothing can be reached; that is never meant. The smallest rule is

    rules:
      GET /healthz: public";

    NO_ISSUER = "E019", "no issuer is trusted",
"A rule demands a credential, but `issuers:` names nobody whose credentials would be accepted.

    issuers:
      main: {issuer: https://auth.example.com, audience: my-api}";

    RULE_KEY = "E020", "a rule key that cannot be read",
"A rule's key is a request line: one or more methods joined by `|`, or `ANY`, a space, and a path pattern. A pattern has
segments that are literal, `{name}` or `*`, and may end in `**`. Before the path there may be a host: `admin.example.com`,
or `*.example.com` and `{tenant}.example.com` for one or more labels before a suffix.

    GET /projects/{id}: read
    POST|PUT /projects/**: write
    GET admin.example.com/metrics: role(owner)";

    REQUIREMENT = "E021", "a requirement that cannot be read",
"A requirement is `public`, `optional`, `deny`, or an expression over permissions, `role(…)`, `org` and `authenticated`
with `and`, `or`, `not` and parentheses. `and` and `or` are not mixed without parentheses.

    GET /a: read and (write or role(admin))";

    PERMISSION = "E031", "an unknown permission",
"Rules may only name permissions that are declared under `permissions:`, granted by a role, or brought by the profiles
`orgate` and `astapa`. An unknown one is nearly always a misspelling, and would lock everybody out.

    DELETE /orgs/{org_id}: delet_org        # did you mean `delete_org`?";

    ROLE = "E032", "an unknown role",
"`role(…)` and `extends` may only name roles that are declared under `roles:` or brought by a profile.";

    ROLE_CYCLE = "E033", "a role extends itself",
"`extends` goes in a circle, so what the role grants has no end.

    member: {extends: admin}
    admin: {extends: member}";

    BAD_NAME = "E034", "a name that cannot be used",
"A permission has 1 to 128 letters, digits and `._:/-`, starts with a letter or digit, and is none of the words of the
requirement language (`public`, `and`, `org` …), no integer, and does not start like an operand (`path.`, `claims.` …).";

    UNBOUND = "E035", "`unbound` names something that is not bound",
"`unbound` takes back a binding of a parameter that occurs in the rule. Naming anything else has no effect, and is
therefore a mistake.";

    CONDITION = "E036", "a condition that cannot be one",
"A condition has a name of its own and says only comparisons, joined by `and`, `or` and `not`. Permissions, roles and other
conditions are joined with it in the rule.

    conditions:
      same_team: path.team_id == claims.team_id
    rules:
      PATCH /teams/{team_id}: write and same_team";

    CLAIM_USE = "E037", "a claim that is compared in two ways",
"A claim holds one value, which `==` and `!=` compare, or a list of texts, which `in` asks. A token in which it has the
other form is refused, so a policy cannot ask for both.

    a: claims.team == path.team
    b: sub in claims.team            # E037";

    AUTHENTICATOR = "E038", "an unknown authenticator",
"`via(…)` names an authenticator that is not declared under `authenticators:`.";

    NOT_CAPTURED = "E039", "a comparison with what the rule does not capture",
"`path.x` is a parameter `{x}` of the rule's path, `host.x` the variable part of its host. A rule without it would compare
with nothing, and the comparison would never hold.

    GET /teams/{team_id}: path.team == claims.team      # write path.team_id";

    DUPLICATE = "E040", "the same thing is written twice",
"Two rules for one method and path, or a key that is repeated: one of them would win by accident.";

    PARAMETER_NAMES = "E041", "one path with different parameter names",
"Bindings go by name. If `GET /orgs/{org_id}` is bound and `DELETE /orgs/{id}` is not, the second one is open by
accident; the same segment has one name.";

    AMBIGUOUS = "E042", "ambiguous rules",
"Two rules cover the same request, neither is more specific, and they demand different things. The message shows the
line that settles it.

    GET /a/{x}/c: read
    GET /a/b/{y}: public
    GET /a/b/c: read            # this line settles it";

    WEAKER_ANY = "E043", "a method falls to a weaker rule",
"A path restricts some methods, and another method of the same path falls to an `ANY` rule that is weaker than all of
them: it lets in everybody whom they let in and somebody besides, of anonymous callers and the holders of the declared
roles, in their own or another organization. Name the methods you mean, or refuse the others. A broader rule that names
the method is no finding.

    GET|POST /admin/users: role(owner)
    ANY /**: read               # DELETE /admin/users is left at `read`
    ANY /admin/users: deny      # this line settles it";

    SAME_ISSUER = "E044", "two issuers with one URL",
"A token chooses its issuer by its exact `iss`; two entries for one URL would be two readings of one token.";

    UNREACHABLE = "E045", "a rule that no request reaches",
"Narrower rules take every request of the rule, so it has no effect. Either it is a leftover, or one of the others says
more than was meant.

    GET /a/**: read         # never used
    GET /a: public
    GET /a/*/**: write";

    NO_AUDIENCE = "E050", "an issuer without an audience",
"Without an audience, a token that the issuer made for another service is accepted here (RFC 8725 §3.9). Name the
audience of this service; if the issuer writes none, say so with `audience: any`.

    main: {issuer: https://auth.example.com, audience: my-api}";

    PUBLIC_BOUND = "E051", "a public rule on a path with an organization",
"A public request has no caller whose organization could be compared with the one in the path. If anybody may see every
organization there, say so.

    GET /orgs/{org_id}/logo: {require: public, unbound: [org_id]}";

    WEAKER_HEAD = "E052", "a HEAD rule that is weaker than GET",
"Most frameworks answer HEAD with the handler of GET, so whoever may send HEAD learns what GET would have told. Without a
rule of its own, HEAD is judged by GET's. What counts is the rule that answers GET on the paths of the HEAD rule, also
one with a broader path or host.

    GET /report: read
    HEAD /report: public     # E052";

    INSECURE_URL = "E053", "an address that is not protected",
"Keys fetched over plain http can be replaced on the way, and with them everything is open. Only loopback addresses
(`127.0.0.1`, `[::1]`, `localhost`) may use http.";

    ALGORITHM = "E054", "an algorithm that proves nothing",
"`none` is no signature. It is never accepted.";

    MIXED_KEYS = "E055", "a secret and published keys side by side",
"HS256, HS384 and HS512 are signed with a secret that both sides hold, all others with a key whose public half anybody may
have. An issuer has the one or the other: where both are accepted, a public key can be passed off as the secret (RFC 8725
§2.1). With `keys: {secret: …}` the algorithm is HS256 unless `algorithms` says otherwise.

    keys: {secret: {env: ISSUER_SECRET}}
    algorithms: [HS256, RS256]      # E055";

    SECRET_LITERAL = "E056", "a secret in the policy file",
"A policy file lies in a repository and is read by reviewers, so it names where a secret is and never holds one. A secret that
was committed is known; change it.

    secret: whsec_…                 # E056
    secret: {env: STRIPE_SECRET}    # or {file: /run/secrets/stripe}";

    LIVE_WITHOUT_INTROSPECTION = "E057", "an issuer that cannot be asked",
"A rule says `fresh: live`: the issuer is asked for each request whether the token still stands (RFC 7662). Every issuer
whose tokens could come there must say where it is asked. A rule that looks at no token, because it is public or names
another authenticator, has nothing to ask.

    introspect: {url: https://auth.example.com/introspect, client_id: gate, secret: {env: GATE_SECRET}}";

    OBSERVED_TOO_LONG = "E058", "a policy that was to be enforced by now",
"`mode: observe` lets everything through and only tells what it would refuse. Its last day, `until`, is over. A gate that
runs goes on as it is; one that starts says so in its log.

    mode: observe
    until: 2027-01-31";

    LIMIT_WITHOUT_CALLER = "E059", "a limit that has nobody to count",
"`limit:` counts the requests of each organization or each subject. A public rule does not look who calls, an optional one
lets in callers who are nobody, a signed delivery has one sender for all, and `deny` lets nobody in. What comes from
strangers is limited by address, in front of the gate.

    GET /search: {require: public, limit: 10/s per sub}           # E059
    GET /search: {require: authenticated, limit: 10/s per sub}";

    AMBIGUOUS_OPAQUE = "E060", "opaque tokens that could be of two issuers",
"An opaque token says nothing itself, so its issuer is known by what it begins with. Where that could mean two issuers, one of
them would be shown the tokens of the other. At most one issuer is asked about whatever begins with nothing that another one
has.

    a: {…, introspect: {…, opaque: true}}
    b: {…, introspect: {…, opaque: true}}               # E060
    b: {…, introspect: {…, opaque: {prefix: sk_}}}";

    TOO_MANY = "E090", "too many of something",
"A policy has at most 20 000 rules, 1 024 permissions, 256 roles, 256 hosts, 256 bindings, 4 096 conditions, 32 issuers and
64 authenticators. A section that has far more is not read to its end.
Where thousands of rules cross thousands of others (`/a/{x}/b` and `/a/c/{y}`) and say different things, comparing them ends
after a million steps. Rules with one requirement may cross in any number.";

    WORST_CASE = "E091", "rules among which a request could take too long to find its own",
"Where literals and parameters stand beside each other at many depths, one request may have to be compared along many ways.
A policy in which it could be more than 256 places is refused, so that no request can be made slow on purpose. Write fewer
patterns that begin with different mixtures of literals and parameters.";
}
