package simulation

import (
	"cmp"
	"context"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"minigroups/storage"
	"minigroups/storage/storagetest"
)

// Of the tracer of the pool, the scheduler uses the beginning of each call of the ledger, and its end.

// TraceQueryStart implements pgx.QueryTracer.
func (p *process) TraceQueryStart(ctx context.Context, conn *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	p.loseAnswer(conn, q.SQL)
	return ctx
}

// TraceBatchStart implements pgx.BatchTracer. Only here it is known what a group of writes does.
func (p *process) TraceBatchStart(ctx context.Context, conn *pgx.Conn, b pgx.TraceBatchStartData) context.Context {
	if call, ok := p.calls.Load(conn); ok && call == (ledgerCall{name: group}) {
		ctx = p.begin(ctx, writes(b.Batch))
		if call, ok := ctx.Value(callKey{}).(ledgerCall); ok {
			p.calls.Store(conn, call)
		}
	}
	p.loseAnswer(conn, "")
	return ctx
}

// group is the name of a group of writes until it begins.
const group = "newGroups"

// writes names what the statements of a group write.
func writes(batch *pgx.Batch) string {
	var names []string
	for _, q := range batch.QueuedQueries {
		if match := written.FindString(q.SQL); match != "" && !slices.Contains(names, match) {
			names = append(names, match)
		}
	}
	return cmp.Or(strings.Join(names, ", "), "read")
}

var written = regexp.MustCompile(`(INSERT INTO|UPDATE) \w+( \w+)? SET \w+|INSERT INTO \w+`)

// TraceBatchQuery implements pgx.BatchTracer.
func (p *process) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (p *process) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// loseAnswer lets the connection lose the answer to this statement if it commits and the scheduler has said so.
func (p *process) loseAnswer(conn *pgx.Conn, sql string) {
	value, _ := p.calls.Load(conn)
	call, _ := value.(ledgerCall)
	const idle = 'I'
	commits := sql == "commit" || conn.PgConn().TxStatus() == idle && !strings.HasPrefix(sql, "begin")
	if lossy, ok := conn.PgConn().Conn().(*lossyConn); ok && call.unanswered && commits {
		lossy.loses.Store(true)
	}
}

// lossyConn is a connection to Postgres that may lose the answer to a statement.
type lossyConn struct {
	net.Conn
	loses atomic.Bool
	// answer is what is left to be read of an answer that was read to be lost.
	answer []byte
}

// Read implements net.Conn.
func (c *lossyConn) Read(b []byte) (int, error) {
	if len(c.answer) == 0 && c.loses.Load() {
		if err := c.receive(); err != nil {
			return 0, err
		}
	}
	if len(c.answer) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.answer)
	c.answer = c.answer[n:]
	return n, nil
}

// receive reads an answer. If a statement has completed, which may be preceded by the answer to its preparation, an
// error takes the place of the answer. The connection stays: for a new one, Postgres would make all plans anew, which
// takes as long as a scenario.
func (c *lossyConn) receive() error {
	from := pgproto3.NewFrontend(c.Conn, nil) // it may read ahead, but nothing follows an answer
	for completed, last := false, false; !last; {
		message, err := from.Receive()
		if err != nil {
			return err
		}
		switch message.(type) {
		case *pgproto3.CommandComplete:
			completed = true
		case *pgproto3.ReadyForQuery:
			last = true
			if completed {
				c.loses.Store(false)
				c.answer, err = answerLost.Encode(nil)
			}
		}
		if err == nil {
			c.answer, err = message.Encode(c.answer)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// answerLost says, with the SQLSTATE for that, that it is not known whether the statement was executed.
var answerLost = pgproto3.ErrorResponse{Severity: "ERROR", Code: "40003", Message: "injected: the answer is lost"}

// dial connects to the server of the tests, whatever the address says.
func dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", storagetest.Server().Socket())
	if err != nil {
		return nil, err
	}
	return &lossyConn{Conn: conn}, nil
}

// TraceQueryEnd implements pgx.QueryTracer.
func (p *process) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceAcquireStart implements pgxpool.AcquireTracer.
func (p *process) TraceAcquireStart(
	ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData,
) context.Context {
	name := caller()
	if name == group {
		return context.WithValue(ctx, callKey{}, ledgerCall{name: group})
	}
	return p.begin(ctx, name)
}

// begin lets the scheduler decide about a call of the ledger.
func (p *process) begin(ctx context.Context, name string) context.Context {
	name += inActivity(ctx)
	decided, err := p.sched.wait(ctx, p, "ledger: "+name, way{ledgerFails, "not connected", fail},
		way{ledgerFails, "its answer is lost", commitUnanswered})
	if err != nil {
		failed, cancel := context.WithCancel(ctx)
		cancel()
		return failed
	}
	if r, ok := ctx.Value(requestKey{}).(*request); ok && name == "RecordAnswer" {
		r.stored = decided != commitUnanswered // else it may have been another answer that was stored before
	}
	return context.WithValue(ctx, callKey{}, ledgerCall{name: name, unanswered: decided == commitUnanswered})
}

// ledgerCall is a call of the ledger.
type ledgerCall struct {
	name       string
	unanswered bool
}

// callKey is the key of a call in its context.
type callKey struct{}

// TraceAcquireEnd implements pgxpool.AcquireTracer.
func (p *process) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, end pgxpool.TraceAcquireEndData) {
	if call, ok := ctx.Value(callKey{}).(ledgerCall); ok && end.Conn != nil {
		p.calls.Store(end.Conn, call)
	}
}

// TraceRelease implements pgxpool.ReleaseTracer.
func (p *process) TraceRelease(_ *pgxpool.Pool, release pgxpool.TraceReleaseData) {
	value, _ := p.calls.LoadAndDelete(release.Conn)
	call, _ := value.(ledgerCall)
	if lossy, ok := release.Conn.PgConn().Conn().(*lossyConn); ok {
		lossy.loses.Store(false) // if the statement has failed
	}
	_, _ = p.sched.wait(context.Background(), p, "ledger: done "+call.name) // the call has ended
}

func openStore(url string, p *process) (*storage.Store, error) {
	return storage.Open(context.Background(), storage.Options{
		// Scenarios take hours of their time and milliseconds of ours.
		URL: url + "&pool_max_conn_idle_time=1000000h", ConnLifetime: 1_000_000 * time.Hour,
		MaxConns: 16, PublishEvents: true, Tracer: p, Dial: dial,
	})
}
