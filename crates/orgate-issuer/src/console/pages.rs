//! Every page of the console, one row each.

/// What a page is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Projects,
    Overview,
    Users,
    User,
    Organizations,
    Organization,
    Roles,
    Permissions,
    Clients,
    Client,
    ProgramKeys,
    Webhooks,
    Webhook,
    SigningKeys,
    Audit,
    Settings,
}

/// A page: what it is about, its path behind `/console`, what its description calls looking at it and sending its form
/// (empty if it has none), a summary, and the names its query may have beside `done` and `cursor`.
pub(super) type Page =
    (Section, &'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

pub(super) const PAGES: [Page; 16] = [
    (Section::Projects, "", "showConsole", "createProjectInConsole", "The projects of an operator", &[]),
    (Section::Overview, "/{project}", "showOverview", "changeOverview", "A project at a glance", &["window"]),
    (
        Section::Users,
        "/{project}/users",
        "showUsers",
        "createUserInConsole",
        "The people of a project",
        &["q", "status"],
    ),
    (Section::User, "/{project}/users/{user}", "showUser", "changeUserInConsole", "A user", &[]),
    (
        Section::Organizations,
        "/{project}/organizations",
        "showOrganizationsInConsole",
        "createOrganizationInConsole",
        "The organizations of a project",
        &["q", "status"],
    ),
    (
        Section::Organization,
        "/{project}/organizations/{org}",
        "showOrganizationInConsole",
        "changeOrganizationInConsole",
        "An organization, for operators",
        &[],
    ),
    (
        Section::Roles,
        "/{project}/organizations/{org}/roles",
        "showRolesInConsole",
        "changeRolesInConsole",
        "The roles of an organization, for operators",
        &[],
    ),
    (
        Section::Permissions,
        "/{project}/permissions",
        "showPermissions",
        "changePermissionsInConsole",
        "The permission catalogue",
        &[],
    ),
    (
        Section::Clients,
        "/{project}/clients",
        "showClients",
        "createClientInConsole",
        "The clients of a project",
        &["kind"],
    ),
    (
        Section::Client,
        "/{project}/clients/{client}",
        "showClient",
        "changeClientInConsole",
        "A client with its settings",
        &[],
    ),
    (
        Section::ProgramKeys,
        "/{project}/program-keys",
        "showProgramKeys",
        "changeProgramKeys",
        "The keys of a project, for programs",
        &[],
    ),
    (Section::Webhooks, "/{project}/webhooks", "showWebhooks", "createWebhookInConsole", "The webhooks", &[]),
    (
        Section::Webhook,
        "/{project}/webhooks/{webhook}",
        "showWebhook",
        "changeWebhookInConsole",
        "A webhook with its deliveries",
        &["status"],
    ),
    (
        Section::SigningKeys,
        "/{project}/signing-keys",
        "showSigningKeys",
        "rotateSigningKeysInConsole",
        "The keys that a project signs with",
        &[],
    ),
    (
        Section::Audit,
        "/{project}/audit",
        "showAuditLog",
        "",
        "What happened in a project, and whether the log holds",
        &["type", "actor", "target", "organization", "since", "until", "verify"],
    ),
    (
        Section::Settings,
        "/{project}/settings",
        "showProjectSettings",
        "changeProjectSettings",
        "The settings of a project",
        &[],
    ),
];
