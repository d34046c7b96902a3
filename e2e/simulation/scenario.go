package simulation

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/auth"
	"minigroups/e2e/linearizability"
	"minigroups/e2e/simulation/temporal"
	"minigroups/minigroup"
)

// bench is what all scenarios share.
type bench struct {
	db       *pgx.Conn
	slots    []*process // their stores are kept
	token    func() (string, error)
	public   *ecdsa.PublicKey
	bearer   string // the token of callers
	verifier *auth.Verifier
	coverage coverage
}

// scenario is one search through an interleaving.
type scenario struct {
	*bench
	chooser
	*scheduler
	world  *world
	server *temporal.Server
	clock  time.Time

	drafts []minigroup.Draft
	begun  time.Time
	// calls are the requests of callers, in the order in which they began.
	calls []*request
	// recorder has what they saw.
	recorder *linearizability.Recorder
	manner
	left struct{ requests, faults, pauses, sweeps int }
	turn int
	// hits is how many of the next steps interfere, because of the call hit.
	hits int
	hit  *point
	// closed are the rooms that conference has closed of itself.
	closed []uuid.UUID
	// faulted means that something has happened after which gateways may differ from the ledger until a sweep.
	faulted bool
	// missed means that the broker has lost an event of a room that was closed.
	missed bool
}

func (b *bench) run(c chooser) (*scenario, error) {
	// What is rounded to seconds, or happens once an hour, must not depend on the scenario before.
	time.Sleep(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)))
	s := &scenario{bench: b, chooser: c, scheduler: newScheduler(), recorder: &linearizability.Recorder{}}
	var err error
	if s.world, err = newWorld(b.public, 1+c.below(2, "gateways")); err != nil {
		return s, err
	}
	number := 0
	s.server = temporal.New(func() string {
		number++
		return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, number)).String()
	}, s.arrive)
	if err := s.prepare(); err != nil {
		return s, err
	}
	for _, p := range b.slots {
		p.sched, p.world = s.scheduler, s.world
	}
	for _, p := range b.slots {
		if err := p.start(s.server, b.token); err != nil {
			return s, err
		}
	}
	if err = s.prelude(); err == nil {
		err = s.explore()
	}
	if err == nil {
		err = s.settle()
	}
	if err == nil {
		err = errors.Join(s.noticed(), s.check(), s.cover())
	}
	s.stop()
	return s, err
}

// prepare empties the ledger and draws the classes.
func (s *scenario) prepare() error {
	if _, err := s.db.Exec(context.Background(), emptyLedger+";"+emptyMonitors); err != nil {
		return err
	}
	if err := s.showClock(); err != nil {
		return err
	}
	s.begun = time.Now()
	for _, name := range s.world.gatewayNames() {
		_, err := s.db.Exec(context.Background(), `
			INSERT INTO janus_backend (id, "group", capacity, admin_url) VALUES ($1, '', 10, 'http://' || $1 || '/admin')`, name)
		if err != nil {
			return err
		}
	}
	for i := range 1 + min(1, s.below(4, "classes")/3) {
		d := minigroup.Draft{Audience: audience, Scope: fmt.Sprint("class-", i), Host: "host." + audience}
		start, end := s.begun.Unix()-60, s.begun.Unix()+3600
		switch s.below(3, "window") {
		case 0:
			d.Time = minigroup.Window{Start: &start, End: &end}
		case 1:
			start, end = start+7200, end+7200
			d.Time = minigroup.Window{Start: &start, End: &end}
		}
		if s.below(2, "slots") == 0 {
			d.Reserve = new([]int32{4, 5, 6, 7}[s.below(4, "how many")])
		}
		d.LockedChat = s.below(2, "locked") == 0
		s.drafts = append(s.drafts, d)
	}
	s.manner = drawManner(s)
	s.left.requests, s.left.faults = s.quiet+1+s.below(8, "requests"), s.below(8, "faults")
	s.left.pauses, s.left.sweeps = s.below(4, "pauses"), s.below(4, "sweeps")
	if s.calm { // what remains to interfere are sweeps and slow calls
		s.left.faults, s.left.pauses, s.left.sweeps, s.slow = 0, 0, s.left.sweeps+4, true
	}
	return nil
}

// maxSkew is how far the clock of Postgres may be behind.
const maxSkew = 50 * time.Millisecond

// showClock makes Postgres show the time of the bubble.
func (s *scenario) showClock() error {
	if now := time.Now(); now.Sub(s.clock) > maxSkew {
		s.clock = now
		_, err := s.db.Exec(context.Background(), "SELECT setval('clock.now', $1)", now.UnixMicro())
		return err
	}
	return nil
}

// stop ends all processes.
func (s *scenario) stop() {
	for _, p := range s.slots {
		if !p.dead {
			p.kill()
		}
	}
	for _, p := range s.slots {
		<-p.stopped
	}
}

// alive returns a process that runs.
func (s *scenario) alive() *process {
	for _, p := range s.slots {
		if !p.dead && !p.frozen {
			return p
		}
	}
	return nil
}
