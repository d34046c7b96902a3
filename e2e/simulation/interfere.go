package simulation

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/sandbox"
	"minigroups/workflows"
)

// interferences are the requests and faults that may happen now, the mildest first.
func (s *scenario) interferences(points []*point) []func() error {
	var out []func() error
	if s.left.requests > 0 {
		out = append(out, s.request)
	}
	for _, p := range s.slots {
		if !p.dead && !p.frozen {
			if waiting := s.world.broker.waiting(); waiting > 0 {
				out = append(out, func() error { s.deliver(p, s.below(waiting, "event"), s.below(4, "again") == 3); return nil })
			}
		}
	}
	if n := s.world.lateRequests(); n > 0 {
		out = append(out, func() error {
			s.note("executed late: %s", s.world.executeLate(s.below(n, "request")))
			return nil
		})
	}
	if s.left.time > 0 {
		out = append(out, s.letTimePass, func() error {
			s.left.time--
			s.sweep()
			return nil
		})
	}
	for _, p := range s.slots {
		switch {
		case p.dead:
			out = append(out, func() error { return s.restart(p) })
		case p.frozen:
			out = append(out, func() error { s.note("%s goes on", p.name); p.frozen = false; return nil })
		}
	}
	if s.left.faults == 0 {
		return out
	}
	fault := func(f func() error) {
		out = append(out, func() error { s.left.faults--; return f() })
	}
	for _, at := range points {
		if at.failing != "" {
			fault(func() error { s.decide(at, fail); return nil })
		}
	}
	for _, p := range s.slots {
		if p.dead {
			continue
		}
		fault(func() error { s.note("%s dies", p.name); p.kill(); return nil })
		if !p.frozen {
			fault(func() error { s.note("%s freezes", p.name); p.frozen = true; return nil })
		}
	}
	fault(s.misbehave)
	fault(func() error {
		name := gatewayName(s.below(len(s.world.gateways), "gateway"))
		s.note("%s restarts", name)
		s.world.restartGateway(name)
		return nil
	})
	fault(s.operate)
	fault(s.closeRoom)
	fault(func() error {
		s.world.broker.mu.Lock()
		defer s.world.broker.mu.Unlock()
		if n := len(s.world.broker.events); n > 0 {
			i := s.below(n, "event")
			s.note("the broker loses %s", describe(s.world.broker.events[i]))
			s.world.broker.events = append(s.world.broker.events[:i], s.world.broker.events[i+1:]...)
		}
		return nil
	})
	return out
}

// letTimePass lets calls wait.
func (s *scenario) letTimePass() error {
	s.left.time--
	pauses := []time.Duration{time.Second, 12 * time.Second, 62 * time.Second, 5 * time.Minute, 70 * time.Minute}
	d := pauses[s.below(len(pauses), "how long")]
	s.note("%s pass", d)
	time.Sleep(d)
	return nil
}

// misbehave makes a service answer its next request wrongly.
func (s *scenario) misbehave() error {
	service := []string{"event", "conference", gatewayName(0)}[s.below(3, "service")]
	effects := []sandbox.Effect{sandbox.EffectRefuse, sandbox.EffectFail, sandbox.EffectLoseReply, sandbox.EffectHang}
	effect := effects[s.below(len(effects), "effect")]
	operations := map[string][]sandbox.Operation{
		"event":      {sandbox.OperationCreate, sandbox.OperationUpdate, sandbox.OperationLock, sandbox.OperationRead},
		"conference": {sandbox.OperationCreate, sandbox.OperationUpdate, sandbox.OperationRead, sandbox.OperationClose},
	}[service]
	operation := sandbox.OperationAny
	if operations != nil {
		operation = operations[s.below(len(operations), "operation")]
	}
	s.note("%s will %s its next %s", service, effect, operation)
	return s.world.setFault(service, sandbox.Fault{Operation: operation, Do: effect, Times: 1})
}

// operate is what an operator does in the Temporal UI and with the tool.
func (s *scenario) operate() error {
	d := s.drafts[s.below(len(s.drafts), "class")]
	id := workflows.WorkflowID(d.Audience, d.Scope)
	p := s.alive()
	if p == nil {
		return nil
	}
	what := s.below(4, "lever")
	s.note("an operator: %s %s", []string{"terminates", "resets", "cancels", "fails the update of"}[what], d.Scope)
	switch what {
	case 0:
		s.server.Terminate(id)
	case 1:
		s.server.Reset(id)
	case 2:
		s.server.Cancel(id)
	case 3:
		p.callers.Go(func() {
			_, _ = p.store.ForceFailUpdate(p.ctx, minigroup.NewClassID(d.Audience, d.Scope), minigroup.Requester{
				Operator: "ops", Reason: "simulation",
			}, minigroup.Failure{Kind: minigroup.OperationCancelled, Detail: "forced"})
		})
	}
	return nil
}

// closeRoom makes conference close a room of itself.
func (s *scenario) closeRoom() error {
	rooms, err := s.world.rooms("conference")
	if err != nil || len(rooms) == 0 {
		return err
	}
	room := rooms[s.below(len(rooms), "room")]
	s.note("conference closes room %s", room.ID)
	_, err = ask(s.world.conference, http.MethodPost, "/sandbox/rooms/"+room.ID.String()+"/close?timed_out=true", nil)
	return err
}

// deliver hands a room event to a process, and keeps it if it is to arrive again.
func (s *scenario) deliver(p *process, i int, again bool) {
	b := s.world.broker
	b.mu.Lock()
	if i >= len(b.events) {
		b.mu.Unlock()
		return
	}
	event := b.events[i]
	b.events = append(b.events[:i:i], b.events[i+1:]...)
	b.mu.Unlock()
	s.note("%s receives %s", p.name, describe(event))
	keep := func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.events = append(b.events, event)
	}
	p.callers.Go(func() {
		ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
		defer cancel()
		if _, err := p.store.RecordRoomEvents(ctx, event); err != nil || again {
			keep() // it was not acknowledged
		}
	})
}

// publish lets a process publish the events of the outbox.
func (s *scenario) publish(p *process) {
	p.callers.Go(func() {
		ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
		defer cancel()
		events, err := p.store.ClaimOutbox(ctx, 10, 15*time.Second)
		if err != nil || len(events) == 0 {
			return
		}
		var outcome minigroup.OutboxOutcome
		for _, e := range events {
			if s.wait(ctx, p, "publish "+e.Label, "not acknowledged") != nil {
				outcome.Unpublished = append(outcome.Unpublished, e.ID)
				continue
			}
			s.world.broker.receive(e)
			outcome.Published = append(outcome.Published, e.ID)
		}
		_ = p.store.SettleOutbox(ctx, outcome, time.Second) // if it fails, the events are published again
	})
}

// deliverNext hands the oldest room event to a process.
func (s *scenario) deliverNext() bool {
	p := s.alive()
	if p == nil || s.world.broker.waiting() == 0 {
		return false
	}
	s.deliver(p, 0, false)
	return true
}

func describe(e minigroup.RoomEvents) string {
	if len(e.Created) > 0 {
		return fmt.Sprintf("room.create of %s room %s", e.Created[0].Kind, short(e.Created[0].ID))
	}
	return fmt.Sprintf("room.close of room %s", short(e.Closed[0].ID))
}

func short(id uuid.UUID) string { return id.String()[:8] }
