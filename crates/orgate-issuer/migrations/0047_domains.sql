-- Mail domains of organizations: whoever has a confirmed address there may join, or joins, if the organization has shown that
-- the domain is its own and wants it so.

CREATE TABLE org_domains (
    id                  TEXT NOT NULL PRIMARY KEY,
    project_id          TEXT NOT NULL,
    org_id              TEXT NOT NULL,
    domain              TEXT NOT NULL,
    -- The line that the domain has to show. It is no secret.
    proof               TEXT NOT NULL,
    mode                TEXT NOT NULL DEFAULT 'off' CHECK (mode IN ('off', 'suggest', 'auto_join')),
    role_key            TEXT NOT NULL CHECK (role_key <> 'owner'),
    -- Who answers for those who join: a member or an operator. When they are gone nobody joins.
    inviter_member_id   TEXT REFERENCES memberships (id) ON DELETE SET NULL,
    inviter_operator_id TEXT REFERENCES operators (id) ON DELETE SET NULL,
    verified_at         BIGINT,
    verified_by         TEXT CHECK (verified_by IN ('file', 'operator')),
    ver                 BIGINT NOT NULL DEFAULT 1,
    created_at          BIGINT NOT NULL,
    updated_at          BIGINT NOT NULL,
    UNIQUE (org_id, domain),
    FOREIGN KEY (project_id, org_id) REFERENCES organizations (project_id, id) ON DELETE CASCADE
);
-- A domain has one owner in a project. Whoever only says so keeps nobody from showing it.
CREATE UNIQUE INDEX org_domains_one_verified ON org_domains (project_id, domain) WHERE verified_at IS NOT NULL;
CREATE INDEX org_domains_organization ON org_domains (org_id, id);
CREATE INDEX org_domains_role ON org_domains (org_id, role_key);
CREATE INDEX org_domains_inviter_member ON org_domains (inviter_member_id);
CREATE INDEX org_domains_inviter_operator ON org_domains (inviter_operator_id);

-- Who was a member and is no more: their address does not bring them back. Whoever left of their own accord may come back by
-- their own word, whoever was removed only if somebody asks them in.
CREATE TABLE departures (
    org_id      TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    project_id  TEXT NOT NULL,
    was_removed INTEGER NOT NULL,
    at          BIGINT NOT NULL,
    PRIMARY KEY (org_id, user_id),
    FOREIGN KEY (project_id, org_id) REFERENCES organizations (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE
);
CREATE INDEX departures_user ON departures (user_id, project_id);
CREATE INDEX departures_organization ON departures (project_id, org_id);
CREATE INDEX org_domains_project ON org_domains (project_id, org_id);
