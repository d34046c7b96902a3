package process

import (
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"minigroups/config"
	"minigroups/stack"
	"minigroups/storage"
)

// TestProgramsWaitForTheSchema starts on an empty database, and migrates it when the program says that it waits.
func TestProgramsWaitForTheSchema(t *testing.T) {
	postgres, err := stack.StartPostgres(t.Context(), stack.PostgresOptions{
		Fast: true, Log: filepath.Join(t.TempDir(), "postgres.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = postgres.Kill() })
	cfg := config.Default()
	cfg.Database.URL = config.DatabaseURL(postgres.URL("postgres"))
	core, logs := observer.New(zapcore.WarnLevel)
	signals := Silent()
	signals.Log.Logger = zap.New(core)

	result := make(chan error, 1)
	go func() {
		store, err := MigratedDatabase(t.Context(), cfg, signals)
		if err == nil {
			store.Close()
		}
		result <- err
	}()
	deadline := time.After(time.Minute)
	for logs.FilterMessage("waiting for the schema").Len() == 0 {
		select {
		case err := <-result:
			t.Fatalf("it does not wait: %v", err)
		case <-deadline:
			t.Fatalf("it logs %v", logs.All())
		case <-time.After(50 * time.Millisecond):
		}
	}
	if _, err := storage.Migrate(t.Context(), postgres.URL("postgres"), nil); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-result:
		if err != nil {
			t.Error(err)
		}
	case <-deadline:
		t.Error("it does not notice the migration")
	}
}
