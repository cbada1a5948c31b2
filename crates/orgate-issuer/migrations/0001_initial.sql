-- The first schema. TEXT, BIGINT and INTEGER (as truth value) only; times are milliseconds since the epoch.
-- What must always hold is a constraint here, not code. What stands between `-- only ENGINE` and `-- end` is for one.

CREATE TABLE instance (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE operators (
    id           TEXT PRIMARY KEY,
    email        TEXT NOT NULL,
    email_norm   TEXT NOT NULL UNIQUE,
    password_phc TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);

CREATE TABLE operator_sessions (
    token_hash  TEXT PRIMARY KEY,
    operator_id TEXT NOT NULL REFERENCES operators (id) ON DELETE CASCADE,
    created_at  BIGINT NOT NULL,
    idle_exp    BIGINT NOT NULL,
    abs_exp     BIGINT NOT NULL
);
CREATE INDEX operator_sessions_operator ON operator_sessions (operator_id);

CREATE TABLE setup_links (
    token_hash TEXT PRIMARY KEY,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);

CREATE TABLE projects (
    id                TEXT PRIMARY KEY,
    name              TEXT NOT NULL,
    org_enabled       INTEGER NOT NULL DEFAULT 0,
    personal_orgs     INTEGER NOT NULL DEFAULT 0,
    audience          TEXT NOT NULL,
    trusted_origins   TEXT NOT NULL,
    access_alg        TEXT NOT NULL DEFAULT 'ES256',
    id_alg            TEXT NOT NULL DEFAULT 'RS256',
    access_ttl        BIGINT NOT NULL,
    refresh_idle_ttl  BIGINT NOT NULL,
    refresh_abs_ttl   BIGINT NOT NULL,
    refresh_grace     BIGINT NOT NULL,
    event_seq         BIGINT NOT NULL DEFAULT 0,
    ver               BIGINT NOT NULL DEFAULT 1,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL
);

CREATE TABLE project_operators (
    project_id  TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    operator_id TEXT NOT NULL REFERENCES operators (id) ON DELETE CASCADE,
    role        TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'viewer')),
    PRIMARY KEY (project_id, operator_id)
);
CREATE INDEX project_operators_operator ON project_operators (operator_id);

CREATE TABLE events (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    seq        BIGINT NOT NULL,
    id         TEXT NOT NULL,
    type       TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id   TEXT,
    org_id     TEXT,
    target_id  TEXT NOT NULL,
    data       TEXT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (project_id, seq)
);

CREATE TABLE signing_keys (
    kid         TEXT PRIMARY KEY,
    project_id  TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    alg         TEXT NOT NULL,
    public_jwk  TEXT NOT NULL,
    private_enc TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('next', 'active', 'retiring', 'removed')),
    created_at  BIGINT NOT NULL,
    active_at   BIGINT,
    retire_at   BIGINT,
    remove_at   BIGINT
);
CREATE UNIQUE INDEX signing_keys_one_active ON signing_keys (project_id, alg) WHERE state = 'active';

CREATE TABLE clients (
    id                        TEXT PRIMARY KEY,
    project_id                TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name                      TEXT NOT NULL,
    kind                      TEXT NOT NULL CHECK (kind IN ('confidential', 'public')),
    secret_hash               TEXT,
    redirect_uris             TEXT NOT NULL,
    post_logout_redirect_uris TEXT NOT NULL,
    grants                    TEXT NOT NULL,
    require_pkce              INTEGER NOT NULL DEFAULT 1,
    created_at                BIGINT NOT NULL,
    updated_at                BIGINT NOT NULL,
    -- A public client has nothing to prove itself with: the proof key is all there is (RFC 9700 section 2.1.1).
    CHECK (kind = 'confidential' OR (require_pkce = 1 AND secret_hash IS NULL))
);
CREATE INDEX clients_project ON clients (project_id);

CREATE TABLE users (
    id                TEXT NOT NULL PRIMARY KEY,
    project_id        TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    email             TEXT NOT NULL,
    email_norm        TEXT NOT NULL,
    email_verified_at BIGINT,
    name              TEXT,
    password_phc      TEXT,
    status            TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL,
    UNIQUE (project_id, email_norm),
    UNIQUE (project_id, id)
);

-- Exactly one owner: an organization points at a membership that has the role `owner`, and no second one may have it.
-- The check waits for the commit, so that both rows of a transfer, or of a birth, can be written in turn.
CREATE TABLE organizations (
    id              TEXT NOT NULL PRIMARY KEY,
    project_id      TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name            TEXT NOT NULL,
    slug            TEXT NOT NULL,
    kind            TEXT NOT NULL DEFAULT 'standard' CHECK (kind IN ('standard', 'personal')),
    status          TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    owner_member_id TEXT NOT NULL,
    owner_role      TEXT NOT NULL DEFAULT 'owner' CHECK (owner_role = 'owner'),
    member_count    BIGINT NOT NULL DEFAULT 0,
    ver             BIGINT NOT NULL DEFAULT 1,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    UNIQUE (project_id, id),
    UNIQUE (project_id, slug)
-- only sqlite
    , FOREIGN KEY (id, owner_member_id, owner_role) REFERENCES memberships (org_id, id, role_key)
        DEFERRABLE INITIALLY DEFERRED
-- end
);

CREATE TABLE memberships (
    id         TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL,
    org_id     TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    role_key   TEXT NOT NULL,
    status     TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (org_id, user_id),
    UNIQUE (org_id, id, role_key),
    -- Through the project, so that no membership can join a user and an organization of two projects.
    FOREIGN KEY (project_id, org_id) REFERENCES organizations (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX memberships_one_owner ON memberships (org_id) WHERE role_key = 'owner';
CREATE INDEX memberships_user ON memberships (user_id, org_id);

-- only postgres
ALTER TABLE organizations ADD FOREIGN KEY (id, owner_member_id, owner_role)
    REFERENCES memberships (org_id, id, role_key) DEFERRABLE INITIALLY DEFERRED;
-- end

-- The change counter of an organization moves with each change of its memberships, whoever makes it.
-- only sqlite
CREATE TRIGGER memberships_added AFTER INSERT ON memberships BEGIN
    UPDATE organizations SET ver = ver + 1, member_count = member_count + 1 WHERE id = NEW.org_id;
END;
CREATE TRIGGER memberships_changed AFTER UPDATE ON memberships BEGIN
    UPDATE organizations SET ver = ver + 1 WHERE id = NEW.org_id;
END;
CREATE TRIGGER memberships_removed AFTER DELETE ON memberships BEGIN
    UPDATE organizations SET ver = ver + 1, member_count = member_count - 1 WHERE id = OLD.org_id;
END;
-- end
-- only postgres
CREATE FUNCTION count_membership() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE organizations SET ver = ver + 1, member_count = member_count + 1 WHERE id = NEW.org_id;
    ELSIF TG_OP = 'UPDATE' THEN
        UPDATE organizations SET ver = ver + 1 WHERE id = NEW.org_id;
    ELSE
        UPDATE organizations SET ver = ver + 1, member_count = member_count - 1 WHERE id = OLD.org_id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER memberships_counted AFTER INSERT OR UPDATE OR DELETE ON memberships
    FOR EACH ROW EXECUTE FUNCTION count_membership();
-- end

CREATE TABLE sessions (
    id               TEXT NOT NULL PRIMARY KEY,
    project_id       TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    user_id          TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    token_hash       TEXT NOT NULL UNIQUE,
    active_member_id TEXT REFERENCES memberships (id) ON DELETE SET NULL,
    auth_time        BIGINT NOT NULL,
    amr              TEXT NOT NULL,
    created_at       BIGINT NOT NULL,
    last_seen_at     BIGINT NOT NULL,
    idle_exp         BIGINT NOT NULL,
    abs_exp          BIGINT NOT NULL,
    revoked_at       BIGINT,
    ver              BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_member ON sessions (active_member_id);

CREATE TABLE authz_requests (
    token_hash   TEXT PRIMARY KEY,
    project_id   TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    client_id    TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    browser_hash TEXT NOT NULL,
    params       TEXT NOT NULL,
    session_id   TEXT REFERENCES sessions (id) ON DELETE CASCADE,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE INDEX authz_requests_expiry ON authz_requests (expires_at);

CREATE TABLE token_families (
    id                TEXT NOT NULL PRIMARY KEY,
    project_id        TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    client_id         TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    user_id           TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    session_id        TEXT REFERENCES sessions (id) ON DELETE SET NULL,
    member_id         TEXT REFERENCES memberships (id) ON DELETE SET NULL,
    -- Which organization the family speaks for. It outlives `member_id`, so that a lost organization is not mistaken
    -- for none.
    org_id            TEXT,
    scope             TEXT NOT NULL,
    auth_time         BIGINT NOT NULL,
    amr               TEXT NOT NULL,
    counter           BIGINT NOT NULL,
    last_refreshed_at BIGINT NOT NULL,
    created_at        BIGINT NOT NULL,
    idle_exp          BIGINT NOT NULL,
    abs_exp           BIGINT NOT NULL,
    revoked_at        BIGINT,
    revoked_reason    TEXT
);
CREATE INDEX token_families_session ON token_families (session_id);
CREATE INDEX token_families_user ON token_families (user_id);
CREATE INDEX token_families_member ON token_families (member_id);

CREATE TABLE auth_codes (
    code_hash      TEXT PRIMARY KEY,
    project_id     TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    client_id      TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    user_id        TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    session_id     TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    member_id      TEXT REFERENCES memberships (id) ON DELETE SET NULL,
    -- The organization that was picked or named; it stays when `member_id` goes.
    org_id         TEXT,
    redirect_uri   TEXT NOT NULL,
    code_challenge TEXT,
    nonce          TEXT,
    scope          TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    consumed_at    BIGINT,
    family_id      TEXT REFERENCES token_families (id) ON DELETE SET NULL
);
CREATE INDEX auth_codes_expiry ON auth_codes (expires_at);
CREATE INDEX auth_codes_member ON auth_codes (member_id);
