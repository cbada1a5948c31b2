-- What a client may be besides confidential or public, and what its tokens are like. A machine is a confidential client
-- that acts for itself; `kind` keeps its two values, because what can keep a secret is what the first step checks.

ALTER TABLE clients ADD COLUMN machine BIGINT NOT NULL DEFAULT 0;
-- The organization a machine works in, and its role there. No foreign key: a client whose organization is gone must
-- fail, and must not become one without an organization.
ALTER TABLE clients ADD COLUMN org_id TEXT;
ALTER TABLE clients ADD COLUMN org_role TEXT;
ALTER TABLE clients ADD COLUMN audiences TEXT NOT NULL DEFAULT '[]';
ALTER TABLE clients ADD COLUMN scopes TEXT NOT NULL DEFAULT '[]';
ALTER TABLE clients ADD COLUMN require_org BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN require_par BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN dpop_bound BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN dpop_nonce BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN backchannel_logout_uri TEXT;

ALTER TABLE projects ADD COLUMN claims_profile TEXT NOT NULL DEFAULT 'orgate';

-- One key of an algorithm waits at a time.
CREATE UNIQUE INDEX signing_keys_one_next ON signing_keys (project_id, alg) WHERE state = 'next';
