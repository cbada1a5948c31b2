-- Users as an operator looks for them: by the beginning of an address, and those who are suspended.
-- only postgres
-- Compared byte by byte, as SQLite does: the beginning of an address is then one range of the index of the UNIQUE.
ALTER TABLE users ALTER COLUMN email_norm TYPE TEXT COLLATE "C";
-- end
CREATE INDEX users_suspended ON users (project_id, id) WHERE status = 'suspended';
