package simulation

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"minigroups/e2e/linearizability"
	"minigroups/minigroup"
	"minigroups/workflows"
)

// interference is a request, a fault or something else that may happen at any time.
type interference struct {
	weight int
	do     func() error
}

// The kinds of faults.
const (
	callsFail = iota
	ledgerFails
	processesDie
	processesFreeze
	servicesMisbehave
	connectionsRunOut
	gatewaysRestart
	operatorsAct
	roomsClose
	brokerLoses
	faultKinds
)

// interferences are the requests and faults that may happen now, the mildest first.
func (s *scenario) interferences(points []*point) []interference {
	var out []interference
	add := func(weight int, do func() error) { out = append(out, interference{weight, do}) }
	if s.left.requests > 0 && s.unanswered() < maxUnanswered {
		add(8, s.request)
	}
	for _, p := range s.slots {
		if waiting := s.world.broker.waiting(); waiting > 0 && !p.dead && !p.frozen {
			add(2, func() error { s.deliver(p, s.below(waiting, "event"), s.rarely(2, "again")); return nil })
		}
	}
	if n := s.world.lateRequests(); n > 0 {
		add(4, func() error {
			s.note("executed late: %s", s.world.executeLate(s.below(n, "request")))
			return nil
		})
	}
	if s.left.pauses > 0 {
		add(1, s.letTimePass)
	}
	if s.left.sweeps > 0 {
		add(4, func() error { s.left.sweeps--; s.sweep(); return nil })
	}
	for _, p := range s.slots {
		switch {
		case p.dead:
			add(4, func() error { return s.restart(p) })
		case p.frozen && !time.Now().Before(p.frozenUntil):
			add(4, func() error { s.note("%s goes on", p.name); p.frozen = false; return nil })
		}
	}
	if s.left.faults == 0 {
		return out
	}
	faults := s.faults(points)
	if s.hits > 0 && len(faults) > 0 && s.below(2, "fault") == 1 {
		return faults
	}
	return append(out, faults...)
}

// faults are the faults that may happen now.
func (s *scenario) faults(points []*point) (out []interference) {
	fault := func(weight int, do func() error) {
		out = append(out, interference{weight, func() error {
			s.left.faults--
			s.goWrong()
			return do()
		}})
	}
	add := func(kind, weight int, do func() error) {
		if n := s.kinds[kind]; n > 0 {
			fault(n*weight, do)
		}
	}
	processes := s.slots
	if s.hits > 0 && slices.Contains(points, s.hit) {
		points, processes = []*point{s.hit}, []*process{s.hit.process}
	}
	var calls []interference
	for _, at := range points {
		for _, w := range at.ways {
			if n := s.kinds[w.kind]; n > 0 {
				calls = append(calls, interference{n * w.weight(), func() error { s.decide(at, w); return nil }})
			}
		}
	}
	if len(calls) > 0 {
		fault(8, func() error { return s.interfere(calls) })
	}
	for _, p := range processes {
		if p.dead {
			continue
		}
		add(processesDie, 1, func() error { s.note("%s dies", p.name); p.kill(); return nil })
		if !p.frozen {
			add(processesFreeze, 2, func() error { s.freeze(p); return nil })
		}
	}
	add(connectionsRunOut, 1, func() error {
		s.note("conference has one connection")
		return s.world.setConnections(1)
	})
	add(gatewaysRestart, 1, s.gatewayRestarts)
	open := s.server.Open()
	for _, d := range s.drafts {
		if slices.Contains(open, workflows.WorkflowID(d.Audience, d.Scope)) {
			add(operatorsAct, 6, func() error { return s.operate(d) })
		}
	}
	add(roomsClose, 1, s.closeRoom)
	add(brokerLoses, 1, s.loseEvent)
	return out
}

// freeze lets a process do nothing for a time, in which its timers go on.
func (s *scenario) freeze(p *process) {
	// The last is enough for another process to send a request of its own, once this one's cannot be in flight.
	durations := []time.Duration{0, stepWait + time.Second, requestTimeout + time.Second, 3 * requestTimeout}
	d := durations[s.below(len(durations), "how long")]
	s.note("%s freezes, for at least %s", p.name, d)
	p.frozen, p.frozenUntil = true, time.Now().Add(d)
}

func (s *scenario) gatewayRestarts() error {
	name := gatewayName(s.below(len(s.world.gateways), "gateway"))
	s.note("%s restarts", name)
	s.world.restartGateway(name)
	return nil
}

func (s *scenario) loseEvent() error {
	waiting := s.world.broker.waiting()
	if waiting == 0 {
		return nil
	}
	event := s.world.broker.lose(s.below(waiting, "event"))
	s.note("the broker loses %s", describe(event))
	s.missed = s.missed || len(event.Closed) > 0
	return nil
}

// letTimePass lets calls wait.
func (s *scenario) letTimePass() error {
	s.left.pauses--
	s.faulted = true
	pauses := []time.Duration{time.Second, 12 * time.Second, 62 * time.Second, 5 * time.Minute, 70 * time.Minute}
	d := pauses[s.below(len(pauses), "how long")]
	s.note("%s pass", d)
	time.Sleep(d)
	return nil
}

// levers are what an operator does with an open run, in the Temporal UI and with the tool.
var levers = []string{"terminates", "resets", "cancels", "fails the update of"}

// operate lets an operator do something with an open run of a class.
func (s *scenario) operate(d minigroup.Draft) error {
	id := workflows.WorkflowID(d.Audience, d.Scope)
	lever := s.lever
	if s.below(2, "another lever") == 1 {
		lever = s.below(len(levers), "lever")
	}
	s.note("an operator: %s %s", levers[lever], d.Scope)
	switch lever {
	case 0:
		s.server.Terminate(id)
	case 1:
		s.recorder.Begin(linearizability.Operation{Kind: linearizability.Reset, Class: d.Scope})
		s.server.Reset(id)
	case 2:
		s.server.Cancel(id)
	case 3:
		p := s.alive()
		if p == nil {
			return nil
		}
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
	s.closed = append(s.closed, room.ID)
	for _, d := range s.drafts {
		if minigroup.NewClassID(d.Audience, d.Scope) == room.ClassroomID {
			s.recorder.Begin(linearizability.Operation{Kind: linearizability.CloseRoom, Class: d.Scope})
		}
	}
	_, err = ask(s.world.conference, http.MethodPost, "/sandbox/rooms/"+room.ID.String()+"/close?timed_out=true", nil)
	return err
}

// deliver hands a room event to a process. It arrives again if that says so, as after a reconnect.
func (s *scenario) deliver(p *process, i int, again bool) {
	event := s.world.broker.take(i)
	s.note("%s receives %s", p.name, describe(event))
	p.callers.Go(func() {
		ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
		defer cancel()
		_, err := p.store.RecordRoomEvents(ctx, event)
		s.world.broker.delivered(event, err == nil && !again)
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
			if _, err := s.wait(ctx, p, "publish "+e.Label, way{callsFail, "not acknowledged", fail}); err != nil {
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
