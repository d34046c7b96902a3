package workflows_test

import (
	"context"
	"sync"
	"testing"
	"time"
)

// operation is a request to another service, or a call of the ledger.
type operation string

const (
	eventCreate      operation = "event create"
	eventLock        operation = "event lock"
	eventClose       operation = "event close"
	conferenceCreate operation = "conference create"
	conferenceRead   operation = "conference read"
	conferencePatch  operation = "conference patch"
	conferenceClose  operation = "conference close"
	janusReserve     operation = "janus reserve"
	janusRelease     operation = "janus release"
)

// failureMode is how an operation fails.
type failureMode int

const (
	refusal failureMode = iota
	unavailability
	noReply // it may have been executed
)

// call is one call of an operation: execute executes it, fail returns the error for a failure.
type call struct {
	ctx     context.Context
	execute func(context.Context) error
	fail    func(failureMode) error
}

// behaviour is the result of one call.
type behaviour func(call) error

func succeed(c call) error     { return c.execute(c.ctx) }
func refused(c call) error     { return c.fail(refusal) }
func unavailable(c call) error { return c.fail(unavailability) }

// loseReply executes the call and loses the reply.
func loseReply(c call) error {
	if err := c.execute(c.ctx); err != nil {
		return err
	}
	return c.fail(noReply)
}

// hang executes nothing and never replies.
func hang(c call) error {
	<-c.ctx.Done()
	return c.fail(noReply)
}

// executeDetached executes the call even when its caller is gone.
func executeDetached(c call) error { return c.execute(context.WithoutCancel(c.ctx)) }

// times repeats a behaviour.
func times(n int, b behaviour) []behaviour {
	out := make([]behaviour, n)
	for i := range out {
		out[i] = b
	}
	return out
}

// gate pauses calls until the test opens it. A worker whose call is paused behaves like a frozen process.
type gate struct {
	reached, opened     chan struct{}
	reachOnce, openOnce sync.Once
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{reached: make(chan struct{}), opened: make(chan struct{})}
	t.Cleanup(g.open)
	return g
}

func (g *gate) open() { g.openOnce.Do(func() { close(g.opened) }) }

func (g *gate) wait() {
	g.reachOnce.Do(func() { close(g.reached) })
	waitFor(g.opened)
}

// before pauses before it executes the call, whose context may have ended when the gate opens.
func (g *gate) before(c call) error {
	g.wait()
	return executeDetached(c)
}

// after executes the call and pauses before it replies.
func (g *gate) after(c call) error {
	err := executeDetached(c)
	g.wait()
	return err
}

// afterWithoutReply executes the call, pauses, and loses the reply.
func (g *gate) afterWithoutReply(c call) error {
	if err := g.after(c); err != nil {
		return err
	}
	return c.fail(noReply)
}

// awaitReached waits until a call is paused at the gate.
func (g *gate) awaitReached(t *testing.T) {
	t.Helper()
	select {
	case <-g.reached:
	case <-time.After(deadline / 2):
		t.Fatal("no call reached the gate")
	}
}

// delayedCall is a call without a reply that is executed when the test says so.
type delayedCall struct {
	mu   sync.Mutex
	take func(context.Context) error
}

func (d *delayedCall) behaviour(c call) error {
	d.mu.Lock()
	d.take = c.execute
	d.mu.Unlock()
	return c.fail(noReply)
}

func (d *delayedCall) execute(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.take == nil {
		t.Fatal("there was no call")
	}
	if err := d.take(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// waitFor waits for a channel to close. After a timeout the test continues, and fails on what it finds.
func waitFor(done <-chan struct{}) {
	select {
	case <-done:
	case <-time.After(deadline / 2):
	}
}
