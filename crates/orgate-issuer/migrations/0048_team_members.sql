-- How many are in a team, kept by the database, so that a list of teams costs the same however large they are.

ALTER TABLE teams ADD COLUMN member_count BIGINT NOT NULL DEFAULT 0;
UPDATE teams SET member_count = (SELECT COUNT(*) FROM team_members t WHERE t.team_id = teams.id);

-- only sqlite
CREATE TRIGGER team_members_added AFTER INSERT ON team_members BEGIN
    UPDATE teams SET member_count = member_count + 1 WHERE id = NEW.team_id;
END;
CREATE TRIGGER team_members_removed AFTER DELETE ON team_members BEGIN
    UPDATE teams SET member_count = member_count - 1 WHERE id = OLD.team_id;
END;
-- end
-- only postgres
CREATE FUNCTION count_team_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE teams SET member_count = member_count + 1 WHERE id = NEW.team_id;
    ELSE
        UPDATE teams SET member_count = member_count - 1 WHERE id = OLD.team_id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER team_members_counted AFTER INSERT OR DELETE ON team_members
    FOR EACH ROW EXECUTE FUNCTION count_team_member();
-- end
