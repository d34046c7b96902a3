package storage

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"minigroups/minigroup"
)

// ReadSize, ReadConcurrency and ReadSlow bound the queries that read minigroups.
var (
	ReadSize        = readOptions.Size
	ReadConcurrency = readOptions.Concurrency
	ReadSlow        = readOptions.Slow
)

// WaitingReads is the number of reads that are in no query yet.
func (s *Store) WaitingReads() int { return s.reader.Waiting() }

// ReadOneByOne makes every read a query of its own, on the number of connections that serves that best.
func (s *Store) ReadOneByOne() {
	o := readOptions
	o.Size, o.Concurrency = 1, 8
	s.reader = s.newReader(s.pool, o)
}

// ReadInBatches undoes ReadOneByOne.
func (s *Store) ReadInBatches() { s.reader = s.newReader(s.reads, readOptions) }

// WaitingWrites is the number of writes that are in no transaction yet.
func (s *Store) WaitingWrites() int { return s.groups.Waiting() }

// WriteOneGroupAtATime makes writes wait while others are executed, however long that takes.
func (s *Store) WriteOneGroupAtATime() {
	o := groupOptions
	o.Concurrency, o.Timeout = 1, time.Minute
	s.groups = s.newGroups(o)
}

// ReadTimeout bounds a query that reads minigroups, PingTimeout a ping before it.
var (
	ReadTimeout = readOptions.Timeout
	PingTimeout = pingTimeout
)

// PoolConfig is the configuration of the connections.
func (s *Store) PoolConfig() *pgxpool.Config { return s.pool.Config() }

// Acquire takes a connection from the pool.
func (s *Store) Acquire(ctx context.Context) (*pgxpool.Conn, error) { return s.pool.Acquire(ctx) }

// SlotsWindow is the window of the slots of a class.
func SlotsWindow(w minigroup.Window, now time.Time) minigroup.Window { return slotsWindow(w, now) }

// UpdateSlots is the number of slots that an update requests.
func UpdateSlots(u minigroup.UpdateEntry) int32 { return forUpdate(u).slots }

// HasBecomeReadOnly reports whether the server has refused writes by default since ValidateConnect.
func HasBecomeReadOnly(conn *pgconn.PgConn) bool { return hasBecomeReadOnly(conn) }

// The times of migrations. They are variables, as in a copy with mutants.
var (
	LockTimeout = lockTimeout
	LockPause   = lockPause
	LockLimit   = lockLimit
)

// Unmigrate drops the schema.
func Unmigrate(ctx context.Context, url string) error {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	m := migrator{url: url, files: files}
	cfg, err := m.connConfig()
	if err != nil {
		return err
	}
	provider, db, err := m.provider(cfg)
	if err != nil {
		return err
	}
	_, err = provider.DownTo(ctx, 0)
	return errors.Join(err, db.Close())
}

// MigrationFiles are the migrations of this program.
var MigrationFiles fs.FS = migrationFiles

// MigrateTo is Migrate with these files. It pauses for a tenth of a second instead of three, and repeats for up to
// limit.
func MigrateTo(
	ctx context.Context, url string, files fs.FS, limit time.Duration, waiting func(error),
) (version int64, err error) {
	return migrator{url: url, files: files, pause: lockPause / 30, limit: limit, waiting: waiting}.up(ctx)
}

// What is done about an error.
var (
	Wrap             = wrap
	IsAborted        = isAborted
	ConcernsAllConns = concernsAllConns
	ErrReadOnly      = errReadOnly
)

// AfterPrefix returns a text that follows everything that begins with the prefix.
func AfterPrefix(prefix string) string { return afterPrefix(prefix) }

// LockAdmission is the statement that makes admissions wait until the end of the transaction.
var LockAdmission = lockAdmission

// PlanSettings are the settings of a connection that concern plans.
var PlanSettings = planSettings

// ByIndex is executed before each statement of a list, which contain ListLimit.
const (
	ByIndex   = byIndex
	ListLimit = "LIMIT " + listBound
)
