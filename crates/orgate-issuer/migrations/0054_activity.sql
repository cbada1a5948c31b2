-- How much was going on, by the minute: pictures for operators, and not the audit log. `minute` counts from 1970.
CREATE TABLE activity (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    minute     BIGINT NOT NULL,
    kind       TEXT NOT NULL,
    n          BIGINT NOT NULL,
    PRIMARY KEY (project_id, minute, kind)
);
CREATE INDEX activity_minute ON activity (minute);

-- A client can be deleted now, and what refers to it is looked for.
CREATE INDEX auth_codes_client ON auth_codes (client_id);
CREATE INDEX authz_requests_client ON authz_requests (client_id);
CREATE INDEX device_codes_client ON device_codes (client_id);
CREATE INDEX pushed_requests_client ON pushed_requests (client_id);
