//! The files that `orgate init` writes.

/// The policy.
pub(super) fn policy(profile: &str, issuer: &str, audience: &str) -> String {
    // JSON's way of writing a text is one of YAML's.
    let (issuer, audience) = (serde_json::Value::from(issuer), serde_json::Value::from(audience));
    let (note, feed) = match profile {
        "orgate" => (
            "  # With `feed: {key: {env: FEED_KEY}}` the gate hears within a second what the issuer revokes.\n",
            ", feed: off",
        ),
        _ => ("", ""),
    };
    format!(
        "\
# Who may do what. `orgate check` finds mistakes, `orgate test` shows who gets in, `orgate matrix` tabulates it.
version: 1

issuers:
{note}  main: {{issuer: {issuer}, audience: {audience}, profile: {profile}{feed}}}

# What a role holds whose token names no permissions.
roles:
  viewer: {{grants: [read]}}
  member: {{extends: viewer, grants: [write]}}
  admin: {{extends: member, grants: [invite, remove_members, change_roles]}}
  owner: {{extends: admin, grants: [delete_org, transfer_ownership]}}

# The most specific rule decides; what no rule covers is refused. {{org_id}} must be the caller's own organization.
rules:
  GET /healthz: public

  GET /orgs/{{org_id}}:                      read
  DELETE /orgs/{{org_id}}:                   delete_org
  POST /orgs/{{org_id}}/invitations:         invite
  DELETE /orgs/{{org_id}}/members/{{user_id}}: remove_members

  DELETE /projects/{{id}}:       write
  GET /projects/**:            read
  POST|PUT|PATCH /projects/**: write
"
    )
}

/// Its tests.
pub(super) const TESTS: &str = "\
# Who gets in. A case names exactly whom: everybody else here, and `anonymous`, must be refused.
principals:
  olga: {role: owner, org: acme}
  adam: {role: admin, org: acme}
  mona: {role: member, org: acme}
  vera: {role: viewer, org: acme}
  # An owner, of another organization.
  eve: {role: owner, org: evil}

cases:
  GET /healthz: everyone

  GET /orgs/acme: {allow: [olga, adam, mona, vera], deny: {eve: org_mismatch, anonymous: no_credential}}
  DELETE /orgs/acme: {allow: [olga], deny: {eve: org_mismatch, adam: missing_permission}}
  POST /orgs/acme/invitations: [olga, adam]
  DELETE /orgs/acme/members/usr_7: [olga, adam]

  GET /projects/7: [olga, adam, mona, vera, eve]
  POST /projects: [olga, adam, mona, eve]
  DELETE /projects/7: [olga, adam, mona, eve]

  # What no rule covers is refused.
  GET /nowhere: {allow: [], deny: {olga: no_rule}}
";

/// Hooks of pre-commit.
pub(super) const PRE_COMMIT: &str = "\
repos:
  - repo: local
    hooks:
      - id: orgate-fmt
        name: orgate fmt
        entry: orgate fmt --check
        language: system
        files: ^orgate\\.ya?ml$
        pass_filenames: false
      - id: orgate-check
        name: orgate check
        entry: orgate check
        language: system
        files: ^orgate\\.ya?ml$
        pass_filenames: false
      - id: orgate-test
        name: orgate test
        entry: orgate test
        language: system
        files: ^orgate(\\.test)?\\.ya?ml$
        pass_filenames: false
";

/// The workflow of GitHub Actions.
pub(super) const WORKFLOW: &str = concat!(
    "\
name: orgate
on:
  pull_request:
    paths: [orgate.yaml, orgate.test.yaml, .github/workflows/orgate.yml]
  push:
    branches: [main]
permissions:
  contents: read
jobs:
  policy:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: {fetch-depth: 0}
      - run: cargo install --locked --git ",
    env!("CARGO_PKG_REPOSITORY"),
    " orgate-sidecar
      - run: orgate fmt --check
      - run: orgate check --format github
      - run: orgate test --coverage
      - name: who may do what after this pull request
        if: github.event_name == 'pull_request'
        shell: bash
        run: |
          if git cat-file -e \"origin/$GITHUB_BASE_REF:orgate.yaml\"; then
            orgate diff \"git:origin/$GITHUB_BASE_REF\" orgate.yaml --fail-on public --format markdown | tee -a \"$GITHUB_STEP_SUMMARY\"
          fi
"
);
