-- Where applications want to be told of events, and what is on its way to them. The secrets are sealed.

CREATE TABLE webhook_endpoints (
    id             TEXT NOT NULL PRIMARY KEY,
    project_id     TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    url            TEXT NOT NULL,
    types          TEXT NOT NULL,
    description    TEXT NOT NULL DEFAULT '',
    secret_enc     TEXT NOT NULL,
    -- The secret before, which still signs beside the new one for a while.
    previous_enc   TEXT,
    previous_until BIGINT,
    status         TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
    -- The number of the last event that deliveries were made of.
    position       BIGINT NOT NULL,
    -- Since when nothing has arrived; NULL while things do.
    failing_since  BIGINT,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL
);
CREATE INDEX webhook_endpoints_project ON webhook_endpoints (project_id, id);

-- What is sent is read from the event when it is sent; one without a number is a test.
CREATE TABLE webhook_deliveries (
    id          TEXT NOT NULL PRIMARY KEY,
    endpoint_id TEXT NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    seq         BIGINT,
    type        TEXT NOT NULL,
    status      TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed')),
    attempts    BIGINT NOT NULL DEFAULT 0,
    next_at     BIGINT NOT NULL,
    code        BIGINT,
    ms          BIGINT,
    error       TEXT,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (status, endpoint_id, next_at);
CREATE INDEX webhook_deliveries_endpoint ON webhook_deliveries (endpoint_id, id);
CREATE INDEX webhook_deliveries_age ON webhook_deliveries (updated_at);

-- By whom a letter's secrets are found when their addressee is erased.
CREATE INDEX user_secrets_address ON user_secrets (project_id, email_norm);
