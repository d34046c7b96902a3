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

// stopTimeout bounds the stop of a child, after which it is killed.
const stopTimeout = 30 * time.Second

// child is a started process.
type child interface {
	Name() string
	Done() <-chan struct{}
	Tail() []string
	LogPath() string
	Stop(ctx context.Context) error
}

// system is the running system.
type system struct {
	ws           workspace
	plan         plan
	janusStandIn bool // for Janus
	temporal     string
	schema       string // the tool for Temporal's, in a cluster
	ui           string // of Temporal, in a cluster
	broker       string
	postgres     *stack.Postgres
	out          io.Writer
	children     []child
	ended        chan child
}

// runSystem starts everything and stops everything when ctx ends or a program does. It returns nil if ctx ended, and an
// error if a program did not start or ended by itself.
func runSystem(ctx, force context.Context, ws workspace, as topology, environ []string, out io.Writer) error {
	ws, err := ws.prepare()
	if err != nil {
		return err
	}
	held, err := ws.lock()
	if err != nil {
		return err
	}
	defer held.Close()
	p, err := newPlan(ws, as, environ)
	if err != nil {
		return err
	}
	if err := p.checkPorts(); err != nil {
		return err
	}
	s := &system{ws: ws, plan: p, out: out, ended: make(chan child, 16)}
	err = s.startAndWait(ctx)
	// When ctx ends during the start, the start fails, too.
	if ctx.Err() != nil {
		err = nil
	}
	if err != nil {
		s.printf("\n%v\n", err)
		err = errors.New("stopped because of the error above")
	}
	return errors.Join(err, s.stop(force))
}

func (s *system) printf(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

// startAndWait starts everything, then waits until ctx ends or a child does.
func (s *system) startAndWait(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		s.findPostgres, s.findJanus, s.build,
		s.startPostgres, s.startTemporal, s.startBroker, s.startStandIns, s.startJanus,
		s.migrate, s.startWorkers, s.startAPIs,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := s.printSummary(time.Now()); err != nil {
		return err
	}
	select {
	case dead := <-s.ended:
		return fmt.Errorf("%s has ended. The last lines of its log:\n%s\nThe whole log: %s",
			dead.Name(), strings.Join(dead.Tail(), "\n"), dead.LogPath())
	case <-ctx.Done():
		return nil
	}
}

// track adds a child to those that stop stops, and reports its end to s.ended.
func (s *system) track(c child) {
	s.children = append(s.children, c)
	go func() {
		<-c.Done()
		s.ended <- c
	}()
}

// stop stops the children in the reverse order of their start.
func (s *system) stop(force context.Context) error {
	var wrong []error
	for _, c := range slices.Backward(s.children) {
		select {
		case <-c.Done():
			continue
		default:
		}
		s.printf("stopping %s", c.Name())
		limit := stopTimeout
		if strings.HasPrefix(c.Name(), workerName) {
			// A worker waits for its in-flight requests.
			limit += s.plan.cfg.Saga.RequestTimeout
		}
		ctx, cancel := context.WithTimeout(force, limit)
		wrong = append(wrong, c.Stop(ctx))
		cancel()
	}
	return errors.Join(wrong...)
}

// build builds the needed third-party programs and the programs of this module.
func (s *system) build(ctx context.Context) (err error) {
	if s.plan.temporal {
		s.printf("building third-party programs (takes minutes the first time)")
		if s.plan.server {
			err = s.buildServer(ctx)
		} else {
			s.temporal, err = stack.BuildTemporal(ctx, s.ws.root, s.out)
		}
		if err != nil {
			return err
		}
	}
	if s.plan.broker {
		if s.broker, err = stack.BuildBroker(ctx, s.ws.root, s.out); err != nil {
			return err
		}
	}
	return stack.BuildService(ctx, s.ws.root, s.ws.path("bin"), s.out)
}

func (s *system) buildServer(ctx context.Context) (err error) {
	if s.temporal, s.schema, err = stack.BuildTemporalServer(ctx, s.ws.root, s.out); err != nil {
		return err
	}
	s.ui, err = stack.BuildTemporalUI(ctx, s.ws.root, s.out)
	return err
}
