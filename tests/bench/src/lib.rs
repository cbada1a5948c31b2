//! What is measured: the same API under every engine, at any number of rules.
//!
//! Each resource brings eight rules; paths are about 60 bytes long, of up to seven segments, two of them parameters.
//! Requests follow Zipf's law over the rules. The peers are given the route template that a request belongs to, so they
//! are spared the matching that orgate does.

pub mod measure;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use orgate_claims::{
    IssuerUrl, Organization, OrganizationId, Permission, Principal, RoleName, SubjectId, UnixTime,
};
use orgate_policy::{
    Facts, Found, Place, Policy, PolicySpec, RequestTarget, Requirement, RoleSpec, RuleKey, RuleSpec, Subject,
};

/// The numbers of rules that are compared.
pub const SIZES: [usize; 3] = [10, 1_000, 10_000];
/// How many requests are prepared for each size.
const REQUESTS: usize = 1 << 14;
/// The host of every request.
const HOST: &str = "api.example.com";
/// What the caller may do.
const HELD: [&str; 3] = ["read", "write", "members"];

/// One rule: method, path template, requirement, and the one permission by which the peers decide.
#[derive(Clone, Debug)]
pub struct Route {
    pub method: &'static str,
    pub path: String,
    pub requirement: &'static str,
    pub permission: &'static str,
}

/// One request for the route `route`.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: &'static str,
    pub path: String,
    pub route: usize,
}

/// `count` rules.
#[must_use]
pub fn routes(count: usize) -> Vec<Route> {
    let of_resource = |at: usize| {
        let base = format!("/api/v1/orgs/{{org_id}}/{}-{at}", NAMES[at % NAMES.len()]);
        [
            ("GET", "", "read", "read"),
            ("POST", "", "write", "write"),
            ("GET", "/{id}", "read", "read"),
            ("PATCH", "/{id}", "write and not_frozen", "write"),
            ("DELETE", "/{id}", "role(owner, admin)", "delete"),
            ("GET", "/{id}/members", "read and members", "members"),
            ("POST", "/{id}/members/{member_id}", "members or role(owner)", "members"),
            ("GET", "/{id}/files/**", "read", "read"),
        ]
        .map(|(method, rest, requirement, permission)| Route {
            method,
            path: format!("{base}{rest}"),
            requirement,
            permission,
        })
    };
    let fixed = [
        Route { method: "ANY", path: "/**".into(), requirement: "deny", permission: "none" },
        Route { method: "GET", path: "/healthz".into(), requirement: "public", permission: "read" },
    ];
    fixed.into_iter().chain((0..).flat_map(of_resource)).take(count).collect()
}

const NAMES: [&str; 6] = ["projects", "invoices", "documents", "subscriptions", "webhooks", "environments"];

/// Requests by Zipf's law: the rule of rank r is asked for in proportion to 1/r. Ranks are spread over the rules.
#[must_use]
pub fn calls(routes: &[Route]) -> Vec<Call> {
    let mut total = 0.0;
    let cumulative: Vec<f64> = (1..=routes.len())
        .map(|rank| {
            total += 1.0 / rank as f64;
            total
        })
        .collect();
    let mut state = 7u64;
    let mut random = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (0..REQUESTS)
        .map(|_| {
            let at = (random() >> 11) as f64 / (1u64 << 53) as f64 * total;
            let rank = cumulative.partition_point(|sum| *sum < at).min(routes.len() - 1);
            let route = rank * 7919 % routes.len();
            let Route { method, path, .. } = &routes[route];
            let path = path
                .replace("{org_id}", "org_8f3a2c")
                .replace("{id}", &format!("{:08x}", random() as u32))
                .replace("{member_id}", "usr_51d0")
                .replace("**", "reports/q3.pdf");
            Call { method: if *method == "ANY" { "GET" } else { *method }, path, route }
        })
        .collect()
}

/// The policy as orgate reads it, roles included.
///
/// # Panics
/// If a rule cannot be read, which would be a mistake here.
#[must_use]
pub fn spec(routes: &[Route]) -> PolicySpec {
    let permission = |name: &str| Permission::parse(name).unwrap();
    let role = |name: &str, grants: &[&str]| RoleSpec {
        name: RoleName::parse(name).unwrap(),
        grants: grants.iter().map(|name| permission(name)).collect(),
        extends: Vec::new(),
        place: Place::default(),
    };
    let rules = (1u32..).zip(routes).map(|(line, route)| {
        let key = RuleKey::parse(&format!("{} {}", route.method, route.path)).unwrap();
        let requirement = Requirement::parse(route.requirement).unwrap();
        RuleSpec::new(key, requirement, Place { file: 0, line, column: 1 })
    });
    PolicySpec {
        rules: rules.collect(),
        permissions: ["read", "write", "members", "not_frozen"].map(permission).into(),
        roles: vec![
            role("viewer", &["read"]),
            role("member", &["read", "write", "not_frozen"]),
            role("admin", &["read", "write", "not_frozen", "members"]),
            role("owner", &["read", "write", "not_frozen", "members"]),
        ],
        ..PolicySpec::default()
    }
}

/// orgate with a caller, ready to decide.
pub struct Orgate {
    policy: Policy,
    subject: Subject,
}

impl Orgate {
    /// # Panics
    /// If the policy does not compile.
    #[must_use]
    pub fn new(spec: PolicySpec) -> Self {
        let policy = Policy::compile(spec).unwrap();
        let organization = Organization::new(OrganizationId::parse("org_8f3a2c").unwrap(), None);
        let issuer = IssuerUrl::parse("https://auth.example.com").unwrap();
        let principal = Principal::builder(issuer, SubjectId::parse("usr_51d0").unwrap())
            .organization(Some(organization))
            .permissions(Some(HELD.map(|name| Permission::parse(name).unwrap()).into()))
            .build();
        let subject = policy.subject(&principal);
        Self { policy, subject }
    }

    /// Everything between the request line and the verdict: the target is read, the rule found, its binding and its
    /// requirement judged.
    ///
    /// # Panics
    /// Never, for requests made here.
    #[must_use]
    pub fn decide(&self, method: &str, path: &str) -> bool {
        let target = RequestTarget::parse(method, path).and_then(|target| target.at_host(Some(HOST)));
        self.judge(&target.unwrap())
    }

    /// The same for a target that was read just before. Not inlined, so that its instructions can be told apart.
    #[must_use]
    #[inline(never)]
    pub fn judge(&self, target: &RequestTarget<'_>) -> bool {
        match self.policy.find(target) {
            Found::Rule(rule) => {
                let facts = Facts::at(UnixTime::from_seconds(1_800_000_000));
                rule.decide(Some(&self.subject), &facts) == orgate_policy::Decision::Allow
            }
            Found::NoRule | Found::MethodNotCovered => false,
        }
    }
}

/// One engine: `decide` takes that many decisions, one after the other.
pub struct Engine {
    pub name: &'static str,
    pub decide: Box<dyn FnMut(usize) -> Run>,
}

/// What a number of decisions gave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    /// How many allowed.
    pub allowed: usize,
    /// How long they took, without what was to be ready before.
    pub took: Duration,
}

/// How many targets are read before they are judged: as in service, they are in the processor's cache by then, and so
/// many that reading the clock does not count.
const AHEAD: usize = 64;

/// Every engine under the rules of one size.
#[must_use]
pub fn engines(count: usize) -> Vec<Engine> {
    ENGINES.iter().map(|name| engine(name, count)).collect()
}

/// The names of the engines; the first is what is measured against the rest.
pub const ENGINES: [&str; 6] =
    ["orgate", "orgate, match and decide", "matchit", "casbin", "regorus", "cedar"];

/// One engine under the rules of one size.
///
/// # Panics
/// If there is no engine of this name.
#[must_use]
pub fn engine(name: &str, count: usize) -> Engine {
    let routes = routes(count);
    let calls = calls(&routes);
    match name {
        "orgate" => {
            let orgate = Orgate::new(spec(&routes));
            over(ENGINES[0], calls, move |call| orgate.decide(call.method, &call.path))
        }
        "orgate, match and decide" => match_and_decide(&routes, calls.leak()),
        "matchit" => matchit(&routes, calls),
        "casbin" => casbin(&routes, calls),
        "regorus" => regorus(&routes, calls),
        "cedar" => cedar(&routes, calls),
        other => panic!("no engine is called {other}"),
    }
}

/// Takes `items` in turn.
fn over<T: 'static>(
    name: &'static str,
    items: Vec<T>,
    mut decide: impl FnMut(&T) -> bool + 'static,
) -> Engine {
    let mut at = 0;
    let decide = move |times: usize| {
        let (start, mut allowed) = (Instant::now(), 0);
        for _ in 0..times {
            at = (at + 1) % items.len();
            allowed += usize::from(black_box(decide(black_box(&items[at]))));
        }
        Run { allowed, took: start.elapsed() }
    };
    Engine { name, decide: Box::new(decide) }
}

/// Reads targets, without its time, and judges them.
fn match_and_decide(routes: &[Route], calls: &'static [Call]) -> Engine {
    let orgate = Orgate::new(spec(routes));
    let mut targets = Vec::with_capacity(AHEAD);
    let mut calls = calls.iter().cycle();
    let decide = move |times: usize| {
        let mut run = Run::default();
        let mut left = times;
        while left > 0 {
            targets.clear();
            targets.extend(calls.by_ref().take(left.min(AHEAD)).map(|call| {
                let target = RequestTarget::parse(call.method, &call.path);
                target.and_then(|target| target.at_host(Some(HOST))).unwrap()
            }));
            left -= targets.len();
            let start = Instant::now();
            for target in &targets {
                run.allowed += usize::from(black_box(orgate.judge(black_box(target))));
            }
            run.took += start.elapsed();
        }
        run
    };
    Engine { name: ENGINES[1], decide: Box::new(decide) }
}

/// Only the match, and only of the routes that it can hold beside each other: it has no methods, no `**` for nothing and
/// no requirement.
fn matchit(routes: &[Route], calls: Vec<Call>) -> Engine {
    let mut router = ::matchit::Router::new();
    for (at, route) in routes.iter().enumerate() {
        let _ = router.insert(route.path.replace("**", "{*rest}"), at);
    }
    over("matchit", calls, move |call| router.at(&call.path).is_ok())
}

fn casbin(routes: &[Route], calls: Vec<Call>) -> Engine {
    use ::casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi};
    const MODEL: &str = "[request_definition]\nr = permission, method, route\n\
        [policy_definition]\np = permission, method, route\n\
        [policy_effect]\ne = some(where (p.eft == allow))\n\
        [matchers]\nm = r.route == p.route && r.method == p.method && r.permission == p.permission\n";
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let lines = routes.iter().map(|r| vec![r.permission.into(), r.method.into(), r.path.clone()]).collect();
    let enforcer = runtime.block_on(async {
        let model = DefaultModel::from_str(MODEL).await.unwrap();
        let mut enforcer = Enforcer::new(model, MemoryAdapter::default()).await.unwrap();
        enforcer.add_policies(lines).await.unwrap();
        enforcer
    });
    let routes = routes.to_vec();
    over("casbin", calls, move |call| {
        let route = &routes[call.route];
        HELD.contains(&route.permission)
            && enforcer.enforce((route.permission, call.method, route.path.as_str())).unwrap()
    })
}

fn regorus(routes: &[Route], calls: Vec<Call>) -> Engine {
    let mut engine = ::regorus::Engine::new();
    let policy = "package authz\ndefault allow := false\n\
        allow if { data.routes[input.route] == input.permissions[_] }";
    engine.add_policy("p.rego".into(), policy.into()).unwrap();
    let name = |route: &Route| format!("{} {}", route.method, route.path);
    let data: serde_json::Map<_, _> =
        routes.iter().map(|route| (name(route), route.permission.into())).collect();
    let data = serde_json::json!({ "routes": data }).to_string();
    engine.add_data(::regorus::Value::from_json_str(&data).unwrap()).unwrap();
    let compiled = engine.compile_with_entrypoint(&"data.authz.allow".into()).unwrap();
    let inputs = calls.iter().map(|call| {
        let text = serde_json::json!({ "route": name(&routes[call.route]), "permissions": HELD }).to_string();
        ::regorus::Value::from_json_str(&text).unwrap()
    });
    let yes = ::regorus::Value::from(true);
    over("regorus", inputs.collect(), move |input| compiled.eval_with_input(input.clone()).unwrap() == yes)
}

fn cedar(routes: &[Route], calls: Vec<Call>) -> Engine {
    use cedar_policy::{
        Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request, RestrictedExpression,
    };
    let text: String = routes
        .iter()
        .map(|route| {
            format!(
                "permit(principal, action == Action::\"{}\", resource == Route::\"{}\") \
                 when {{ context.permissions.contains(\"{}\") }};\n",
                route.method, route.path, route.permission
            )
        })
        .collect();
    let policies: PolicySet = text.parse().unwrap();
    let principal: EntityUid = "User::\"usr_51d0\"".parse().unwrap();
    let held =
        || RestrictedExpression::new_set(HELD.map(|name| RestrictedExpression::new_string(name.into())));
    let requests = calls.iter().take(1 << 10).map(|call| {
        let route = &routes[call.route];
        Request::new(
            principal.clone(),
            format!("Action::\"{}\"", route.method).parse().unwrap(),
            format!("Route::\"{}\"", route.path).parse().unwrap(),
            Context::from_pairs([("permissions".to_owned(), held())]).unwrap(),
            None,
        )
        .unwrap()
    });
    let (authorizer, entities) = (Authorizer::new(), Entities::empty());
    over("cedar", requests.collect(), move |request| {
        authorizer.is_authorized(request, &policies, &entities).decision() == Decision::Allow
    })
}
