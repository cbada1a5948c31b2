-- Where an operator has signed in before.
CREATE TABLE operator_places (
    operator_id  TEXT NOT NULL REFERENCES operators (id) ON DELETE CASCADE,
    kind         TEXT NOT NULL CHECK (kind IN ('device', 'network')),
    key          TEXT NOT NULL,
    last_used_at BIGINT NOT NULL,
    PRIMARY KEY (operator_id, kind, key)
);
CREATE INDEX operator_places_age ON operator_places (last_used_at);
