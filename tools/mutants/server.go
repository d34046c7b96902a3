package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"minigroups/stack"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

// server is the Postgres that the processes of all mutants share: starting one costs more than most tests.
type server struct {
	postgres *stack.Postgres
	dir      string
}

func startServer(ctx context.Context) (*server, error) {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	s := &server{dir: dir}
	s.postgres, err = stack.StartPostgres(ctx, stack.PostgresOptions{Log: filepath.Join(dir, "postgres.log"), Fast: true})
	if err != nil {
		return nil, err
	}
	if _, err := storage.Migrate(ctx, s.postgres.URL("postgres"), nil); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *server) env() []string {
	return []string{storagetest.SharedPort + "=" + strconv.Itoa(s.postgres.Port())}
}

func (s *server) stop() {
	_ = s.postgres.Stop(context.Background())
	_ = os.RemoveAll(s.dir)
}
