package simulation

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"

	"minigroups/e2e/simulation/temporal"
	"minigroups/workflows"
)

// settleFor bounds the virtual time in which everything must come to its end once faults have stopped.
const settleFor = 3 * time.Hour

// lookUpInterval is how often the rooms of classes without an end are looked up.
const lookUpInterval = 24 * time.Hour

// settle stops all faults and lets everything go on, in order, with a sweep every minute, until nothing is unfinished.
func (s *scenario) settle() error {
	s.note("faults stop")
	for _, service := range []string{"event", "conference"} {
		if err := s.world.clearFaults(service); err != nil {
			return err
		}
	}
	if err := s.world.setConnections(0); err != nil {
		return err
	}
	for _, name := range s.world.gatewayNames() {
		if err := s.world.clearFaults(name); err != nil {
			return err
		}
	}
	for _, p := range s.slots {
		p.frozen = false
	}
	if err := s.compareGateways(); err != nil {
		return err
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
			if len(unfinished) == 0 && !s.missed {
				return nil
			}
			if len(unfinished) == 0 { // a class whose room is closed ends when its time has passed, or is looked up
				s.missed = false
				s.note("a day passes")
				time.Sleep(lookUpInterval)
				until, nextSweep = time.Now().Add(settleFor), time.Now().Add(time.Minute)
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

// compareGateways lets what is under way come to its end. Then gateways show what the ledger says, without a sweep,
// unless a fault has prevented it.
func (s *scenario) compareGateways() error {
	if s.faulted {
		return nil
	}
	for until := time.Now().Add(time.Minute); time.Now().Before(until); {
		if err := s.settleStep(); err != nil {
			return err
		}
	}
	different, err := s.slotDifferences()
	if err == nil && len(different) > 0 {
		err = fmt.Errorf("a minute after the last request, and without a fault: %q", different)
	}
	return err
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
	if err := errors.Join(s.showClock(), s.watch()); err != nil {
		return err
	}
	if len(points) > 0 {
		s.goOn(points[0])
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
