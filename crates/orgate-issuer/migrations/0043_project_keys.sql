-- Keys by which programs come to the operators' side: with scopes for what these name, without any for all that the
-- operator may who made it. Of a key its fingerprint is stored (256 random bits need no slow hash) and its end.
CREATE TABLE project_keys (
    id         TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    hint       TEXT NOT NULL,
    key_hash   TEXT NOT NULL UNIQUE,
    scopes     TEXT NOT NULL,
    created_by TEXT REFERENCES operators (id) ON DELETE SET NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX project_keys_project ON project_keys (project_id, id);
CREATE INDEX project_keys_operator ON project_keys (created_by);

-- How long access tokens lived before they live as they do now, and when the last of those is over.
ALTER TABLE projects ADD COLUMN access_ttl_before BIGINT NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN access_ttl_before_until BIGINT NOT NULL DEFAULT 0;
