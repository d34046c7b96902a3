package storage_test

import (
	"errors"
	"strings"
	"testing"

	"minigroups/storage"
)

func TestTheSchemaIsDroppedCompletelyAndCanBeMadeAgain(t *testing.T) {
	l := newLedger(t)
	url := l.db.Config().ConnString()
	l.must(storage.Unmigrate(t.Context(), url))
	left := l.count(`
		SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'goose%')
			+ (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace)`)
	if left != 0 {
		t.Errorf("%d relations and functions are left", left)
	}
	var older *storage.SchemaError
	if err := l.Ready(t.Context()); !errors.As(err, &older) || !strings.Contains(err.Error(), "run the migrate command") {
		t.Errorf("without the schema: %v", err)
	}
	version, err := storage.Migrate(t.Context(), url, nil)
	if err != nil || version == 0 {
		t.Errorf("got version %d, %v", version, err)
	}
	l.must(l.Ready(t.Context()))
}
