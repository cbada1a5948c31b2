-- Invitations. The token is in a letter alone: what is kept of it is its hash.

CREATE TABLE invitations (
    id                  TEXT NOT NULL PRIMARY KEY,
    project_id          TEXT NOT NULL,
    org_id              TEXT NOT NULL,
    email               TEXT NOT NULL,
    email_norm          TEXT NOT NULL,
    role_key            TEXT NOT NULL CHECK (role_key <> 'owner'),
    token_hash          TEXT NOT NULL UNIQUE,
    -- Somebody besides the addressee had the token: to have it shows nothing about the address.
    disclosed           INTEGER NOT NULL DEFAULT 0,
    status              TEXT NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'accepted', 'declined', 'revoked', 'expired')),
    -- Who answers for it: a member or an operator. When they are gone it is void.
    inviter_member_id   TEXT REFERENCES memberships (id) ON DELETE SET NULL,
    inviter_operator_id TEXT REFERENCES operators (id) ON DELETE SET NULL,
    accepted_by         TEXT REFERENCES users (id) ON DELETE SET NULL,
    member_id           TEXT REFERENCES memberships (id) ON DELETE SET NULL,
    life                BIGINT NOT NULL,
    sent_at             BIGINT NOT NULL,
    created_at          BIGINT NOT NULL,
    updated_at          BIGINT NOT NULL,
    expires_at          BIGINT NOT NULL,
    FOREIGN KEY (project_id, org_id) REFERENCES organizations (project_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX invitations_one_pending ON invitations (org_id, email_norm) WHERE status = 'pending';
CREATE INDEX invitations_organization ON invitations (org_id, status, id);
CREATE INDEX invitations_address ON invitations (project_id, email_norm, status, id);
CREATE INDEX invitations_expiry ON invitations (status, expires_at);
CREATE INDEX invitations_ended ON invitations (updated_at) WHERE status <> 'pending';
CREATE INDEX invitations_role ON invitations (org_id, role_key);
CREATE INDEX invitations_inviter_member ON invitations (inviter_member_id);
CREATE INDEX invitations_inviter_operator ON invitations (inviter_operator_id);
CREATE INDEX invitations_member ON invitations (member_id);
CREATE INDEX invitations_accepted_by ON invitations (accepted_by);

-- How long an invitation waits if nobody says otherwise.
ALTER TABLE projects ADD COLUMN invitation_ttl BIGINT NOT NULL DEFAULT 604800000;

-- With a user goes what was addressed to them; before, because their id is taken out of it then.
-- only sqlite
CREATE TRIGGER users_uninvited BEFORE DELETE ON users BEGIN
    DELETE FROM invitations
     WHERE (project_id = OLD.project_id AND email_norm = OLD.email_norm) OR accepted_by = OLD.id;
END;
-- end
-- only postgres
CREATE FUNCTION uninvite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM invitations
     WHERE (project_id = OLD.project_id AND email_norm = OLD.email_norm) OR accepted_by = OLD.id;
    RETURN OLD;
END
$$;
CREATE TRIGGER users_uninvited BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION uninvite();
-- end
