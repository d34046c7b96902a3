-- +goose Up

-- Since when the gateway has not answered the sweeper; new reservations go to others where they fit there.
ALTER TABLE janus_backend ADD COLUMN away_since timestamptz;

-- A PATCH of this update went unanswered, and conference did not show it when it was read. It may be executed all the same:
-- the minigroup is compared with its room once more from here on. Null when nothing is to be compared.
ALTER TABLE minigroup_update ADD COLUMN compare_at timestamptz;
CREATE INDEX update_to_compare ON minigroup_update (compare_at) WHERE compare_at IS NOT NULL;

-- What the states may become. Their meaning is told where the tables are made; a transition that is not in these lists is
-- a mistake in the code, and is refused as a CHECK refuses a bad row.
-- +goose StatementBegin
CREATE FUNCTION check_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NOT (OLD.state || ' to ' || NEW.state) = ANY (TG_ARGV) THEN
		RAISE check_violation USING MESSAGE = format('%s %s cannot go from %s to %s', TG_TABLE_NAME, OLD.id, OLD.state, NEW.state);
	END IF;
	RETURN NEW;
END $$;
-- +goose StatementEnd

CREATE TRIGGER minigroup_transition BEFORE UPDATE ON minigroup
	FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION check_transition(
		'creating to ready', 'creating to undoing', 'undoing to failed',
		'failed to creating', 'undoing to creating'); -- started over; while undoing, from a run that is gone

CREATE TRIGGER attempt_transition BEFORE UPDATE ON room_attempt
	FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION check_transition(
		'sent to held', 'sent to refused', 'sent to releasing', 'sent to lost',
		'held to releasing', 'releasing to released', 'releasing to refused', 'releasing to lost',
		'lost to releasing', 'refused to releasing'); -- a reply is taken whenever it comes

CREATE TRIGGER reservation_transition BEFORE UPDATE ON janus_reservation
	FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION check_transition(
		'pending to held', 'pending to releasing', 'held to releasing', 'releasing to released',
		'pending to released'); -- of an update that came to nothing before the gateway was asked

CREATE TRIGGER update_transition BEFORE UPDATE ON minigroup_update
	FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION check_transition(
		'requested to running', 'requested to failed', 'running to done', 'running to failed');

-- +goose Down
DROP TRIGGER update_transition ON minigroup_update;
DROP TRIGGER reservation_transition ON janus_reservation;
DROP TRIGGER attempt_transition ON room_attempt;
DROP TRIGGER minigroup_transition ON minigroup;
DROP FUNCTION check_transition;
DROP INDEX update_to_compare;
ALTER TABLE minigroup_update DROP COLUMN compare_at;
ALTER TABLE janus_backend DROP COLUMN away_since;
