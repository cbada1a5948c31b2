//! Whose organization a request speaks of.

use std::fmt;

use crate::{
    Facts, HostPattern, Lookup, RequestTarget, RuleSpec,
    atom::{Scene, Seen, Value},
    subject::Subject,
};

/// A value of a request that must equal something of the caller wherever it occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindSpec {
    /// Which value.
    pub source: BindSource,
    /// What it must equal; one of several is enough.
    pub targets: Vec<BindTarget>,
}

/// Where a bound value stands in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindSource {
    /// The path parameter of this name.
    Path(Box<str>),
    /// The variable part of a rule's host, by its name.
    Host(Box<str>),
    /// A header field, by its name in lower case, where the request has it.
    Header(Box<str>),
    /// A parameter of the query, where the request has it.
    Query(Box<str>),
}

/// What a bound value is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindTarget {
    /// The id of the active organization.
    OrganizationId,
    /// Its slug.
    OrganizationSlug,
    /// The caller.
    Subject,
    /// A claim of the token.
    Claim(Box<str>),
}

impl BindSource {
    /// The source by its name in a policy file: `org_id` for a path parameter, `host.tenant`, `header.x-org-id`, `query.org`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let is_field = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        match text.split_once('.') {
            None => is_name(text).then(|| Self::Path(text.into())),
            Some(("path", name)) => is_name(name).then(|| Self::Path(name.into())),
            Some(("host", name)) => is_name(name).then(|| Self::Host(name.into())),
            Some(("header", name)) => is_field(name).then(|| Self::Header(name.to_ascii_lowercase().into())),
            Some(("query", name)) => (!name.is_empty()).then(|| Self::Query(name.into())),
            Some(_) => None,
        }
    }

    /// Whether `unbound` of a rule means this one: by its name as in `bind`.
    fn is_named(&self, name: &str) -> bool {
        Self::parse(name).as_ref() == Some(self)
    }
}

impl fmt::Display for BindSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(name) => f.write_str(name),
            Self::Host(name) => write!(f, "host.{name}"),
            Self::Header(name) => write!(f, "header.{name}"),
            Self::Query(name) => write!(f, "query.{name}"),
        }
    }
}

impl BindTarget {
    /// The target by its name in a policy file.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "org.id" => Some(Self::OrganizationId),
            "org.slug" => Some(Self::OrganizationSlug),
            "sub" => Some(Self::Subject),
            _ => text
                .strip_prefix("claims.")
                .filter(|name| !name.is_empty())
                .map(|name| Self::Claim(name.into())),
        }
    }

    pub(crate) fn is_organization(&self) -> bool {
        matches!(self, Self::OrganizationId | Self::OrganizationSlug)
    }
}

impl fmt::Display for BindTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OrganizationId => f.write_str("org.id"),
            Self::OrganizationSlug => f.write_str("org.slug"),
            Self::Subject => f.write_str("sub"),
            Self::Claim(name) => write!(f, "claims.{name}"),
        }
    }
}

/// The bindings that hold without being written: `{org_id}`, `{org_slug}` and `{org}`. What `written` says of a
/// parameter replaces its default.
pub(crate) fn with_defaults(written: &[BindSpec]) -> Vec<BindSpec> {
    use BindTarget::{OrganizationId, OrganizationSlug};
    let defaults = [
        ("org_id", vec![OrganizationId]),
        ("org_slug", vec![OrganizationSlug]),
        ("org", vec![OrganizationId, OrganizationSlug]),
    ];
    let defaults =
        defaults.map(|(name, targets)| BindSpec { source: BindSource::Path(name.into()), targets });
    let unwritten =
        defaults.into_iter().filter(|default| !written.iter().any(|bind| bind.source == default.source));
    unwritten.chain(written.iter().cloned()).collect()
}

/// A binding of one rule, ready to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// Its name in a policy file.
    pub(crate) name: Box<str>,
    pub(crate) value: Value,
    pub(crate) targets: Box<[(BindTarget, Value)]>,
}

/// How a binding stands in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Holds,
    /// The caller has no organization to compare with.
    NoOrganization,
    Mismatch,
}

impl Bound {
    pub(crate) fn compile(spec: &BindSpec, rule: &RuleSpec, claims: &[Box<str>]) -> Option<Self> {
        let pattern = rule.key.pattern();
        let host = rule.key.host().and_then(HostPattern::parameter);
        let value = match &spec.source {
            BindSource::Path(name) => {
                let (_, at) = pattern.parameters().find(|(parameter, _)| **parameter == **name)?;
                Value::Segment(at)
            }
            BindSource::Host(name) => {
                host.filter(|host| **host == **name)?;
                Value::Host
            }
            BindSource::Header(name) => Value::Header(name.clone()),
            BindSource::Query(name) => Value::Query(name.clone()),
        };
        let targets = spec.targets.iter().filter_map(|target| {
            let value = match target {
                BindTarget::OrganizationId => Value::OrganizationId,
                BindTarget::OrganizationSlug => Value::OrganizationSlug,
                BindTarget::Subject => Value::Subject,
                BindTarget::Claim(name) => Value::Claim(claims.iter().position(|claim| claim == name)?),
            };
            Some((target.clone(), value))
        });
        Some(Self { name: spec.source.to_string().into(), value, targets: targets.collect() })
    }

    /// Whether the request speaks of it: always for what the rule's key captures.
    pub(crate) fn is_present(&self, target: &RequestTarget<'_>, facts: &Facts<'_>) -> bool {
        // One that stands twice is there.
        match &self.value {
            Value::Query(name) => target.query_value(name) != Lookup::Absent,
            Value::Header(name) => facts.headers.get(name) != Lookup::Absent,
            _ => true,
        }
    }

    pub(crate) fn stands(&self, scene: Scene<'_>) -> Standing {
        if self.is_own_organization(scene) {
            return Standing::Holds;
        }
        if !self.is_present(scene.target, scene.facts) {
            return Standing::Holds;
        }
        if let Seen::Text(value) = self.value.see(scene)
            && self
                .targets
                .iter()
                .any(|(_, target)| theirs(target, scene).is_some_and(|theirs| theirs == value))
        {
            return Standing::Holds;
        }
        let mut organizations = self
            .targets
            .iter()
            .filter(|(target, _)| target.is_organization())
            .map(|(_, value)| value)
            .peekable();
        let absent =
            organizations.peek().is_some() && organizations.all(|target| theirs(target, scene).is_none());
        if absent { Standing::NoOrganization } else { Standing::Mismatch }
    }

    /// Whether it is the commonest of all, a segment that is the caller's organization; judged without looking further.
    #[inline]
    fn is_own_organization(&self, scene: Scene<'_>) -> bool {
        match (&self.value, &*self.targets) {
            (Value::Segment(at), [(BindTarget::OrganizationId, _), ..]) => {
                let theirs = scene.subject.organization_id();
                theirs.is_some() && theirs == scene.target.segment(*at)
            }
            _ => false,
        }
    }

    /// Whether what the rule's key captures must be the caller's: the kind of binding that a tool can tell from the rule.
    pub(crate) fn is_captured(&self) -> bool {
        matches!(self.value, Value::Segment(_) | Value::Host)
    }

    /// What is captured, where it must be the caller's organization and cannot be anything else.
    pub(crate) fn organization<'t>(
        &self,
        target: &'t RequestTarget<'t>,
        host: Option<&'t str>,
    ) -> Option<&'t str> {
        if !self.targets.iter().all(|(target, _)| target.is_organization()) {
            return None;
        }
        match &self.value {
            Value::Segment(at) => target.segment(*at),
            Value::Host => host,
            _ => None,
        }
    }

    /// What the caller has for each target, for people.
    pub(crate) fn theirs(&self, scene: Option<Scene<'_>>) -> Vec<(BindTarget, Option<String>)> {
        let value =
            |value: &Value| scene.and_then(|scene| theirs(value, scene).map(std::borrow::Cow::into_owned));
        self.targets.iter().map(|(target, their)| (target.clone(), value(their))).collect()
    }
}

/// A value of the caller; an empty text counts as absent.
fn theirs<'a>(value: &'a Value, scene: Scene<'a>) -> Option<std::borrow::Cow<'a, str>> {
    match value.see(scene) {
        Seen::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// The bindings that concern a rule.
pub(crate) fn bound<'r>(rule: &'r RuleSpec, bind: &'r [BindSpec]) -> impl Iterator<Item = &'r BindSpec> {
    bind.iter().filter(|bind| {
        let unbound = rule.unbound.iter().any(|name| bind.source.is_named(name));
        !unbound && applies(&bind.source, rule)
    })
}

/// Whether a binding can concern a rule at all.
fn applies(source: &BindSource, rule: &RuleSpec) -> bool {
    match source {
        BindSource::Path(name) => rule.key.pattern().parameters().any(|(parameter, _)| *parameter == **name),
        BindSource::Host(name) => rule.key.host().and_then(HostPattern::parameter) == Some(&**name),
        BindSource::Header(_) | BindSource::Query(_) => true,
    }
}

/// Whether `unbound` of a rule names a binding that would concern it.
pub(crate) fn is_bound(name: &str, rule: &RuleSpec, bind: &[BindSpec]) -> bool {
    bind.iter().any(|bind| bind.source.is_named(name) && applies(&bind.source, rule))
}

/// The claims that bindings compare.
pub(crate) fn claims(bind: &[BindSpec]) -> impl Iterator<Item = &str> {
    bind.iter().flat_map(|bind| &bind.targets).filter_map(|target| match target {
        BindTarget::Claim(name) => Some(&**name),
        _ => None,
    })
}

impl Subject {
    /// The id of the active organization; an empty text counts as absent.
    pub(crate) fn organization_id(&self) -> Option<&str> {
        self.org_id.as_deref().filter(|value| !value.is_empty())
    }

    /// Its slug; likewise.
    pub(crate) fn organization_slug(&self) -> Option<&str> {
        self.org_slug.as_deref().filter(|value| !value.is_empty())
    }
}
