-- Requests that came ahead of the browser (RFC 9126), sign-ins of devices (RFC 8628), and the news of a sign-out that
-- applications are still to get (OpenID Connect Back-Channel Logout).

CREATE TABLE pushed_requests (
    uri_hash   TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    client_id  TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    query      TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX pushed_requests_expiry ON pushed_requests (expires_at);

CREATE TABLE device_codes (
    device_hash    TEXT PRIMARY KEY,
    project_id     TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    client_id      TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    user_code_hash TEXT NOT NULL,
    scope          TEXT NOT NULL,
    resource       TEXT NOT NULL,
    status         TEXT NOT NULL CHECK (status IN ('pending', 'approved', 'denied', 'used')),
    user_id        TEXT REFERENCES users (id) ON DELETE CASCADE,
    session_id     TEXT REFERENCES sessions (id) ON DELETE CASCADE,
    org_id         TEXT,
    polled_at      BIGINT,
    wait_ms        BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    UNIQUE (project_id, user_code_hash)
);
CREATE INDEX device_codes_expiry ON device_codes (expires_at);

CREATE TABLE logout_deliveries (
    id         TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    client_id  TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    user_id    TEXT NOT NULL,
    session_id TEXT NOT NULL,
    attempts   BIGINT NOT NULL DEFAULT 0,
    next_at    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (client_id, session_id)
);
CREATE INDEX logout_deliveries_next ON logout_deliveries (next_at);
