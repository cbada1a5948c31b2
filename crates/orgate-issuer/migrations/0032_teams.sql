-- Teams: parts of an organization. They give no rights.

CREATE TABLE teams (
    id          TEXT NOT NULL PRIMARY KEY,
    project_id  TEXT NOT NULL,
    org_id      TEXT NOT NULL,
    slug        TEXT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    -- Whether whoever becomes a member is put into it.
    is_default  INTEGER NOT NULL DEFAULT 0,
    ver         BIGINT NOT NULL DEFAULT 1,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    UNIQUE (org_id, slug),
    UNIQUE (org_id, id),
    FOREIGN KEY (project_id, org_id) REFERENCES organizations (project_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX teams_one_default ON teams (org_id) WHERE is_default = 1;

-- Through the organization, so that no row can join a team and a member of two.
CREATE UNIQUE INDEX memberships_organization ON memberships (org_id, id);
CREATE TABLE team_members (
    team_id    TEXT NOT NULL,
    member_id  TEXT NOT NULL,
    org_id     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, member_id),
    FOREIGN KEY (org_id, team_id) REFERENCES teams (org_id, id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, member_id) REFERENCES memberships (org_id, id) ON DELETE CASCADE
);
CREATE INDEX team_members_member ON team_members (org_id, member_id);
CREATE INDEX team_members_team ON team_members (org_id, team_id);

-- Into which teams an invitation leads.
CREATE TABLE invitation_teams (
    invitation_id TEXT NOT NULL REFERENCES invitations (id) ON DELETE CASCADE,
    team_id       TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    PRIMARY KEY (invitation_id, team_id)
);
CREATE INDEX invitation_teams_team ON invitation_teams (team_id);
