//! Whose organization a path speaks of.

/// A path parameter that must equal something of the caller wherever it occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindSpec {
    /// The name of the parameter.
    pub parameter: Box<str>,
    /// What it must equal; one of several is enough.
    pub targets: Vec<BindTarget>,
}

/// What a bound parameter is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindTarget {
    /// The id of the active organization.
    OrganizationId,
    /// Its slug.
    OrganizationSlug,
    /// The caller.
    Subject,
}

impl BindTarget {
    /// The target by its name in a policy file.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "org.id" => Some(Self::OrganizationId),
            "org.slug" => Some(Self::OrganizationSlug),
            "sub" => Some(Self::Subject),
            _ => None,
        }
    }

    /// Its name in a policy file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrganizationId => "org.id",
            Self::OrganizationSlug => "org.slug",
            Self::Subject => "sub",
        }
    }

    pub(crate) fn is_organization(self) -> bool {
        matches!(self, Self::OrganizationId | Self::OrganizationSlug)
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
    let unwritten =
        defaults.into_iter().filter(|(name, _)| !written.iter().any(|bind| &*bind.parameter == *name));
    unwritten
        .map(|(name, targets)| BindSpec { parameter: name.into(), targets })
        .chain(written.iter().cloned())
        .collect()
}
