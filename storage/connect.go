package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// statementTimeout bounds every statement on the server, including those whose client is gone.
	statementTimeout = 10 * time.Second
	// connectTimeout bounds the attempt to connect to one host. It is less than callers wait, so that they reach the
	// second host of the URL while the first one is down.
	connectTimeout = 3 * time.Second
	// pingAfter is how long a connection was not used before it is pinged.
	pingAfter = time.Second
	// pingTimeout is how long such a connection may take to answer. After that another one is used, within the timeout of
	// the caller.
	pingTimeout = 2 * time.Second
	// maxConnLifetime, and up to connLifetimeJitter more, is how long a connection is used. So connections follow a change
	// of the server's address that nothing else shows, and are not replaced all at once.
	maxConnLifetime    = 10 * time.Minute
	connLifetimeJitter = 2 * time.Minute
	// maxReadConns bounds the connections that are reserved for reads.
	maxReadConns = 4
)

// The names of server settings.
const (
	statementTimeoutSetting = "statement_timeout"
	idleTransactionSetting  = "idle_in_transaction_session_timeout"
	lockTimeoutSetting      = "lock_timeout"
	defaultReadOnlySetting  = "default_transaction_read_only"
)

// readOnlyAtConnect is a key of the data that a connection carries.
const readOnlyAtConnect = "read_only_at_connect"

// errReadOnly means that the server accepts no writes.
var errReadOnly = errors.New("the database is read-only: it is a standby, or a primary that was replaced")

// requireWritable refuses a new connection to a server that accepts no writes, as target_session_attrs=read-write does.
// Such a server may be behind the primary, so its answers may be out of date. Of several hosts in the URL, the first
// one that accepts writes is used.
func requireWritable(ctx context.Context, conn *pgconn.PgConn) error {
	err := pgconn.ValidateConnectTargetSessionAttrsReadWrite(ctx, conn)
	if errors.Is(err, pgconn.ErrReadOnlyConnection) {
		return errReadOnly
	}
	conn.CustomData()[readOnlyAtConnect] = conn.ParameterStatus(defaultReadOnlySetting)
	return err
}

// hasBecomeReadOnly reports whether the server has refused writes by default since the connection was made. The server
// sends every change of this setting with its next answer, since version 14.
func hasBecomeReadOnly(conn *pgconn.PgConn) bool {
	now := conn.ParameterStatus(defaultReadOnlySetting)
	return now == "on" && now != conn.CustomData()[readOnlyAtConnect]
}

// poolConfig returns the configuration of the connections of a Store.
func (o Options) poolConfig() (*pgxpool.Config, error) {
	cfg, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	cfg.BeforeConnect = o.rereadFiles
	cfg.MaxConnLifetime, cfg.MaxConnLifetimeJitter = cmp.Or(o.ConnLifetime, maxConnLifetime), connLifetimeJitter
	cfg.ConnConfig.ConnectTimeout = connectTimeout
	if o.Dial != nil {
		cfg.ConnConfig.DialFunc = o.Dial
	}
	cfg.ConnConfig.ValidateConnect = requireWritable
	settings := cfg.ConnConfig.RuntimeParams
	settings["application_name"] = applicationName(o.Program)
	if o.Pooler {
		// A prepared statement belongs to a connection of the pooler to Postgres, which the next statement may not get.
		cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		return cfg, nil
	}
	settings[statementTimeoutSetting] = milliseconds(statementTimeout)
	settings[idleTransactionSetting] = milliseconds(statementTimeout)
	maps.Copy(settings, planSettings)
	return cfg, nil
}

// planSettings make Postgres plan a statement once for each connection, so that the plan suits a table of any size. By
// default it plans reads of minigroups and admissions anew each time, which takes longer than executing them; no
// statement needs a plan of its own for its arguments. A plan that was made while a table was small would read all of
// it, until the table is analyzed. Where nothing else is possible that is done nevertheless, at a cost for which
// Postgres would compile the plan, for seconds.
var planSettings = map[string]string{
	"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off",
}

// milliseconds is the value of a server setting.
func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// connect makes the pools. The first query connects.
func (s *Store) connect(ctx context.Context, o Options) error {
	cfg, err := o.poolConfig()
	if err != nil {
		return err
	}
	cfg.ShouldPing = func(ctx context.Context, p pgxpool.ShouldPingParams) bool {
		// A second ping, by the pool, fails immediately and makes it use another connection.
		return p.IdleDuration > pingAfter && !s.answersPing(ctx, p.Conn)
	}
	cfg.ConnConfig.Tracer = connectionWatch{s}
	if o.Tracer != nil {
		cfg.ConnConfig.Tracer = multitracer.New(o.Tracer, connectionWatch{s})
	}
	forReads := min(max(o.MaxConns/4, 1), maxReadConns)
	if s.reads, err = openPool(ctx, cfg.Copy(), forReads); err != nil {
		return err
	}
	if s.pool, err = openPool(ctx, cfg, max(o.MaxConns-forReads, 1)); err != nil {
		s.reads.Close()
		return err
	}
	return nil
}

func openPool(ctx context.Context, cfg *pgxpool.Config, conns int32) (*pgxpool.Pool, error) {
	cfg.MaxConns = conns
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return pool, nil
}

// discardConns closes all connections: the idle ones now, the others when their queries end. Its callers have seen an
// error that the other connections would meet, too.
func (s *Store) discardConns(reason error) {
	s.pool.Reset()
	s.reads.Reset()
	if s.discarded != nil {
		s.discarded(reason)
	}
}

// answersPing reports whether a connection that was not used for a while still works. If it does not, the others may be
// as dead, and each would cost its caller the same time, so all are discarded.
func (s *Store) answersPing(ctx context.Context, conn *pgx.Conn) bool {
	pingCtx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	err := conn.Ping(pingCtx)
	if err != nil && ctx.Err() == nil {
		s.discardConns(fmt.Errorf("a connection does not answer: %w", err))
	}
	return err == nil
}

// connectionWatch sees the error of every statement. If the error concerns the server and not the statement, it
// discards all connections.
type connectionWatch struct{ store *Store }

func (w connectionWatch) observe(ctx context.Context, err error) {
	// The error of a caller that has gone away says nothing about the server.
	if err != nil && ctx.Err() == nil && concernsAllConns(err) {
		w.store.discardConns(err)
	}
}

// TraceQueryStart implements pgx.QueryTracer.
func (connectionWatch) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (w connectionWatch) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryEndData) {
	w.observe(ctx, q.Err)
}

// TraceBatchStart implements pgx.BatchTracer.
func (connectionWatch) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (connectionWatch) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (w connectionWatch) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, b pgx.TraceBatchEndData) {
	w.observe(ctx, b.Err)
}
