package storage_test

import (
	"context"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

// withMigration returns the migrations of the program and another one.
func withMigration(t *testing.T, up string) fs.FS {
	t.Helper()
	files := fstest.MapFS{"00002_test.sql": {Data: []byte("-- +goose Up\n" + up)}}
	own, err := fs.Sub(storage.MigrationFiles, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(own, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(own, name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: text}
	}
	return files
}

// longReader returns a transaction that has read the table minigroup, as pg_dump does, and is not finished.
func longReader(t *testing.T, url string) (end func()) {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.RuntimeParams["application_name"] = "pg_dump"
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	tx, err := conn.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM minigroup`); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

const addColumn = `ALTER TABLE minigroup ADD COLUMN test integer;`

// TestReadsGoOnWhileAMigrationWaits lets a migration meet a long reader, behind which it has to wait.
func TestReadsGoOnWhileAMigrationWaits(t *testing.T) {
	url := storagetest.NewDatabase(t)
	s := storagetest.Open(t, storage.Options{URL: url})
	files := withMigration(t, addColumn)
	end := longReader(t, url)
	var waits atomic.Int32
	migrated := make(chan error, 1)
	go func() {
		version, err := storage.MigrateTo(t.Context(), url, files, time.Minute, func(reason error) {
			if !strings.Contains(reason.Error(), "pg_dump") {
				t.Errorf("it does not say what holds the table: %v", reason)
			}
			if n := waits.Add(1); n == 3 && strings.Contains(reason.Error(), "open for 0s") {
				t.Errorf("it has waited three times for a second: %v", reason)
			}
		})
		if err == nil && version != 2 {
			t.Errorf("got version %d", version)
		}
		migrated <- err
	}()
	for waits.Load() < 3 {
		select {
		case err := <-migrated:
			t.Fatalf("it did not wait for the reader: %v", err)
		default:
		}
		if _, err := s.ByID(t.Context(), uuid.New()); !isKind(err, minigroup.ClassNotFound) {
			t.Fatalf("a read fails: %v", err)
		}
	}
	end()
	if err := <-migrated; err != nil {
		t.Error(err)
	}
}

func TestAMigrationGivesUpAndSaysWhatItWaitedFor(t *testing.T) {
	url := storagetest.NewDatabase(t)
	files := withMigration(t, addColumn)
	end := longReader(t, url)
	_, err := storage.MigrateTo(t.Context(), url, files, 0, func(error) {})
	if err == nil || !strings.Contains(err.Error(), "pg_dump") || !strings.Contains(err.Error(), "run it again") {
		t.Errorf("got %v", err)
	}
	end()
	if version, err := storage.MigrateTo(t.Context(), url, files, 0, nil); err != nil || version != 2 {
		t.Errorf("got version %d, %v", version, err)
	}
}

// TestAnIndexIsCreatedBesideALongReader creates an index as the rules for migrations ask for.
func TestAnIndexIsCreatedBesideALongReader(t *testing.T) {
	url := storagetest.NewDatabase(t)
	files := withMigration(t, "-- +goose NO TRANSACTION\n"+indexConcurrently)
	end := longReader(t, url)
	migrated := make(chan error, 1)
	go func() {
		_, err := storage.MigrateTo(t.Context(), url, files, time.Minute, func(reason error) { t.Error(reason) })
		migrated <- err
	}()
	conn := storagetest.Connect(t, url)
	until(t, "the index is being created", func() bool {
		var waits bool
		err := conn.QueryRow(t.Context(), `SELECT EXISTS (
			SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'
				AND datname = current_database())`).Scan(&waits)
		if err != nil {
			t.Fatal(err)
		}
		return waits
	})
	if _, err := conn.Exec(t.Context(), `UPDATE minigroup SET host = host`); err != nil {
		t.Errorf("a write fails meanwhile: %v", err)
	}
	end()
	if err := <-migrated; err != nil {
		t.Error(err)
	}
	var valid bool
	err := conn.QueryRow(t.Context(), `
		SELECT indisvalid FROM pg_index WHERE indexrelid = 'test_index'::regclass`).Scan(&valid)
	if err != nil || !valid {
		t.Errorf("the index is valid: %v, %v", valid, err)
	}
}
