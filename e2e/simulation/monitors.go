package simulation

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// monitors are triggers that only the simulation has. They notice what must not happen in the ledger at any time, also
// between two steps.
const monitors = `
	CREATE TABLE clock.owner_log (id bigserial PRIMARY KEY, class_id uuid, owner text);
	CREATE FUNCTION clock.log_owner() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO clock.owner_log (class_id, owner) VALUES (NEW.id, NEW.owner);
		RETURN NULL;
	END $$;
	CREATE TRIGGER zz_log_owner AFTER INSERT ON minigroup FOR EACH ROW EXECUTE FUNCTION clock.log_owner();
	CREATE TRIGGER zz_log_next_owner AFTER UPDATE ON minigroup FOR EACH ROW WHEN (OLD.owner <> NEW.owner)
		EXECUTE FUNCTION clock.log_owner();

	CREATE TABLE clock.violation (text text);
	CREATE FUNCTION clock.check_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO clock.violation
		SELECT 'two requests for the '||NEW.kind||' room of one class are in flight' FROM room_attempt a
		WHERE a.class_id = NEW.class_id AND a.kind = NEW.kind AND a.operation = NEW.operation
			AND a.fingerprint = NEW.fingerprint AND a.id <> NEW.id AND a.state = 'sent' AND a.expires_at > clock.now();
		RETURN NULL;
	END $$;
	CREATE TRIGGER zz_check_attempt AFTER INSERT ON room_attempt
		FOR EACH ROW WHEN (NEW.state = 'sent') EXECUTE FUNCTION clock.check_attempt();

	CREATE FUNCTION clock.check_failed() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO clock.violation
		SELECT NEW.scope||' has failed before its '||kind||' room '||room_id||' was closed' FROM room_attempt
		WHERE class_id = NEW.id AND state = 'releasing' AND room_id IS NOT NULL;
		RETURN NULL;
	END $$;
	CREATE TRIGGER zz_check_failed AFTER UPDATE ON minigroup
		FOR EACH ROW WHEN (OLD.state = 'undoing' AND NEW.state = 'failed') EXECUTE FUNCTION clock.check_failed()`

// emptyMonitors forgets what the monitors have noticed.
const emptyMonitors = `DELETE FROM clock.violation; DELETE FROM clock.owner_log`

// noticed returns what the monitors have noticed.
func (s *scenario) noticed() error {
	violations, err := s.lines(`SELECT text FROM clock.violation`)
	if err != nil {
		return err
	}
	var wrong []error
	for _, text := range violations {
		wrong = append(wrong, errors.New(text))
	}
	// A row goes from each run to a later one of its workflow id.
	rows, _ := s.db.Query(context.Background(), `SELECT class_id, owner FROM clock.owner_log ORDER BY id`)
	var class uuid.UUID
	var owner string
	last := map[uuid.UUID]int{}
	_, err = pgx.ForEachRow(rows, []any{&class, &owner}, func() error {
		number, ok := s.server.Number(owner)
		switch {
		case !ok:
			wrong = append(wrong, fmt.Errorf("class %s belongs to run %q, which does not exist", class, owner))
		case number < last[class]:
			wrong = append(wrong, fmt.Errorf("run %s took class %s from a later run", owner, class))
		}
		last[class] = number
		return nil
	})
	return errors.Join(append(wrong, err)...)
}
