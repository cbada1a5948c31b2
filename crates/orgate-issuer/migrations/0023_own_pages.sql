-- A sign-in that no application asked for leads to a page of the issuer's own, so that it has no client.
-- only sqlite
CREATE TABLE authz_requests_of_anybody (
    token_hash   TEXT PRIMARY KEY,
    project_id   TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    client_id    TEXT REFERENCES clients (id) ON DELETE CASCADE,
    browser_hash TEXT NOT NULL,
    params       TEXT NOT NULL,
    session_id   TEXT REFERENCES sessions (id) ON DELETE CASCADE,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
INSERT INTO authz_requests_of_anybody
    (token_hash, project_id, client_id, browser_hash, params, session_id, created_at, expires_at)
    SELECT token_hash, project_id, client_id, browser_hash, params, session_id, created_at, expires_at FROM authz_requests;
DROP TABLE authz_requests;
ALTER TABLE authz_requests_of_anybody RENAME TO authz_requests;
CREATE INDEX authz_requests_expiry ON authz_requests (expires_at);
-- end
-- only postgres
ALTER TABLE authz_requests ALTER COLUMN client_id DROP NOT NULL;
-- end
