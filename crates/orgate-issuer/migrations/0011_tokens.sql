-- What a grant is bound to: whom its tokens are for (a list, empty for the client's usual audiences) and the key of its
-- sender (RFC 9449). And what was said about single tokens.

ALTER TABLE auth_codes ADD COLUMN resource TEXT NOT NULL DEFAULT '[]';
ALTER TABLE auth_codes ADD COLUMN jkt TEXT;
ALTER TABLE token_families ADD COLUMN resource TEXT NOT NULL DEFAULT '[]';
ALTER TABLE token_families ADD COLUMN jkt TEXT;

CREATE TABLE revoked_tokens (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    jti        TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, jti)
);
CREATE INDEX revoked_tokens_expiry ON revoked_tokens (expires_at);

-- Proofs that were used. Each is good for one request, in whichever process it arrives.
CREATE TABLE dpop_proofs (
    fingerprint TEXT PRIMARY KEY,
    client_id   TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    stale_at    BIGINT NOT NULL
);
CREATE INDEX dpop_proofs_expiry ON dpop_proofs (stale_at);
CREATE INDEX dpop_proofs_client ON dpop_proofs (client_id);
