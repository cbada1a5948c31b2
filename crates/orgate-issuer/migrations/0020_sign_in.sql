-- What signing in needs beyond passwords: mail, one-time secrets, sign-ups on their way, limits, known devices.

-- Mail that waits to be sent. Recipient and text are sealed, so that a copy of the database opens no link in them.
CREATE TABLE mails (
    id         TEXT NOT NULL PRIMARY KEY,
    sealed     TEXT NOT NULL,
    -- Goes to nobody: written so that an unknown address costs the same work as a known one.
    decoy      INTEGER NOT NULL DEFAULT 0,
    attempts   BIGINT NOT NULL DEFAULT 0,
    next_at    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX mails_due ON mails (decoy, next_at);
CREATE INDEX mails_expiry ON mails (expires_at);

-- What was mailed to a user and works once. Bound to the address it was sent to. A row without a user opens nothing.
CREATE TABLE user_secrets (
    id           TEXT NOT NULL PRIMARY KEY,
    project_id   TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    user_id      TEXT REFERENCES users (id) ON DELETE CASCADE,
    email_norm   TEXT NOT NULL,
    purpose      TEXT NOT NULL CHECK (purpose IN ('email', 'password', 'magic')),
    link_hash    TEXT NOT NULL UNIQUE,
    code_hash    TEXT,
    attempts     BIGINT NOT NULL DEFAULT 0,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE INDEX user_secrets_user ON user_secrets (user_id);
CREATE INDEX user_secrets_expiry ON user_secrets (expires_at);

-- Who wants to become a user and has not shown yet that the address is theirs. Several may want the same one.
CREATE TABLE sign_ups (
    id           TEXT NOT NULL PRIMARY KEY,
    project_id   TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    email        TEXT NOT NULL,
    email_norm   TEXT NOT NULL,
    name         TEXT,
    password_phc TEXT NOT NULL,
    handle_hash  TEXT NOT NULL UNIQUE,
    link_hash    TEXT NOT NULL UNIQUE,
    code_hash    TEXT NOT NULL,
    attempts     BIGINT NOT NULL DEFAULT 0,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE INDEX sign_ups_address ON sign_ups (project_id, email_norm);
CREATE INDEX sign_ups_expiry ON sign_ups (expires_at);

-- When each limit is used up until. The key is a code under the secret of the installation: it names nobody.
CREATE TABLE limits (
    key        TEXT NOT NULL PRIMARY KEY,
    used_until BIGINT NOT NULL
);
CREATE INDEX limits_expiry ON limits (used_until);

-- Where a user has signed in before.
CREATE TABLE known_places (
    user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind         TEXT NOT NULL CHECK (kind IN ('device', 'network')),
    key          TEXT NOT NULL,
    last_used_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, kind, key)
);
CREATE INDEX known_places_age ON known_places (last_used_at);

ALTER TABLE sessions ADD COLUMN user_agent TEXT;
CREATE INDEX sessions_expiry ON sessions (abs_exp);
CREATE INDEX token_families_expiry ON token_families (abs_exp);

-- The end of a session ends what was issued in it, from now on in the same transaction. What was issued for use without
-- a session (scope offline_access) goes on.
UPDATE token_families SET revoked_at = last_refreshed_at, revoked_reason = 'session'
WHERE revoked_at IS NULL AND ' ' || scope || ' ' NOT LIKE '% offline_access %' AND session_id IN (SELECT id FROM sessions WHERE revoked_at IS NOT NULL);
