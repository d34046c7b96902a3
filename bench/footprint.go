package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/valyala/fasthttp"

	"minigroups/bench/load"
	"minigroups/bench/report"
	"minigroups/bench/upstream"
	"minigroups/stack"
)

// idleFor is how long a fresh process does nothing before it is looked at.
const idleFor = 3 * time.Second

// footprint is what the product's processes take: fresh ones each round, idle and then under load.
func (b *bench) footprint() []task {
	s := &system{name: "footprint", database: "footprint", queue: "footprint"}
	var file string
	idle := report.Cell{Group: report.Footprint, Subject: report.Product, Work: report.Idle}
	loaded := report.Cell{Group: report.Footprint, Subject: report.Product, Work: report.Loaded, Clients: 32}
	return []task{{
		cells: []report.Cell{idle, loaded},
		takes: 2*idleFor + min(b.length.window, 5*time.Second),
		prepare: func(ctx context.Context) (err error) {
			if err = b.world.postgres.CreateDatabase(ctx, s.database); err != nil {
				return err
			}
			file, err = b.world.prepareProduct(ctx, s, b.world.home)
			return err
		},
		run: func(ctx context.Context) ([]report.Sample, error) { return b.footprints(ctx, s, file, idle, loaded) },
	}}
}

func (b *bench) footprints(ctx context.Context, s *system, file string, idle, loaded report.Cell) (samples []report.Sample, err error) {
	values := map[string]float64{}
	s.processes = nil
	s.thaw()
	defer func() {
		for _, p := range s.processes {
			err = errors.Join(err, p.Stop(ctx))
		}
		s.processes = nil
		err = errors.Join(err, s.freeze())
	}()
	for _, program := range []string{"worker", "api"} {
		binary, err := os.Stat(filepath.Join(b.world.bin, program))
		if err != nil {
			return nil, err
		}
		values["binary "+program+", MB"] = float64(binary.Size()) / 1e6
		begun := time.Now()
		// The API carries out no sagas here: the worker beside it does.
		p, err := stack.StartBinary(ctx, s.name+" "+program, filepath.Join(b.world.bin, program), []string{"-config", file},
			[]string{"MINIGROUPS_API__WORKER=false"}, b.world.log(s.name+" "+program))
		if err != nil {
			return nil, err
		}
		s.processes = append(s.processes, p)
		if program == "api" {
			if err := answersSoon(ctx, p, "http://"+s.target.Address+"/readyz"); err != nil {
				return nil, err
			}
			values["start of api until ready, ms"] = milliseconds(time.Since(begun))
		}
	}
	if err := settle(ctx, idleFor); err != nil {
		return nil, err
	}
	resident(values, s)
	samples = append(samples, report.Sample{Cell: idle, Values: values})

	if err := b.world.delay(ctx, 0); err != nil {
		return samples, err
	}
	memory := watchMemory(s)
	m := load.Closed{Clients: 32, Window: min(b.length.window, 5*time.Second), Work: creates(upstream.Usual), Want: fasthttp.StatusCreated}.Run(ctx, s.target)
	values = map[string]float64{"resident at most, MB": memory.stop()}
	resident(values, s)
	return append(samples, report.Sample{Cell: loaded, Values: values, Failure: m.FirstFailure}), nil
}

func resident(values map[string]float64, s *system) {
	values[report.ResidentAll] = s.residentMB()
	for _, p := range s.processes {
		program := p.Name()[len(s.name)+1:]
		values["resident, "+program+", MB"] = residentMB(p)
		values["not code, "+program+", MB"] = anonymousMB(p)
	}
}

// answersSoon asks every few milliseconds: what is measured is how soon it answers.
func answersSoon(ctx context.Context, p *stack.Process, url string) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		reply, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = reply.Body.Close()
			if reply.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-p.Done():
			return fmt.Errorf("%s has ended: %w", p.Name(), errors.Join(p.Err(), errors.New(p.LogPath())))
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", p.Name(), ctx.Err())
		}
	}
}
