//! Methods that are left to a weaker rule than their path demands.
//!
//! Rules are judged method by method: a method that no rule of a path covers is answered by the nearest rule around the
//! path. That is the normal idiom where the broader rule *names* the method, and a hole where it says `ANY`.

use crate::{
    PolicyError,
    audience::{Audiences, Callers},
    key::Methods,
    methods::{GET, HEAD, MethodNumbers, OTHER},
    shapes::Shapes,
};

/// The methods whose fall is a finding: those that read or change something. HEAD goes with GET; OPTIONS and unusual
/// methods alone are no finding.
const JUDGED: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Paths with restricted methods of which another one falls to an `ANY` rule that is weaker than every restriction.
pub(crate) fn weaker_any(
    shapes: &Shapes<'_>,
    audiences: &mut Audiences<'_>,
    methods: &MethodNumbers,
) -> Vec<PolicyError> {
    let firsts = shapes.rules().filter(|(at, _)| shapes.beside(*at).first() == Some(at));
    let found = firsts.filter_map(|(at, first)| {
        let beside = shapes.beside(at);
        let named = |rule: &usize| shapes.rule(*rule).is_some_and(|rule| *rule.key.methods() != Methods::Any);
        if !beside.iter().all(named) {
            return None; // its own `ANY` rule takes every method
        }
        // A method that no rule names is answered by the nearest `ANY` rule, and so is whatever else falls to one.
        let any = shapes.answering(at, OTHER, methods)?;
        let stronger = |rule: &usize| {
            let compared = audiences.compare(*rule, any, Callers::Roles);
            compared.is_some_and(|compared| compared.within && !compared.around)
        };
        if !beside.iter().all(stronger) {
            return None;
        }
        let fallen = |name: &&&str| shapes.answering(at, methods.number(name), methods) == Some(any);
        let names: Vec<&str> = JUDGED.iter().filter(fallen).copied().collect();
        if names.is_empty() {
            return None;
        }
        let (paths, any) = (first.key.paths(), shapes.rule(any)?);
        let (verb, names) = (if names.len() == 1 { "falls" } else { "fall" }, names.join(", "));
        let mut error =
            PolicyError::new("E043", first.place, format!("{names} on {paths} {verb} to a weaker ANY rule"));
        for rule in beside.iter().skip(1).filter_map(|rule| shapes.rule(*rule)) {
            error = error.related(rule.place, format!("{}: {}", rule.key, rule.requirement.as_str()));
        }
        let weaker = format!("{}: {}", any.key, any.requirement.as_str());
        Some(
            error
                .related(any.place, weaker)
                .help(format!("add   ANY {paths}: deny      or name the methods you mean")),
        )
    });
    found.collect()
}

/// HEAD rules that let in somebody whom the rule that answers GET on the same paths refuses.
pub(crate) fn weaker_heads(
    shapes: &Shapes<'_>,
    audiences: &mut Audiences<'_>,
    methods: &MethodNumbers,
) -> Vec<PolicyError> {
    let names = |rule: &crate::RuleSpec, number: usize| methods.rank(rule.key.methods(), number) == Some(0);
    let heads = shapes.rules().filter(|(_, rule)| names(rule, HEAD) && !names(rule, GET));
    let found = heads.filter_map(|(at, head)| {
        let answering = shapes.answering(at, GET, methods)?;
        let get = shapes.rule(answering)?;
        let same = head.requirement.same_as(&get.requirement);
        let within = audiences.compare(at, answering, Callers::Everybody).map_or(same, |c| c.within);
        if within {
            return None;
        }
        let message = format!("HEAD {} lets in callers whom GET refuses", head.key.paths());
        Some(
            PolicyError::new("E052", head.place, message)
                .related(get.place, get.key.to_string())
                .help(format!("demand at least `{}`, or leave the HEAD rule away", get.requirement.as_str())),
        )
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use orgate_claims::{Permission, RoleName};

    use crate::{Place, Policy, PolicyError, PolicySpec, Requirement, RoleSpec, RuleKey, RuleSpec};

    /// Roles as of the profile; `None` for a policy without any.
    const TABLE: &[(&str, &[&str])] =
        &[("viewer", &["read"]), ("editor", &["read", "write"]), ("owner", &["read", "write", "purge"])];

    fn spec(rules: &[&str], table: &[(&str, &[&str])]) -> PolicySpec {
        let permission = |name: &&str| Permission::parse(name).unwrap();
        let rules = (1u32..).zip(rules).map(|(line, rule)| {
            let (key, requirement) = rule.split_once(": ").unwrap();
            let (requirement, unbound) = match requirement.split_once(" unbound ") {
                Some((requirement, name)) => (requirement, vec![name.to_owned()]),
                None => (requirement, Vec::new()),
            };
            let place = Place { file: 0, line, column: 3 };
            let requirement = Requirement::parse(requirement).unwrap();
            let mut rule = RuleSpec::new(RuleKey::parse(key).unwrap(), requirement, place);
            rule.unbound = unbound;
            rule
        });
        PolicySpec {
            rules: rules.collect(),
            permissions: ["read", "write", "purge"].iter().map(permission).collect(),
            known_roles: ["viewer", "editor", "owner"].map(|name| RoleName::parse(name).unwrap()).into(),
            role_table: table
                .iter()
                .map(|(name, grants)| {
                    (RoleName::parse(name).unwrap(), grants.iter().map(permission).collect())
                })
                .collect(),
            ..PolicySpec::default()
        }
    }

    fn errors(rules: &[&str], table: &[(&str, &[&str])]) -> Vec<PolicyError> {
        Policy::compile(spec(rules, table)).err().unwrap_or_default()
    }

    #[track_caller]
    fn found(rules: &[&str], expected: &[&str]) {
        let found: Vec<_> = errors(rules, TABLE)
            .iter()
            .map(|error| format!("{}:{} {}", error.place.line, error.code, error.message))
            .collect();
        assert_eq!(found, expected, "{rules:?}");
    }

    #[test]
    fn a_method_that_falls_to_a_weaker_any_rule_is_an_error() {
        let hole = ["ANY /**: read", "GET|POST /admin/users: role(owner)"];
        found(&hole, &["2:E043 PUT, PATCH, DELETE on /admin/users fall to a weaker ANY rule"]);
        let error = errors(&hole, TABLE).remove(0);
        assert_eq!(
            error.help.as_deref(),
            Some("add   ANY /admin/users: deny      or name the methods you mean")
        );
        assert_eq!(error.related, [(Place { file: 0, line: 1, column: 3 }, "ANY /**: read".to_owned())]);
        found(&[hole[0], hole[1], "ANY /admin/users: deny"], &[]);
        found(&[hole[0], hole[1], "PUT|PATCH|DELETE /admin/**: read"], &[]);
        found(
            &["ANY /**: read", "GET|POST|PUT|PATCH /a: write"],
            &["2:E043 DELETE on /a falls to a weaker ANY rule"],
        );
        found(&["ANY /**: read", "GET|POST|PUT|PATCH|DELETE /a: write"], &[]);
        found(&["ANY /**: public", "GET /a: optional", "DELETE /a: read"], &[]);
        found(
            &["ANY /**: public", "DELETE /a: read"],
            &["2:E043 GET, POST, PUT, PATCH on /a fall to a weaker ANY rule"],
        );
    }

    #[test]
    fn only_a_restriction_that_is_strictly_stronger_in_every_rule_of_the_path_counts() {
        found(&["ANY /**: read", "GET /a: read"], &[]);
        found(&["ANY /admin/**: role(owner)", "GET /admin/status: public"], &[]);
        found(&["ANY /**: role(viewer, editor, owner)", "GET /a: read"], &[]);
        found(&["ANY /**: read", "GET /a: role(owner)", "POST /a: authenticated"], &[]);
        found(&["ANY /**: deny", "GET /a: role(owner)"], &[]);
        found(
            &["ANY /**: write", "GET /a: deny"],
            &["2:E043 POST, PUT, PATCH, DELETE on /a fall to a weaker ANY rule"],
        );
        found(&["ANY /**: role(viewer)", "GET /a: purge"], &[]);
    }

    #[test]
    fn a_broader_rule_that_names_the_method_is_the_normal_idiom() {
        found(&["GET /p/**: read", "POST|PUT|PATCH /p/**: write", "DELETE /p/{id}: purge"], &[]);
        found(
            &["GET|POST|PUT|PATCH|DELETE /p/**: read", "ANY /**: public", "DELETE /p/{id}: purge"],
            &["1:E043 OPTIONS"; 0],
        );
    }

    #[test]
    fn another_organization_counts_as_somebody_else() {
        let own = ["ANY /**: read", "GET|POST|PUT|PATCH /orgs/{org_id}: read"];
        found(&own, &["2:E043 DELETE on /orgs/{org_id} falls to a weaker ANY rule"]);
        found(&["ANY /**: read", "GET /orgs/{org_id}: read unbound org_id"], &[]);
        found(
            &["ANY /orgs/{org_id}/**: read", "GET /orgs/{org_id}: write"],
            &["2:E043 POST, PUT, PATCH, DELETE on /orgs/{org_id} fall to a weaker ANY rule"],
        );
    }

    #[test]
    fn broader_hosts_are_paths_around_too() {
        found(
            &["ANY /**: read", "GET|POST admin.example.com/users: role(owner)"],
            &["2:E043 PUT, PATCH, DELETE on admin.example.com/users fall to a weaker ANY rule"],
        );
        found(
            &["ANY *.example.com/**: deny", "ANY /**: read", "GET admin.example.com/users: role(owner)"],
            &[],
        );
        found(
            &["ANY /users: read", "GET admin.example.com/users: role(owner)"],
            &["2:E043 POST, PUT, PATCH, DELETE on admin.example.com/users fall to a weaker ANY rule"],
        );
        found(&["ANY admin.example.com/**: read", "GET /users: role(owner)"], &[]);
        found(
            &["GET /a: read", "HEAD x.example/a: public"],
            &["2:E052 HEAD x.example/a lets in callers whom GET refuses"],
        );
        found(&["GET x.example/a: read", "HEAD /a: public"], &[]);
        found(
            &["GET /a: public", "GET *.example/**: read", "HEAD x.example/a: public"],
            &["3:E052 HEAD x.example/a lets in callers whom GET refuses"],
        );
    }

    #[test]
    fn without_roles_every_combination_of_facts_is_a_caller() {
        let codes = |rules: &[&str]| -> Vec<&str> { errors(rules, &[]).iter().map(|e| e.code).collect() };
        assert_eq!(codes(&["ANY /**: read", "GET /a: read and write"]), ["E043"]);
        assert_eq!(codes(&["ANY /**: read or write", "GET /a: read"]), ["E043"]);
        assert_eq!(codes(&["ANY /**: read", "GET /a: write"]), [""; 0], "neither is stronger");
    }

    #[test]
    fn what_roles_grant_is_compared_and_not_how_it_is_written() {
        let written = |rules: &[&str], grants: &[(&str, &str)]| -> Vec<&'static str> {
            let mut spec = spec(rules, &[]);
            spec.roles = grants
                .iter()
                .map(|(name, grant)| RoleSpec {
                    name: RoleName::parse(name).unwrap(),
                    grants: vec![Permission::parse(grant).unwrap()],
                    extends: Vec::new(),
                    place: Place::default(),
                })
                .collect();
            Policy::compile(spec).err().unwrap_or_default().iter().map(|error| error.code).collect()
        };
        let rules = ["ANY /**: role(viewer, owner)", "GET /a: write"];
        assert_eq!(written(&rules, &[("viewer", "read"), ("owner", "write")]), ["E043"]);
        assert_eq!(written(&rules, &[("viewer", "write"), ("owner", "write")]), [""; 0]);
    }

    #[test]
    fn an_undeclared_name_is_reported_once_and_compared_with_nothing() {
        let codes: Vec<_> =
            errors(&["ANY /**: read", "GET /a: raed"], TABLE).iter().map(|error| error.code).collect();
        assert_eq!(codes, ["E031"]);
    }
}
