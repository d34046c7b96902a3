package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"minigroups/bench/load"
	"minigroups/config"
	"minigroups/stack"
)

// system is a system that is measured: its processes and the address at which it serves.
type system struct {
	name      string
	processes []*stack.Process
	// upstreams are those of this system only.
	upstreams []*stack.Process
	temporal  *stack.Temporal // nil if it needs none
	// temporalStaysFrozen says that thaw does not thaw Temporal.
	temporalStaysFrozen bool
	// temporalNeverFrozen says that freeze does not freeze Temporal: a dev server fails after minutes of that.
	temporalNeverFrozen bool
	target              load.Target
	// database and queue are for this system only.
	database, queue string
}

// freeze stops the processes and Temporal with SIGSTOP, so that they use no CPU while another system is measured.
func (s *system) freeze() error {
	for _, p := range slices.Concat(s.processes, s.upstreams) {
		if err := p.Freeze(); err != nil {
			return err
		}
	}
	if s.temporal != nil && !s.temporalNeverFrozen {
		return s.temporal.Freeze()
	}
	return nil
}

func (s *system) thaw() {
	if s.temporal != nil && !s.temporalStaysFrozen {
		s.temporal.Thaw()
	}
	for _, p := range slices.Concat(s.upstreams, s.processes) {
		p.Thaw()
	}
}

// system returns the system of a name, which is frozen. At the first call with this name it starts the system.
func (e *environment) system(
	ctx context.Context, name string, start func(context.Context, *system) error,
) (*system, error) {
	if s, ok := e.systems[name]; ok {
		return s, nil
	}
	e.printf("starting %s", name)
	s := &system{name: name, database: databaseOf(name), queue: databaseOf(name)}
	if err := e.postgres.CreateDatabase(ctx, s.database); err != nil {
		return nil, err
	}
	if err := start(ctx, s); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := s.freeze(); err != nil {
		return nil, err
	}
	e.systems[name] = s
	return s, nil
}

// databaseOf turns any name into the name of a database.
func databaseOf(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}

// product is the service: an API that also runs the sagas, with a kind of Temporal server.
func (e *environment) product(ctx context.Context, name, kind string) (*system, error) {
	return e.system(ctx, name, func(ctx context.Context, s *system) error {
		cfg, err := e.prepareProduct(ctx, s, kind)
		if err != nil {
			return err
		}
		return e.startProduct(ctx, s, cfg)
	})
}

// prepareProduct migrates the database and Temporal, and returns the path of the configuration file.
func (e *environment) prepareProduct(ctx context.Context, s *system, kind string) (file string, err error) {
	if err := e.assignTemporal(ctx, s, kind); err != nil {
		return "", err
	}
	cfg := e.cfg
	cfg.Database.URL = config.DatabaseURL(e.postgres.URL(s.database))
	cfg.Temporal.Address, cfg.Temporal.TaskQueue = s.temporal.Address(), s.queue
	cfg.Event.URL, cfg.Conference.URL = e.upstreams+"/event", e.upstreams+"/conference"
	cfg.Janus.Backends = []config.Backend{{
		ID: "gateway", AdminURL: e.upstreams + "/janus", JanusURL: e.upstreams + "/janus",
	}}
	for _, address := range []*string{&cfg.API.Listen, &cfg.API.MetricsListen, &cfg.Worker.MetricsListen} {
		if *address, err = freeAddress(); err != nil {
			return "", err
		}
	}
	cfg.API.Worker = true
	s.target = load.Target{Address: cfg.API.Listen, Token: e.token}
	file = filepath.Join(e.dir, s.database+".yaml")
	if err := config.Save(file, cfg); err != nil {
		return "", err
	}
	if err := e.runProgram(ctx, s.name+" migrate", "migrate", "-config", file); err != nil {
		return "", err
	}
	return file, pauseSweeps(ctx, s.temporal.Address())
}

func (e *environment) startProduct(ctx context.Context, s *system, file string) error {
	api, err := e.startProgram(ctx, s.name+" api", "api", "http://"+s.target.Address+"/readyz", "-config", file)
	if err != nil {
		return err
	}
	s.processes = []*stack.Process{api}
	return nil
}

// rival is a rival of package rivals, with a kind of Temporal server if it needs one.
func (e *environment) rival(ctx context.Context, name, rival, kind string) (*system, error) {
	return e.system(ctx, name, func(ctx context.Context, s *system) error {
		if kind == "" {
			return e.startRival(ctx, s, rival, "")
		}
		if err := e.assignTemporal(ctx, s, kind); err != nil {
			return err
		}
		return e.startRival(ctx, s, rival, s.temporal.Address())
	})
}

// startRival starts command rival as the process of a system.
func (e *environment) startRival(ctx context.Context, s *system, rival, temporal string) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	s.target = load.Target{Address: address, Token: e.token}
	p, err := e.startProgram(ctx, s.name, "rival", "http://"+address+"/healthz", "-rival", rival, "-listen", address,
		"-database", e.postgres.URL(s.database), "-upstream", e.upstreams, "-temporal", temporal,
		"-key", e.cfg.Account.PrivateKeyFile, "-public-key", e.publicKey())
	if err != nil {
		return err
	}
	s.processes = []*stack.Process{p}
	return nil
}
