-- How far whoever polls security events has said to be: everything up to `position`, and single ones behind it.
CREATE TABLE ssf_streams (
    id       TEXT NOT NULL PRIMARY KEY REFERENCES project_keys (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    acked    TEXT NOT NULL DEFAULT '[]'
);
