package storage

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"minigroups/minigroup"
)

const (
	// gatherAtOnce is how many queries of a gatherer may be under way. One is as a rule: while Postgres works on it, the next is
	// filled. Another is sent where it takes long, or where more reads wait than it could answer.
	gatherAtOnce = 2
	gatherSlow   = 10 * time.Millisecond
	// gatherMost is how many reads one query answers at most. More of them would only make the first wait for the last.
	gatherMost = 64
	// gatherWait bounds one query, as callers bound their waiting for it.
	gatherWait = 4 * time.Second
)

// gatherer answers reads of single minigroups that come at the same time by one query. Nothing waits for company: a read that
// comes alone is sent at once, and those that come while a query is under way go together when it is answered. A query holds
// only reads that were asked for before it was sent, so each sees what was written before it was asked for.
type gatherer struct {
	pool   *pgxpool.Pool
	atOnce int
	most   int

	mu      sync.Mutex
	waiting []*question
	sending int       // queries that are under way, or about to be
	sent    time.Time // when the last of them was
}

// question is one read. Whoever asks reads the rest once answered is closed.
type question struct {
	id      uuid.UUID
	account minigroup.Account
	// of is the context of whoever asks, which ends nothing: the query belongs to the trace of the first.
	of context.Context //nolint:containedctx // it goes with the question to whoever sends it

	answered   chan struct{}
	minigroup  minigroup.Minigroup
	properties []byte
	err        error
}

// read returns the minigroup and the properties of the account, as Store.ByIDForAccount does, or the error of ctx as soon as
// that ends.
func (g *gatherer) read(ctx context.Context, id uuid.UUID, account minigroup.Account) (minigroup.Minigroup, []byte, error) {
	if err := ctx.Err(); err != nil {
		return minigroup.Minigroup{}, nil, fmt.Errorf("read minigroup: %w", err)
	}
	q := &question{id: id, account: account, of: context.WithoutCancel(ctx), answered: make(chan struct{})}
	g.ask(q) //nolint:contextcheck // the query answers others, too
	select {
	case <-q.answered:
		return q.minigroup, q.properties, q.err
	case <-ctx.Done():
		g.withdraw(q)
		return minigroup.Minigroup{}, nil, fmt.Errorf("read minigroup: %w", ctx.Err())
	}
}

func (g *gatherer) ask(q *question) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, q)
	if g.sending == 0 || g.sending < g.atOnce && (len(g.waiting) > g.most || time.Since(g.sent) > gatherSlow) {
		g.sending++
		g.sent = time.Now() // until it is: then anew
		go g.send()
	}
}

// withdraw takes back a question that was not sent yet.
func (g *gatherer) withdraw(q *question) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.DeleteFunc(g.waiting, func(other *question) bool { return other == q })
}

// next takes the questions of the next query; none where this sender is not needed any more.
func (g *gatherer) next() []*question {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), g.most)
	if n == 0 {
		g.waiting, g.sending = nil, g.sending-1
		return nil
	}
	taken := g.waiting[:n]
	g.waiting, g.sent = g.waiting[n:], time.Now()
	return taken
}

// send answers whatever is asked, query after query, until nothing is.
func (g *gatherer) send() {
	for {
		runtime.Gosched() // whoever is about to ask comes first, and nobody is waited for
		asked := g.next()
		if asked == nil {
			return
		}
		ctx, cancel := context.WithTimeout(asked[0].of, gatherWait)
		err := g.answer(ctx, asked)
		if isLost(err) && ctx.Err() == nil {
			g.pool.Reset() // the others are as old: Postgres was restarted, or the network was
			err = g.answer(ctx, asked)
		}
		cancel()
		for _, q := range asked {
			if err != nil {
				q.err = fmt.Errorf("read minigroup: %w", err)
			}
			close(q.answered)
		}
	}
}

// gathered tells of each minigroup the last update that somebody asked for, too; one that asks for nothing is a comparison. An
// update whose caller was told at once that its condition did not hold is as if it had never been.
//
// It is planned once for each connection, perhaps before there are any rows. LIMIT makes each row a lookup by its key whatever
// Postgres knew of the table then.
const gathered = `SELECT ` + minigroupColumns + `,
	u.id, u.state, u.requested, u.failure, u.decided_at,
	asked.number, (SELECT properties FROM account a WHERE a.audience = asked.audience AND a.label = asked.label)
FROM unnest($1::uuid[], $2::text[], $3::text[]) WITH ORDINALITY asked (id, audience, label, number)
CROSS JOIN LATERAL (SELECT * FROM minigroup WHERE id = asked.id LIMIT 1) m
LEFT JOIN LATERAL (
	SELECT id, state, requested, failure, decided_at FROM minigroup_update
	WHERE class_id = m.id AND requested <> '{}' AND (announced OR state <> 'failed' OR failure->>'kind' <> 'precondition_failed')
	ORDER BY number DESC LIMIT 1
) u ON u.state <> 'done'`

// answer makes one query for all that is asked and writes the answers down. Its error concerns all of them.
func (g *gatherer) answer(ctx context.Context, asked []*question) error {
	ids := make([][16]byte, len(asked))
	var audiences, labels []*string // NULL where nobody asks for an account
	for i, q := range asked {
		ids[i], q.err = q.id, minigroup.Errorf(minigroup.ClassNotFound, "there is no minigroup with this id")
		if q.account == (minigroup.Account{}) {
			continue
		}
		if audiences == nil {
			audiences, labels = make([]*string, len(asked)), make([]*string, len(asked))
		}
		audiences[i], labels[i] = &q.account.Audience, &q.account.Label
	}
	rows, err := g.pool.Query(ctx, gathered, ids, audiences, labels)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scanAnswer(rows, asked); err != nil {
			return err
		}
	}
	return rows.Err()
}

// scanAnswer reads a row of gathered, and gives it to whom its number tells.
func scanAnswer(row pgx.Row, asked []*question) error {
	var m minigroup.Minigroup
	var updateID *uuid.UUID
	var updateState *minigroup.UpdateState
	var requested *changeJSON
	var failure *failureJSON
	var decidedAt *time.Time
	var number int64
	var properties []byte
	if err := scanMinigroup(row, &m, &updateID, &updateState, &requested, &failure, &decidedAt, &number, &properties); err != nil {
		return err
	}
	if updateID != nil {
		m.Update = &minigroup.Update{ID: *updateID, State: *updateState, Requested: requested.change(), Failure: failure.failure(decidedAt)}
	}
	q := asked[number-1]
	q.minigroup, q.properties, q.err = m, properties, nil
	return nil
}
