package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"minigroups/stack"
)

// stopWithin bounds the gentle end of a child.
const stopWithin = 30 * time.Second

// child is a program that we started and must end.
type child interface {
	Name() string
	Done() <-chan struct{}
	Tail() []string
	LogPath() string
	Stop(ctx context.Context) error
}

// system is what runs.
type system struct {
	at       place
	plan     plan
	standIn  bool // for Janus
	temporal string
	schema   string // the tool for Temporal's, in a cluster
	ui       string // of Temporal, in a cluster
	broker   string
	postgres *stack.Postgres
	out      io.Writer
	children []child
	died     chan child
}

// runStack starts everything and returns after everything has ended again: well
// when ctx ended, with an error when a program died or could not start.
func runStack(ctx, hurry context.Context, at place, as shape, environ []string, out io.Writer) error {
	at, err := at.prepare()
	if err != nil {
		return err
	}
	held, err := at.lock()
	if err != nil {
		return err
	}
	defer held.Close()
	p, err := settle(at, as, environ)
	if err != nil {
		return err
	}
	if err := p.ports(); err != nil {
		return err
	}
	s := &system{at: at, plan: p, out: out, died: make(chan child, 16)}
	err = s.live(ctx)
	// What a start that was called off says is of no interest.
	if ctx.Err() != nil {
		err = nil
	}
	if err != nil {
		s.say("\n%v\n", err)
		err = errors.New("ended because of the above")
	}
	return errors.Join(err, s.stop(hurry))
}

func (s *system) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

// live starts everything, then waits for the end of ctx or of a child.
func (s *system) live(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		s.findPostgres, s.findJanus, s.build,
		s.startPostgres, s.startTemporal, s.startBroker, s.startStandIns, s.startJanus, s.migrate, s.startWorkers, s.startAPIs,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := s.introduce(time.Now()); err != nil {
		return err
	}
	select {
	case dead := <-s.died:
		return fmt.Errorf("%s died. The end of its log:\n%s\nThe whole: %s", dead.Name(), strings.Join(dead.Tail(), "\n"), dead.LogPath())
	case <-ctx.Done():
		return nil
	}
}

// keep remembers a child that is to be ended, and notices when it ends.
func (s *system) keep(c child) {
	s.children = append(s.children, c)
	go func() {
		<-c.Done()
		s.died <- c
	}()
}

// stop ends the children, the last one first.
func (s *system) stop(hurry context.Context) error {
	var wrong []error
	for _, c := range slices.Backward(s.children) {
		select {
		case <-c.Done():
			continue
		default:
		}
		s.say("stopping %s", c.Name())
		within := stopWithin
		if strings.HasPrefix(c.Name(), workerName) {
			// It waits for the requests that it has in flight.
			within += s.plan.cfg.Saga.RequestTimeout
		}
		ctx, cancel := context.WithTimeout(hurry, within)
		wrong = append(wrong, c.Stop(ctx))
		cancel()
	}
	return errors.Join(wrong...)
}

// build makes the Temporal CLI or its server and the MQTT broker, where one is needed, and our programs.
func (s *system) build(ctx context.Context) (err error) {
	if s.plan.temporal {
		s.say("building what is not built yet (the first time takes minutes)")
		if s.plan.server {
			err = s.buildServer(ctx)
		} else {
			s.temporal, err = stack.BuildTemporal(ctx, s.at.root, s.out)
		}
		if err != nil {
			return err
		}
	}
	if s.plan.broker {
		if s.broker, err = stack.BuildBroker(ctx, s.at.root, s.out); err != nil {
			return err
		}
	}
	return stack.BuildPrograms(ctx, s.at.root, s.at.path("bin"), s.out, "./cmd/api", "./cmd/worker", "./cmd/migrate", "./cmd/ops", "./cmd/sandbox")
}

func (s *system) buildServer(ctx context.Context) (err error) {
	if s.temporal, s.schema, err = stack.BuildTemporalServer(ctx, s.at.root, s.out); err != nil {
		return err
	}
	s.ui, err = stack.BuildTemporalUI(ctx, s.at.root, s.out)
	return err
}
