-- What was found by reading whole tables.
CREATE INDEX clients_organization ON clients (org_id, org_role);
CREATE INDEX sessions_revoked ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX token_families_revoked ON token_families (revoked_at) WHERE revoked_at IS NOT NULL;
-- Whatever is deleted is looked for in the rows that refer to it.
CREATE INDEX auth_codes_family ON auth_codes (family_id);
CREATE INDEX auth_codes_session ON auth_codes (session_id);
CREATE INDEX auth_codes_user ON auth_codes (user_id);
CREATE INDEX authz_requests_session ON authz_requests (session_id);
CREATE INDEX device_codes_session ON device_codes (session_id);
CREATE INDEX device_codes_user ON device_codes (user_id);
CREATE INDEX passkey_challenges_session ON passkey_challenges (session_id);
CREATE INDEX token_families_client ON token_families (client_id);
CREATE INDEX organizations_personal_user ON organizations (personal_user_id) WHERE personal_user_id IS NOT NULL;
