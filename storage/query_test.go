package storage_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"minigroups/storage"
	"minigroups/storage/storagetest"
)

// TestATransactionThatPostgresAbortsIsRepeatedAFewTimes counts attempts by a sequence, which no rollback sets back.
func TestATransactionThatPostgresAbortsIsRepeatedAFewTimes(t *testing.T) {
	l := newLedger(t)
	l.exec(`CREATE SEQUENCE attempt`)
	l.exec(`
		CREATE FUNCTION abort() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF nextval('attempt') <= current_setting('test.aborts')::int THEN
				RAISE EXCEPTION 'could not serialize' USING ERRCODE = 'serialization_failure';
			END IF;
			RETURN new;
		END $$`)
	l.exec(`CREATE TRIGGER abort BEFORE INSERT ON idempotency_key FOR EACH ROW EXECUTE FUNCTION abort()`)
	aborts := func(n string) {
		l.exec(`SELECT setval('attempt', 1, false)`)
		l.exec(`ALTER DATABASE ` + l.db.Config().Database + ` SET test.aborts = ` + n)
		l.Store = storagetest.Open(t, storage.Options{URL: l.db.Config().ConnString()})
	}
	aborts("3")
	if a := l.claim(requestKey("a", "b")); a != nil || l.count(`SELECT count(*) FROM idempotency_key`) != 1 {
		t.Errorf("after three aborts: got %+v", a)
	}
	aborts("4")
	_, err := l.ClaimKey(t.Context(), requestKey("c", "d"), time.Hour)
	var aborted *pgconn.PgError
	if !errors.As(err, &aborted) || aborted.Code != "40001" || !strings.Contains(err.Error(), "claim idempotency key") {
		t.Errorf("after four aborts: %v", err)
	}
	if n := l.count(`SELECT last_value FROM attempt`); n != 4 {
		t.Errorf("it was tried %d times", n)
	}
}
