package storage_test

import (
	"testing"

	"minigroups/storage"
	"minigroups/storage/storagetest"
)

func TestTheSchemaIsDroppedWholeAndCanBeMadeAgain(t *testing.T) {
	_, db := storagetest.New(t)
	url := db.Config().ConnString()
	if err := storage.Unmigrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	left := count(t, db, `
		SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'goose%')
			+ (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace)`)
	if left != 0 {
		t.Errorf("%d relations and functions are left", left)
	}
	if _, err := storage.Migrate(t.Context(), url); err != nil {
		t.Error(err)
	}
}
