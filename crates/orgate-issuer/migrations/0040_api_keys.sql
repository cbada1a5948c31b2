-- How programs of an organization prove themselves. Of a key its fingerprint is stored (256 random bits need no slow hash)
-- and its end, by which people know it again.
CREATE TABLE api_keys (
    id           TEXT NOT NULL PRIMARY KEY,
    project_id   TEXT NOT NULL,
    org_id       TEXT NOT NULL,
    name         TEXT NOT NULL,
    hint         TEXT NOT NULL,
    key_hash     TEXT NOT NULL UNIQUE,
    permissions  TEXT NOT NULL,
    by_operator  BIGINT NOT NULL CHECK (by_operator IN (0, 1)),
    -- Who made it, unless an operator did: the key can do no more than they can, and ends with them.
    user_id      TEXT,
    member_id    TEXT REFERENCES memberships (id) ON DELETE SET NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT,
    revoked_at   BIGINT,
    FOREIGN KEY (project_id, org_id) REFERENCES organizations (project_id, id) ON DELETE CASCADE
);
CREATE INDEX api_keys_organization ON api_keys (org_id, id);
CREATE INDEX api_keys_member ON api_keys (member_id);
