package storage

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migrate brings the schema to the version of this program and returns that version. It may run twice, or in several
// processes at the same time. If the server does not give it a session of its own, it returns a *SessionError.
//
// A statement that needs a table for itself waits at most a second for it, because all queries of the table wait behind
// that statement. If another transaction uses the table for longer, Migrate calls waiting with an error that names the
// oldest transaction, lets the queries pass, and tries again, for up to 5 minutes. Then it returns such an error. The
// migrations before this one stay applied.
func Migrate(ctx context.Context, url string, waiting func(error)) (version int64, err error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	return migrator{url: url, files: files, pause: lockPause, limit: lockLimit, waiting: waiting}.up(ctx)
}

const (
	// lockTimeout is how long a migration waits for a lock, and everything else behind it.
	lockTimeout = time.Second
	// lockPause is how long the others have then, before the next attempt.
	lockPause = 3 * time.Second
	// lockLimit is how long Migrate repeats that.
	lockLimit = 5 * time.Minute
)

// migrator brings the schema of a database to the version of its files.
type migrator struct {
	url          string
	files        fs.FS
	pause, limit time.Duration
	waiting      func(error)
}

func (m migrator) up(ctx context.Context) (version int64, err error) {
	cfg, err := m.connConfig()
	if err != nil {
		return 0, err
	}
	if err := checkMigrationSessions(ctx, cfg); err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	for begun := time.Now(); ; {
		version, err = m.attempt(ctx, cfg)
		if sqlState(err) != lockNotAvailable {
			return version, err
		}
		err = fmt.Errorf("migrate: a table is in use: %w (%s)", err, oldestTransaction(ctx, cfg))
		if time.Since(begun) > m.limit {
			return 0, fmt.Errorf("%w: nothing is half done; run it again when that transaction has ended", err)
		}
		m.waiting(err)
		select {
		case <-ctx.Done():
			return 0, err
		case <-time.After(m.pause):
		}
	}
}

// attempt applies the migrations that are missing, until one fails.
func (m migrator) attempt(ctx context.Context, cfg *pgx.ConnConfig) (version int64, err error) {
	provider, db, err := m.provider(cfg)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := provider.Up(ctx); err != nil {
		return 0, err
	}
	version, err = provider.GetDBVersion(ctx)
	if err != nil {
		return 0, fmt.Errorf("migrate: read version: %w", err)
	}
	return version, nil
}

// connConfig returns the configuration of the connections that migrate. Migrations may take long, unless they wait for
// a lock, so a statement timeout of the role does not apply.
func (m migrator) connConfig() (*pgx.ConnConfig, error) {
	pool, err := parseURL(m.url)
	if err != nil {
		return nil, err
	}
	cfg := pool.ConnConfig
	cfg.ConnectTimeout, cfg.ValidateConnect = connectTimeout, requireWritable
	cfg.RuntimeParams["application_name"] = applicationName("migrate")
	cfg.RuntimeParams[lockTimeoutSetting] = milliseconds(lockTimeout)
	cfg.RuntimeParams[statementTimeoutSetting] = "0"
	cfg.RuntimeParams[idleTransactionSetting] = "0"
	return cfg, nil
}

func (m migrator) provider(cfg *pgx.ConnConfig) (*goose.Provider, *sql.DB, error) {
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, nil, fmt.Errorf("migrate: %w", err)
	}
	db := stdlib.OpenDB(*cfg)
	provider, err := goose.NewProvider(goose.DialectPostgres, db, m.files, goose.WithSessionLocker(locker))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("migrate: %w", err), db.Close())
	}
	return provider, db, nil
}

// checkMigrationSessions returns a *SessionError unless each connection has a session of its own: goose holds a lock of
// the session while it migrates, and the lock timeout is a setting of the session.
func checkMigrationSessions(ctx context.Context, cfg *pgx.ConnConfig) error {
	var conns [2]*pgx.Conn
	for i := range conns {
		var err error
		if conns[i], err = pgx.ConnectConfig(ctx, cfg.Copy()); err != nil {
			return refusedByPooler(explainTLS(err), useNoPooler)
		}
		defer func() { _ = conns[i].Close(ctx) }()
	}
	sent := map[string]time.Duration{lockTimeoutSetting: lockTimeout, statementTimeoutSetting: 0}
	return checkOwn(ctx, conns[0], conns[1], sent, useNoPooler)
}

// oldestTransaction describes the oldest transaction in the database: probably it holds the lock.
func oldestTransaction(ctx context.Context, cfg *pgx.ConnConfig) string {
	const unknown = "the transaction that uses it is not known"
	conn, err := pgx.ConnectConfig(ctx, cfg.Copy())
	if err != nil {
		return unknown
	}
	defer func() { _ = conn.Close(ctx) }()
	var pid int
	var name string
	var seconds int64
	err = conn.QueryRow(ctx, `
		SELECT pid, coalesce(nullif(application_name, ''), usename, 'unnamed'),
			extract(epoch FROM clock_timestamp() - xact_start)::bigint
		FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
		ORDER BY xact_start LIMIT 1`).Scan(&pid, &name, &seconds)
	if err != nil {
		return unknown
	}
	return fmt.Sprintf("the oldest transaction is of process %d, %s, and has been open for %s",
		pid, name, time.Duration(seconds)*time.Second)
}
