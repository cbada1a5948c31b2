-- What an organization is besides its name, roles of its own, the permissions of a project, and slugs that wait.

ALTER TABLE organizations ADD COLUMN logo_url TEXT;
ALTER TABLE organizations ADD COLUMN public_metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE organizations ADD COLUMN private_metadata TEXT NOT NULL DEFAULT '{}';
-- NULL is no limit. The count is kept by the triggers of the memberships, so whoever would be one too many is refused.
ALTER TABLE organizations ADD COLUMN max_members BIGINT CHECK (max_members IS NULL OR member_count <= max_members);
-- Whose personal organization it is. It goes with its user.
ALTER TABLE organizations ADD COLUMN personal_user_id TEXT REFERENCES users (id) ON DELETE CASCADE;
UPDATE organizations
   SET personal_user_id = (SELECT m.user_id FROM memberships m WHERE m.id = organizations.owner_member_id)
 WHERE kind = 'personal';
CREATE UNIQUE INDEX organizations_personal ON organizations (project_id, personal_user_id)
    WHERE personal_user_id IS NOT NULL;

CREATE INDEX memberships_role ON memberships (org_id, role_key, id);

-- A slug that was given up: it leads to its organization for a while, and nobody else can take it so long. No foreign
-- key to the organization, since the slug of one that is gone waits as well.
CREATE TABLE slug_tombstones (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    slug       TEXT NOT NULL,
    org_id     TEXT NOT NULL,
    until      BIGINT NOT NULL,
    PRIMARY KEY (project_id, slug)
);
CREATE INDEX slug_tombstones_until ON slug_tombstones (until);

-- The permissions that a project adds to those that are built in; `position` is the order of the catalogue.
CREATE TABLE permissions (
    project_id  TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    key         TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    position    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (project_id, key),
    UNIQUE (project_id, position)
);

-- The roles that an organization adds to those that are built in.
CREATE TABLE roles (
    id          TEXT NOT NULL PRIMARY KEY,
    project_id  TEXT NOT NULL,
    org_id      TEXT NOT NULL,
    key         TEXT NOT NULL CHECK (key NOT IN ('owner', 'admin', 'member', 'viewer')),
    name        TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    rank        BIGINT NOT NULL CHECK (rank BETWEEN 0 AND 2),
    ver         BIGINT NOT NULL DEFAULT 1,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    UNIQUE (org_id, key),
    FOREIGN KEY (project_id, org_id) REFERENCES organizations (project_id, id) ON DELETE CASCADE
);
CREATE TABLE role_permissions (
    role_id    TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL,
    permission TEXT NOT NULL,
    position   BIGINT NOT NULL,
    PRIMARY KEY (role_id, permission)
);
CREATE INDEX role_permissions_permission ON role_permissions (project_id, permission);

ALTER TABLE projects ADD COLUMN org_creation TEXT NOT NULL DEFAULT 'any'
    CHECK (org_creation IN ('any', 'verified', 'operator'));
-- How many organizations one user may own, the personal one apart. NULL is no limit.
ALTER TABLE projects ADD COLUMN max_orgs_per_user BIGINT;
