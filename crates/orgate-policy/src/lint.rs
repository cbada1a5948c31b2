//! What a policy may say and probably does not mean.
//!
//! Errors: methods that are left to a weaker rule (`fall`), rules that no request reaches (`reach`). Warnings: an open
//! catch-all beside narrower rules, a parameter that looks like an organization and is not bound, a requirement that
//! nobody or everybody meets, a right that comes from lacking one.

use crate::{
    BindSource, BindSpec, HostPattern, PolicyError, PolicySpec, Relation, RuleSpec,
    audience::{Audiences, Callers, Share},
    bind::with_defaults,
    conditions, fall,
    host::host_relation,
    judge::vocabulary_of,
    key::Methods,
    limit,
    methods::MethodNumbers,
    reach,
    requirement::{Expression, Kind, Operand},
    shapes::Shapes,
};

/// What is never meant, although each rule by itself is well written.
pub(crate) fn errors(
    shapes: &Shapes<'_>,
    audiences: &mut Audiences<'_>,
    methods: &MethodNumbers,
) -> Vec<PolicyError> {
    let mut errors = fall::weaker_heads(shapes, audiences, methods);
    errors.extend(fall::weaker_any(shapes, audiences, methods));
    errors.extend(reach::unreachable(shapes, methods));
    errors
}

/// The most places that a walk may visit for one request.
const MAX_VISITS: u64 = 256;

/// Patterns among which one request could be made to take long on purpose.
pub(crate) fn too_slow(shapes: &Shapes<'_>) -> Option<PolicyError> {
    let (visits, rule) = shapes.worst_case();
    if visits <= MAX_VISITS {
        return None;
    }
    let rule = shapes.rule(rule?)?;
    let message =
        format!("a request could have to be compared at {visits} places; at most {MAX_VISITS} are allowed");
    Some(PolicyError::new("E091", rule.place, message).help(
        "many patterns mix literals and parameters at the same depths; let them begin with different literals",
    ))
}

impl PolicySpec {
    /// What somebody should look at before this policy is enforced. None of it keeps the policy from working.
    #[must_use]
    pub fn warnings(&self) -> Vec<PolicyError> {
        let mut placed;
        let mut spec = self;
        if !self.conditions.is_empty() {
            placed = self.clone();
            if !conditions::put_in_place(&mut placed, &mut Vec::new()) {
                return Vec::new();
            }
            spec = &placed;
        }
        let bind = with_defaults(&spec.bind);
        let vocabulary = vocabulary_of(spec);
        warnings(spec, &bind, &mut Audiences::new(spec, &bind, &vocabulary))
    }
}

/// The warnings of a policy whose conditions stand in their places.
pub(crate) fn warnings(
    spec: &PolicySpec,
    bind: &[BindSpec],
    audiences: &mut Audiences<'_>,
) -> Vec<PolicyError> {
    audiences.start_anew();
    let mut warnings = Vec::new();
    let closed: Vec<&RuleSpec> = spec.rules.iter().filter(|rule| !is_open(rule)).collect();
    let mut comparisons = MAX_COMPARISONS;
    for (at, rule) in spec.rules.iter().enumerate() {
        warnings.extend(looks_like_an_organization(rule, bind));
        warnings.extend(open_catch_all(rule, &closed, &mut comparisons));
        warnings.extend(nobody_or_everybody(at, rule, audiences));
        warnings.extend(negative_permission(rule));
        warnings.extend(negative_comparison(rule));
        warnings.extend(limit::without_organization(rule, bind));
    }
    warnings
}

/// A requirement that no role meets, that nobody can meet, or that every caller meets.
fn nobody_or_everybody(at: usize, rule: &RuleSpec, audiences: &Audiences<'_>) -> Option<PolicyError> {
    let text = rule.requirement.as_str();
    let (code, message, help) = match audiences.share(at, Callers::Everybody) {
        Some(Share::None) => {
            ("W021", format!("`{text}` can never hold"), "write `deny` if nobody is to get in")
        }
        Some(Share::All) if audiences.asks(at) => (
            "W022",
            format!("`{text}` always holds"),
            "write `authenticated` if every caller with a valid credential is to get in",
        ),
        _ if audiences.has_roles() && audiences.share(at, Callers::Roles) == Some(Share::None) => (
            "W020",
            format!("no declared role can satisfy `{text}`"),
            "grant what it demands to a role, or leave the rule away",
        ),
        _ => return None,
    };
    let error = PolicyError::new(code, rule.place, message).help(help);
    Some(error.in_requirement(0, text.len()))
}

/// A permission under an odd number of `not`.
fn negative_permission(rule: &RuleSpec) -> Option<PolicyError> {
    let Kind::Expression(expression) = rule.requirement.kind() else { return None };
    let mut pending = vec![(expression, false)];
    while let Some((next, negated)) = pending.pop() {
        match next {
            Expression::Permission(permission) if negated => {
                let name = &permission.name;
                let message = format!("whoever lacks `{name}` gets in, and whoever has it does not");
                let error = PolicyError::new("W023", rule.place, message).help(
                    "demand what the caller must have; a token with fewer rights should never open more",
                );
                return Some(error.in_requirement(permission.at, name.as_str().len()));
            }
            Expression::Not(inner) => pending.push((inner, !negated)),
            Expression::All(terms) | Expression::Any(terms) => {
                pending.extend(terms.iter().rev().map(|term| (term, negated)));
            }
            _ => {}
        }
    }
    None
}

/// A comparison with what the caller may leave away, under an odd number of `not`.
fn negative_comparison(rule: &RuleSpec) -> Option<PolicyError> {
    let optional = |operand: &Operand| matches!(operand, Operand::Header(_) | Operand::Query(_));
    let Kind::Expression(expression) = rule.requirement.kind() else { return None };
    // With the place in the requirement, which for what a condition says is that of its name.
    let mut pending = vec![(expression, false, None)];
    while let Some((next, negated, place)) = pending.pop() {
        match next {
            Expression::Compare(comparison) if negated => {
                let values = [&comparison.left, &comparison.right];
                let Some(value) = values.into_iter().find(|value| optional(value)) else { continue };
                let (at, len) = place.unwrap_or((comparison.at, comparison.len));
                let message = format!("whoever sends no `{value}` gets in");
                let error = PolicyError::new("W024", rule.place, message)
                    .help("write `!=`, which demands that the value is there");
                return Some(error.in_requirement(at, len));
            }
            Expression::Not(inner) => pending.push((inner, !negated, place)),
            Expression::Condition(name, inner) => {
                pending.push((inner, negated, place.or(Some((name.at, name.name.len())))));
            }
            Expression::All(terms) | Expression::Any(terms) => {
                pending.extend(terms.iter().rev().map(|term| (term, negated, place)));
            }
            _ => {}
        }
    }
    None
}

/// A parameter by whose name one would expect it to be the caller's organization.
fn looks_like_an_organization(rule: &RuleSpec, bind: &[BindSpec]) -> Option<PolicyError> {
    let looks = |name: &str| {
        let folded: String =
            name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        let stem = folded.strip_suffix("id").or_else(|| folded.strip_suffix("slug")).unwrap_or(&folded);
        ["org", "organization", "organisation", "tenant", "workspace"].contains(&stem)
    };
    let in_path = rule.key.pattern().parameters().map(|(name, _)| BindSource::Path(name.into()));
    let in_host = rule.key.host().and_then(HostPattern::parameter).map(|name| BindSource::Host(name.into()));
    let mut captured =
        in_path.chain(in_host).filter(|source| !bind.iter().any(|bind| bind.source == *source));
    let source = captured.find(|source| match source {
        BindSource::Path(name) => looks(name),
        BindSource::Host(name) => looks(name),
        BindSource::Header(_) | BindSource::Query(_) => false,
    })?;
    let (name, help) = match &source {
        BindSource::Host(name) => (name, format!("write `bind: {{{source}: org.slug}}`")),
        BindSource::Path(name) | BindSource::Header(name) | BindSource::Query(name) => {
            (name, format!("call it `{{org_id}}`, or write `bind: {{{source}: org.id}}`"))
        }
    };
    let message = format!("`{{{name}}}` looks like an organization and is not compared with the caller's");
    Some(
        PolicyError::new("W052", rule.place, message)
            .help(format!("{help}; without it, members of every organization get in")),
    )
}

/// How many pairs of an open catch-all and another rule are looked at: a hundred of them beside 10 000 rules.
const MAX_COMPARISONS: usize = 1_000_000;

fn is_open(rule: &RuleSpec) -> bool {
    matches!(rule.requirement.kind(), Kind::Public | Kind::Optional)
}

/// `GET /files/**: public` beside `GET /files/private/**: read`: whatever misses the narrower rule by a hair is open.
fn open_catch_all(rule: &RuleSpec, closed: &[&RuleSpec], comparisons: &mut usize) -> Option<PolicyError> {
    if !rule.key.pattern().has_rest() || !is_open(rule) {
        return None;
    }
    *comparisons = comparisons.checked_sub(closed.len())?;
    let shares_a_method = |other: &RuleSpec| match (rule.key.methods(), other.key.methods()) {
        (Methods::Any, _) | (_, Methods::Any) => true,
        (Methods::Named(a), Methods::Named(b)) => a.iter().any(|name| b.contains(name)),
    };
    let narrower = closed.iter().find(|other| {
        shares_a_method(other)
            && matches!(host_relation(other.key.host(), rule.key.host()), Relation::Within | Relation::Equal)
            && other.key.pattern().relation(rule.key.pattern()) == Relation::Within
    })?;
    let message = format!("`{}` is open, and narrower rules below it are not", rule.key);
    Some(
        PolicyError::new("W053", rule.place, message).related(narrower.place, narrower.key.to_string()).help(
            "name the paths that are open; a request that misses the narrower rule by a letter falls in here",
        ),
    )
}

#[cfg(test)]
mod tests {
    use orgate_claims::{Permission, RoleName};

    use super::*;
    use crate::{PermissionsFrom, Place, Policy, Requirement, RuleKey};

    fn spec(rules: &[&str]) -> PolicySpec {
        let rules = (1u32..).zip(rules).map(|(line, rule)| {
            let (key, requirement) = rule.split_once(": ").unwrap();
            let place = Place { file: 0, line, column: 3 };
            RuleSpec::new(RuleKey::parse(key).unwrap(), Requirement::parse(requirement).unwrap(), place)
        });
        PolicySpec {
            rules: rules.collect(),
            permissions: ["read", "write"].map(|name| Permission::parse(name).unwrap()).into(),
            known_roles: vec![RoleName::parse("owner").unwrap()],
            ..PolicySpec::default()
        }
    }

    #[track_caller]
    fn errors(rules: &[&str], expected: &[&str]) {
        let found = Policy::compile(spec(rules)).err().unwrap_or_default();
        let found: Vec<_> =
            found.iter().map(|error| format!("{}:{}", error.place.line, error.code)).collect();
        assert_eq!(found, expected, "{rules:?}");
    }

    #[test]
    fn a_head_rule_is_never_weaker_than_get() {
        errors(&["GET /a: read", "HEAD /a: public"], &["2:E052"]);
        errors(&["GET /a: read", "HEAD /a: optional"], &["2:E052"]);
        errors(&["GET /a: read", "HEAD /a: authenticated"], &["2:E052"]);
        errors(&["GET /a: read and write", "HEAD /a: read or write"], &["2:E052"]);
        errors(&["ANY /a: read", "HEAD /a: write"], &["2:E052"]);
        errors(&["GET /a: deny", "HEAD /a: read"], &["2:E052"]);
        errors(&["GET /a: read", "HEAD /a: read and write"], &[]);
        errors(&["GET /a: read or write", "HEAD /a: write"], &[]);
        errors(&["GET /a: optional", "HEAD /a: read"], &[]);
        errors(&["GET /a: read", "HEAD /a: deny"], &[]);
        errors(&["GET /a: public", "HEAD /a: optional"], &[]);
        errors(&["HEAD /a: public"], &[]);
        errors(&["GET /**: read", "HEAD /a: public"], &["2:E052"]);
        errors(&["GET /**: read", "GET /a: public", "HEAD /a: public"], &[]);
        errors(&["GET /a/x: read", "HEAD /a/**: public"], &[]);
    }

    #[test]
    fn a_request_that_could_be_made_slow_is_no_surprise_at_run_time() {
        let mixed = |depth: u32| -> Vec<String> {
            (0..1u32 << depth)
                .map(|bits| {
                    let segment = |at: u32| if bits & (1 << at) == 0 { "/a" } else { "/*" };
                    format!("GET {}: read", (0..depth).map(segment).collect::<String>())
                })
                .collect()
        };
        let rules = |depth| mixed(depth).iter().map(String::as_str).collect::<Vec<_>>().join("\n");
        for (depth, expected) in [(7, &[][..]), (8, &["256:E091"])] {
            let text = rules(depth);
            errors(&text.lines().collect::<Vec<_>>(), expected);
        }
        let text = rules(7);
        let beside = |rule| text.lines().chain([rule]).collect::<Vec<_>>();
        errors(&beside("GET x.y/: read"), &[]);
        errors(&beside("GET x.y/a: read"), &["129:E091"]);
    }

    #[track_caller]
    fn warnings(rules: &[&str], expected: &[&str]) {
        let found: Vec<_> =
            spec(rules).warnings().iter().map(|w| format!("{}:{}", w.place.line, w.code)).collect();
        assert_eq!(found, expected, "{rules:?}");
    }

    #[test]
    fn look_alikes_of_organization_parameters_are_pointed_out() {
        for name in
            ["orgId", "Org_Id", "organization_id", "organisation", "tenant", "workspaceSlug", "tenantid"]
        {
            warnings(&[&format!("GET /o/{{{name}}}: read")], &["1:W052"]);
        }
        warnings(&["GET {tenant}.example.com/x: read"], &["1:W052"]);
        warnings(&["GET {org_slug}.example.com/x: read"], &["1:W052"]);
        warnings(&["GET {region}.example.com/x: read"], &[]);
        for name in ["org_id", "org", "org_slug", "id", "organizer", "project_id"] {
            warnings(&[&format!("GET /o/{{{name}}}: read")], &[]);
        }
    }

    #[test]
    fn an_open_catch_all_beside_narrower_rules_is_pointed_out() {
        warnings(&["ANY /**: public", "GET /a: read"], &["1:W053"]);
        warnings(&["GET /files/**: public", "GET /files/private/**: read"], &["1:W053"]);
        warnings(&["GET /files/**: public", "POST /files/{id}: write"], &[]);
        warnings(&["GET /files/**: read", "GET /files/public/**: public"], &[]);
        warnings(&["GET /files/**: public", "GET /other: read"], &[]);
        warnings(&["GET /files/**: public", "GET a.example/files/x: read"], &["1:W053"]);
        warnings(&["GET a.example/files/**: public", "GET /files/x: read"], &[]);
        warnings(&["GET a.example/files/**: public", "GET b.example/files/x: read"], &[]);
    }

    #[test]
    fn requirements_that_nobody_or_everybody_meets_are_pointed_out() {
        warnings(
            &["GET /a: read and not read", "GET /b: not authenticated"],
            &["1:W021", "1:W023", "2:W021"],
        );
        warnings(&["GET /a: role(owner) and not (org or role(owner))"], &["1:W021"]);
        warnings(
            &["GET /a: role(owner) or not role(owner)", "GET /b: authenticated or read"],
            &["1:W022", "2:W022"],
        );
        warnings(
            &["GET /a: authenticated", "GET /b: org", "GET /c: read", "GET /d: deny", "GET /e: public"],
            &[],
        );
        warnings(&["GET /a: not role(owner)", "GET /b: raed"], &[]);
    }

    #[test]
    fn a_right_that_comes_from_lacking_one_is_pointed_out() {
        warnings(&["GET /a: not read"], &["1:W023"]);
        warnings(&["GET /a: write and not (role(owner) or read)"], &["1:W023"]);
        warnings(&["GET /a: not not read", "GET /b: write and not role(owner)"], &[]);
        let found = spec(&["GET /a: write and not (role(owner) or read)"]).warnings().remove(0);
        assert_eq!(found.in_requirement, Some((30, 4)));
    }

    #[test]
    fn a_right_that_comes_from_leaving_a_value_away_is_pointed_out() {
        warnings(&["GET /a: read and not header.x-beta == \"off\""], &["1:W024"]);
        warnings(&["GET /a: read and not query.a != \"off\""], &["1:W024"]);
        warnings(&["GET /a: not (read and header.x in claims.y)"], &["1:W023", "1:W024"]);
        warnings(&["GET /a: read and header.x != \"off\"", "GET /b: not not header.x == \"on\""], &[]);
        warnings(&["GET /{x}: read and not path.x == sub", "GET /b: read and not claims.x == true"], &[]);
        let found =
            spec(&["GET /a: read and not (sub == \"a\" or header.x == \"off\")"]).warnings().remove(0);
        assert_eq!(found.in_requirement, Some((28, 17)));
        let mut spec = spec(&["GET /a: read and not off"]);
        let (name, body) = ("off".into(), Requirement::parse("header.x == \"off\"").unwrap());
        spec.conditions = vec![crate::ConditionSpec { name, body, place: Place::default() }];
        assert_eq!(spec.warnings().remove(0).in_requirement, Some((13, 3)), "at the name of the condition");
    }

    #[test]
    fn a_limit_for_organizations_asks_for_one() {
        let warned = |rule: &str, limit: &str| -> Vec<&str> {
            let mut spec = spec(&[rule]);
            spec.rules[0].limit = crate::Limit::parse(limit).ok();
            spec.warnings().iter().map(|warning| warning.code).collect()
        };
        for rule in ["GET /a: read", "GET /a: org or read", "GET /a: not org", "GET /a: role(owner)"] {
            assert_eq!(warned(rule, "5/s per org"), ["W025"], "{rule}");
            assert_eq!(warned(rule, "5/s per sub"), [""; 0], "{rule}");
        }
        for rule in [
            "GET /a: read and org",
            "GET /{x}: read and path.x == org.slug",
            "GET /{org_id}: read",
            "GET /a: (org and read) or (write and header.x == org.id)",
        ] {
            assert_eq!(warned(rule, "5/s per org"), [""; 0], "{rule}");
        }
        let mut unbound = spec(&["GET /{org_id}: read"]);
        unbound.rules[0].unbound = vec!["org_id".to_owned()];
        unbound.rules[0].limit = crate::Limit::parse("5/s per org").ok();
        assert_eq!(unbound.warnings()[0].code, "W025");
    }

    #[test]
    fn a_limit_needs_somebody_to_count() {
        for (requirement, expected) in
            [("public", &["E059"][..]), ("optional", &["E059"]), ("deny", &["E059"]), ("read", &[])]
        {
            let mut spec = spec(&[&format!("GET /a: {requirement}")]);
            spec.rules[0].limit = crate::Limit::parse("5/s per sub").ok();
            let found = Policy::compile(spec).err().unwrap_or_default();
            assert_eq!(found.iter().map(|error| error.code).collect::<Vec<_>>(), expected, "{requirement}");
        }
    }

    #[test]
    fn a_rule_that_no_declared_role_satisfies_is_pointed_out() {
        let warnings = |requirement: &str, from: PermissionsFrom| -> Vec<String> {
            let mut spec = spec(&[&format!("GET /a: {requirement}")]);
            let role = |name: &str, grant: &str| {
                (RoleName::parse(name).unwrap(), vec![Permission::parse(grant).unwrap()])
            };
            spec.role_table = vec![role("owner", "read"), role("clerk", "write")];
            spec.permissions.push(Permission::parse("export").unwrap());
            spec.permissions_from = from;
            spec.warnings().into_iter().map(|warning| warning.message).collect()
        };
        let token = PermissionsFrom::TokenElseRole;
        assert_eq!(warnings("read and write", token), ["no declared role can satisfy `read and write`"]);
        assert_eq!(warnings("role(owner) and read", token), [""; 0]);
        assert_eq!(warnings("read or write", token), [""; 0]);
        assert_eq!(warnings("read and export", token), [""; 0], "the profile does not know it, a token may");
        assert_eq!(
            warnings("read", PermissionsFrom::Role),
            ["no declared role can satisfy `read`"],
            "what a profile grants is not expanded"
        );
        let spec = spec(&["GET /a: read and write"]);
        assert!(spec.warnings().is_empty(), "without a table of roles nothing is said");
    }
}
