-- +goose Up

-- What is over is kept for a while, and then goes. These find what is due, the oldest first; what has to stay is in none of them,
-- so that nothing is looked at in vain, however much of it there is.
CREATE INDEX attempt_over ON room_attempt (changed_at) WHERE state IN ('released', 'refused') OR resolution IS NOT NULL;
CREATE INDEX found_over ON found_room (changed_at) WHERE state = 'released';
CREATE INDEX closed_over ON closed_room (heard_at) WHERE settled;
CREATE INDEX reservation_over ON janus_reservation (changed_at) WHERE state = 'released';

-- The last update of a class that its minigroup shows is kept, as what has come of it may be told: one that has failed is shown,
-- and one that is done hides those before.
ALTER TABLE minigroup_update ADD COLUMN followed boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN minigroup_update.followed IS
    'A later update of the class, one that its minigroup may show, is decided: this one is shown no more.';

-- +goose StatementBegin
CREATE FUNCTION note_followed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE minigroup_update SET followed = true WHERE class_id = NEW.class_id AND number < NEW.number AND NOT followed;
	RETURN NULL;
END $$;
-- +goose StatementEnd

-- A comparison, which asks for nothing, is not shown, nor is a failure that its caller was told at once.
CREATE TRIGGER update_followed AFTER UPDATE ON minigroup_update
    FOR EACH ROW WHEN (OLD.state <> NEW.state AND NEW.state IN ('done', 'failed') AND NEW.requested <> '{}' AND
        (NEW.announced OR NEW.state <> 'failed' OR NEW.failure->>'kind' <> 'precondition_failed'))
    EXECUTE FUNCTION note_followed();

UPDATE minigroup_update u SET followed = true WHERE EXISTS (
    SELECT FROM minigroup_update l WHERE l.class_id = u.class_id AND l.number > u.number AND l.state IN ('done', 'failed') AND l.requested <> '{}' AND
        (l.announced OR l.state <> 'failed' OR l.failure->>'kind' <> 'precondition_failed'));

CREATE INDEX update_over ON minigroup_update (decided_at) WHERE compare_at IS NULL AND (followed OR requested = '{}');

-- +goose Down
DROP INDEX update_over, reservation_over, closed_over, found_over, attempt_over;
DROP TRIGGER update_followed ON minigroup_update;
DROP FUNCTION note_followed;
ALTER TABLE minigroup_update DROP COLUMN followed;
