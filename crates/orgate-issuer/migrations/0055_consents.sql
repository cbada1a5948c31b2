-- What people allow applications of others: for each organization, or for none, the scopes.

ALTER TABLE clients ADD COLUMN first_party BIGINT NOT NULL DEFAULT 1;

CREATE TABLE consents (
    id         TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    client_id  TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    org_id     TEXT,
    scope      TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, org_id) REFERENCES organizations (project_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX consents_one ON consents (user_id, client_id, COALESCE(org_id, ''));
CREATE INDEX consents_client ON consents (client_id);
CREATE INDEX consents_organization ON consents (org_id);
