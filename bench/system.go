package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"minigroups/bench/load"
	"minigroups/config"
	"minigroups/stack"
)

// system is something that is measured: the processes that are its own, and where it answers.
type system struct {
	name      string
	processes []*stack.Process
	temporal  *stack.Temporal // nil: none
	// cutOff says that it is to do without Temporal, which stays frozen; restless that its Temporal is a dev server, which does not
	// work any more after minutes of that.
	cutOff, restless bool
	target           load.Target
	// database and queue are its own.
	database, queue string
}

// freeze stops the processes and Temporal in their tracks, so that they take nothing from what is measured next.
func (s *system) freeze() error {
	for _, p := range s.processes {
		if err := p.Freeze(); err != nil {
			return err
		}
	}
	if s.temporal != nil && !s.restless {
		return s.temporal.Freeze()
	}
	return nil
}

func (s *system) thaw() {
	if s.temporal != nil && !s.cutOff {
		s.temporal.Thaw()
	}
	for _, p := range s.processes {
		p.Thaw()
	}
}

// system returns the one of a name, made when it is first asked for. It is frozen.
func (w *world) system(ctx context.Context, name string, start func(context.Context, *system) error) (*system, error) {
	if s, ok := w.systems[name]; ok {
		return s, nil
	}
	w.say("starting %s", name)
	s := &system{name: name, database: databaseOf(name), queue: databaseOf(name)}
	if err := w.postgres.CreateDatabase(ctx, s.database); err != nil {
		return nil, err
	}
	if err := start(ctx, s); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := s.freeze(); err != nil {
		return nil, err
	}
	w.systems[name] = s
	return s, nil
}

// databaseOf makes a name that Postgres takes out of any.
func databaseOf(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}

// product is the service, an API that carries out sagas, too, on Temporal of a kind.
func (w *world) product(ctx context.Context, name, kind string) (*system, error) {
	return w.system(ctx, name, func(ctx context.Context, s *system) error {
		cfg, err := w.prepareProduct(ctx, s, kind)
		if err != nil {
			return err
		}
		return w.startProduct(ctx, s, cfg)
	})
}

// prepareProduct brings database and Temporal to what an instance needs, and returns the file with its configuration.
func (w *world) prepareProduct(ctx context.Context, s *system, kind string) (file string, err error) {
	if err := w.giveTemporal(ctx, s, kind); err != nil {
		return "", err
	}
	cfg := w.cfg
	cfg.Database.URL = config.DatabaseURL(w.postgres.URL(s.database))
	cfg.Temporal.Address, cfg.Temporal.TaskQueue = s.temporal.Address(), s.queue
	cfg.Event.URL, cfg.Conference.URL = w.upstreams+"/event", w.upstreams+"/conference"
	cfg.Janus.Backends = []config.Backend{{ID: "gateway", AdminURL: w.upstreams + "/janus", JanusURL: w.upstreams + "/janus"}}
	for _, address := range []*string{&cfg.API.Listen, &cfg.API.MetricsListen, &cfg.Worker.MetricsListen} {
		if *address, err = freeAddress(); err != nil {
			return "", err
		}
	}
	cfg.API.Worker = true
	s.target = load.Target{Address: cfg.API.Listen, Token: w.token}
	file = filepath.Join(w.dir, s.database+".yaml")
	if err := config.Save(file, cfg); err != nil {
		return "", err
	}
	if err := w.runToEnd(ctx, s.name+" migrate", "migrate", "-config", file); err != nil {
		return "", err
	}
	return file, pauseSweeps(ctx, s.temporal.Address())
}

func (w *world) startProduct(ctx context.Context, s *system, file string) error {
	api, err := w.start(ctx, s.name+" api", "api", "http://"+s.target.Address+"/readyz", "-config", file)
	if err != nil {
		return err
	}
	s.processes = []*stack.Process{api}
	return nil
}

func (w *world) runToEnd(ctx context.Context, name, program string, args ...string) error {
	p, err := stack.StartBinary(ctx, name, filepath.Join(w.bin, program), args, nil, w.log(name))
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

// rival is one of those of package rivals, on Temporal of a kind where it needs one.
func (w *world) rival(ctx context.Context, name, rival, kind string) (*system, error) {
	return w.system(ctx, name, func(ctx context.Context, s *system) error {
		if kind == "" {
			return w.serve(ctx, s, rival, "")
		}
		if err := w.giveTemporal(ctx, s, kind); err != nil {
			return err
		}
		return w.serve(ctx, s, rival, s.temporal.Address())
	})
}

// serve starts command rival as the process of a system.
func (w *world) serve(ctx context.Context, s *system, rival, temporal string) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	s.target = load.Target{Address: address, Token: w.token}
	p, err := w.start(ctx, s.name, "rival", "http://"+address+"/healthz", "-rival", rival, "-listen", address,
		"-database", w.postgres.URL(s.database), "-upstream", w.upstreams, "-temporal", temporal,
		"-key", w.cfg.Account.PrivateKeyFile, "-public-key", w.publicKey())
	if err != nil {
		return err
	}
	s.processes = []*stack.Process{p}
	return nil
}
