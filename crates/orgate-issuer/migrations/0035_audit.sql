-- The events of a project become a chain: each row holds the hash of itself and of the one before it. Rows of before this
-- step are chained by it. What happened (`data`) is covered through a salted commitment, so that it can be forgotten, for
-- the sake of a person, without breaking the chain; `erased_by` then names the event that says so.

ALTER TABLE events ADD COLUMN salt TEXT;
ALTER TABLE events ADD COLUMN commitment TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN chain TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN erased_by BIGINT;
CREATE INDEX events_org ON events (project_id, org_id, seq);
CREATE INDEX events_actor ON events (project_id, actor_id, seq);
CREATE INDEX events_target ON events (project_id, target_id, seq);

-- Rows come with their chain, lose nothing but their data, and go only with their project. This keeps mistakes out; whoever
-- may change the schema is found by the chain, and by the heads that were kept elsewhere.
-- only sqlite
CREATE TRIGGER events_chained BEFORE INSERT ON events WHEN NEW.chain = '' BEGIN
    SELECT RAISE(ABORT, 'an event is written with its chain');
END;
CREATE TRIGGER events_kept BEFORE UPDATE ON events WHEN OLD.chain <> '' AND NOT (
    NEW.project_id = OLD.project_id AND NEW.seq = OLD.seq AND NEW.id = OLD.id AND NEW.type = OLD.type
    AND NEW.actor_kind = OLD.actor_kind AND NEW.actor_id IS OLD.actor_id AND NEW.org_id IS OLD.org_id
    AND NEW.target_id = OLD.target_id AND NEW.at = OLD.at AND NEW.commitment = OLD.commitment AND NEW.chain = OLD.chain
    AND NEW.data = '{}' AND NEW.salt IS NULL AND OLD.erased_by IS NULL AND NEW.erased_by IS NOT NULL
) BEGIN
    SELECT RAISE(ABORT, 'an event does not change');
END;
CREATE TRIGGER events_stay BEFORE DELETE ON events WHEN EXISTS (SELECT 1 FROM projects WHERE id = OLD.project_id) BEGIN
    SELECT RAISE(ABORT, 'an event stays');
END;
-- end
-- only postgres
CREATE FUNCTION refuse_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT 1 FROM projects WHERE id = OLD.project_id) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'an event is written with its chain, does not change, and stays';
END
$$;
CREATE TRIGGER events_chained BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.chain = '') EXECUTE FUNCTION refuse_event();
CREATE TRIGGER events_kept BEFORE UPDATE ON events FOR EACH ROW WHEN (OLD.chain <> '' AND NOT (
    NEW.project_id = OLD.project_id AND NEW.seq = OLD.seq AND NEW.id = OLD.id AND NEW.type = OLD.type
    AND NEW.actor_kind = OLD.actor_kind AND NEW.actor_id IS NOT DISTINCT FROM OLD.actor_id
    AND NEW.org_id IS NOT DISTINCT FROM OLD.org_id
    AND NEW.target_id = OLD.target_id AND NEW.at = OLD.at AND NEW.commitment = OLD.commitment AND NEW.chain = OLD.chain
    AND NEW.data = '{}' AND NEW.salt IS NULL AND OLD.erased_by IS NULL AND NEW.erased_by IS NOT NULL
)) EXECUTE FUNCTION refuse_event();
CREATE TRIGGER events_stay BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION refuse_event();
CREATE TRIGGER events_all_stay BEFORE TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION refuse_event();
-- end
