-- How a project looks on its pages. `logo_tag` is in the logo's address, which therefore never shows an old one.
ALTER TABLE projects ADD COLUMN brand_color TEXT;
ALTER TABLE projects ADD COLUMN logo_tag TEXT;
CREATE TABLE project_logos (
    project_id TEXT NOT NULL PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    media_type TEXT NOT NULL CHECK (media_type IN ('image/png', 'image/jpeg')),
    -- In base64, at most 32 KiB of it before.
    content    TEXT NOT NULL
);
