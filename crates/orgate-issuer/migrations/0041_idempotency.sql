-- What was asked with an `Idempotency-Key`, and what was answered. A row without an answer is a request under way, or one whose
-- end nobody saw; either way it is not done again.
CREATE TABLE idempotency (
    project_id   TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    actor        TEXT NOT NULL,
    label        TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    status       BIGINT,
    -- Sealed, because an answer may hold a secret that is shown once.
    answer_enc   TEXT,
    expires_at   BIGINT NOT NULL,
    PRIMARY KEY (project_id, actor, label)
);
CREATE INDEX idempotency_expires ON idempotency (expires_at);
