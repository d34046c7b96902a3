package simulation

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/client"

	"minigroups/e2e/simulation/temporal"
	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/workflows"
)

// bench is what all scenarios share.
type bench struct {
	db     *pgx.Conn
	slots  []*process // their stores are kept
	token  func() (string, error)
	public *ecdsa.PublicKey
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
	left  struct{ requests, faults, time int }
	ran   int // steps
	turn  int
}

// request is a request of a caller and its answer.
type request struct {
	what    string
	scope   string
	create  bool
	done    bool
	outcome minigroup.Outcome
	err     error
}

func (b *bench) run(c chooser) (*scenario, error) {
	s := &scenario{bench: b, chooser: c, scheduler: newScheduler()}
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
	err = s.explore()
	if err == nil && !s.exhausted() {
		err = s.settle()
	}
	if err == nil && !s.exhausted() {
		err = s.check()
	}
	s.stop()
	return s, err
}

// prepare empties the ledger and draws the classes.
func (s *scenario) prepare() error {
	if _, err := s.db.Exec(context.Background(), emptyLedger); err != nil {
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
	for i := range 1 + s.below(2, "classes") {
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
	s.left.requests, s.left.faults, s.left.time = 1+s.below(6, "requests"), s.below(6, "faults"), s.below(4, "pauses")
	return nil
}

// maxSkew is how far the clock of Postgres may be behind.
const maxSkew = 50 * time.Millisecond

// showClock makes Postgres show the time of the bubble.
func (s *scenario) showClock() error {
	if now := time.Now(); now.Sub(s.clock) > maxSkew {
		s.clock = now
		_, err := s.db.Exec(context.Background(), fmt.Sprintf("SELECT setval('clock.now', %d)", now.UnixMicro()))
		return err
	}
	return nil
}

// maxSteps bounds the decisions of a scenario while faults happen.
const maxSteps = 400

// explore lets requests and faults happen in an interleaving that the chooser draws.
func (s *scenario) explore() error {
	for s.ran = 0; s.ran < maxSteps && !s.exhausted(); s.ran++ {
		s.forgetArrivals()
		points, deliveries := s.waiting(), s.server.Deliveries()
		if err := s.showClock(); err != nil {
			return err
		}
		var choices []func()
		for _, at := range points {
			choices = append(choices, func() { s.decide(at, goOn) })
		}
		for _, d := range deliveries {
			choices = append(choices, func() { s.deliverTask(d) })
		}
		// What goes on comes first, so that shrinking removes what interferes.
		other := s.interferences(points)
		if len(choices) == 0 && len(other) == 0 {
			return nil // nothing happens any more; settle lets time pass
		}
		if len(choices) == 0 && s.pass(time.Second) {
			continue
		}
		// A fault or a request happens in one of four steps, unless nothing else can.
		if len(other) > 0 && (len(choices) == 0 || s.below(4, "go on") == 3) {
			if err := other[s.below(len(other), "interfere")](); err != nil {
				return err
			}
		} else if len(choices) > 0 {
			choices[s.below(len(choices), "who")]()
		}
	}
	return nil
}

// settleFor bounds the virtual time in which everything must come to its end once faults have stopped.
const settleFor = 3 * time.Hour

// settle stops all faults and lets everything go on, in order, with a sweep every minute, until nothing is unfinished.
func (s *scenario) settle() error {
	s.note("faults stop")
	s.ran = maxSteps
	for _, service := range []string{"event", "conference"} {
		if err := s.world.clearFaults(service); err != nil {
			return err
		}
	}
	for _, name := range s.world.gatewayNames() {
		if err := s.world.clearFaults(name); err != nil {
			return err
		}
	}
	for _, p := range s.slots {
		p.frozen = false
	}
	until := time.Now().Add(settleFor)
	nextSweep := time.Now().Add(time.Minute)
	for time.Now().Before(until) {
		if err := s.settleStep(); err != nil {
			return err
		}
		if time.Now().After(nextSweep) {
			nextSweep = time.Now().Add(time.Minute)
			unfinished, err := s.unfinished()
			if err != nil {
				return err
			}
			if len(unfinished) == 0 {
				return nil
			}
			s.sweep()
		}
	}
	unfinished, err := s.unfinished()
	if err != nil || len(unfinished) == 0 {
		return err
	}
	return fmt.Errorf("not finished %s after the last fault: %q", settleFor, unfinished)
}

// deliverTask hands a task to a worker.
func (s *scenario) deliverTask(d temporal.Delivery) {
	s.note("%s: receives the %s", d.Identity, d)
	s.server.Deliver(d)
}

// settleStep lets one thing happen that waits; if there is none, it lets time pass.
func (s *scenario) settleStep() error {
	s.forgetArrivals()
	points := s.waiting()
	if err := s.showClock(); err != nil {
		return err
	}
	if len(points) > 0 {
		s.decide(points[0], goOn)
		return nil
	}
	if deliveries := s.server.Deliveries(); len(deliveries) > 0 {
		s.turn++ // the workers take turns
		s.deliverTask(deliveries[s.turn%len(deliveries)])
		return nil
	}
	for _, p := range s.slots {
		if err := s.restart(p); err != nil {
			return err
		}
	}
	if s.deliverNext() {
		return nil
	}
	s.pass(10 * time.Second)
	return nil
}

// restart starts a process that was killed, once all of it has ended.
func (s *scenario) restart(p *process) error {
	if !p.dead {
		return nil
	}
	select {
	case <-p.stopped:
		s.note("%s starts", p.name)
		return p.start(s.server, s.token)
	default:
		return nil
	}
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

// sweep starts both sweeps, as schedules do, and publishes the events of the outbox.
func (s *scenario) sweep() {
	if p := s.alive(); p != nil {
		s.startSweep(p, "sweep of the classes", workflows.SweepClasses)
		s.startSweep(p, "sweep of the gateways", workflows.SweepGateways)
		s.publish(p)
	}
}

func (s *scenario) startSweep(p *process, name string, workflow any) {
	s.note("%s", name)
	p.callers.Go(func() {
		_, _ = p.temporal.ExecuteWorkflow(p.ctx, client.StartWorkflowOptions{ // one may be running
			ID: name, TaskQueue: taskQueue,
		}, workflow)
	})
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

func openStore(url string, p *process) (*storage.Store, error) {
	return storage.Open(context.Background(), storage.Options{URL: url, MaxConns: 16, PublishEvents: true, Tracer: p})
}
