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

// idleTime is how long a new process is idle before its memory is measured.
const idleTime = 3 * time.Second

// footprint measures the memory of the product's processes, new ones in each round, first idle and then under load.
func (b *bench) footprint() []task {
	s := &system{name: "footprint", database: "footprint", queue: "footprint"}
	var file string
	idle := report.Cell{Group: report.Footprint, Subject: report.Product, Work: report.Idle}
	loaded := report.Cell{Group: report.Footprint, Subject: report.Product, Work: report.UnderLoad, Clients: 32}
	return []task{{
		cells:    []report.Cell{idle, loaded},
		duration: 2*idleTime + min(b.timing.window, 5*time.Second),
		prepare: func(ctx context.Context) (err error) {
			if err = b.env.postgres.CreateDatabase(ctx, s.database); err != nil {
				return err
			}
			file, err = b.env.prepareProduct(ctx, s, b.env.defaultTemporal)
			return err
		},
		run: func(ctx context.Context) ([]report.Sample, error) { return b.footprints(ctx, s, file, idle, loaded) },
	}}
}

func (b *bench) footprints(
	ctx context.Context, s *system, file string, idle, loaded report.Cell,
) (samples []report.Sample, err error) {
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
		path := filepath.Join(b.env.bin, program)
		binary, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		values["binary size, "+program+", MB"] = float64(binary.Size()) / 1e6
		begun := time.Now()
		// The API runs no worker, because the worker is a process of its own here.
		name, env := s.name+" "+program, []string{"MINIGROUPS_API__WORKER=false"}
		p, err := stack.StartBinary(ctx, name, path, []string{"-config", file}, env, b.env.log(name))
		if err != nil {
			return nil, err
		}
		s.processes = append(s.processes, p)
		if program == "api" {
			if err := awaitReady(ctx, p, "http://"+s.target.Address+"/readyz"); err != nil {
				return nil, err
			}
			values["start until ready, api, ms"] = milliseconds(time.Since(begun))
		}
	}
	if err := sleep(ctx, idleTime); err != nil {
		return nil, err
	}
	addMemory(values, s)
	samples = append(samples, report.Sample{Cell: idle, Values: values})

	if err := b.env.setDelay(ctx, 0); err != nil {
		return samples, err
	}
	memory := watchMemory(s)
	m := load.Closed{
		Clients: 32, Window: min(b.timing.window, 5*time.Second),
		Work: createRequests(upstream.Usual), Want: fasthttp.StatusCreated,
	}.Run(ctx, s.target)
	values = map[string]float64{report.PeakMemory: memory.stop()}
	addMemory(values, s)
	return append(samples, report.Sample{Cell: loaded, Values: values, Failure: m.FirstFailure}), nil
}

func addMemory(values map[string]float64, s *system) {
	values[report.ResidentTotal] = s.residentMB()
	for _, p := range s.processes {
		program := p.Name()[len(s.name)+1:]
		values["resident memory, "+program+", MB"] = residentMB(p)
		values["anonymous memory, "+program+", MB"] = anonymousMB(p)
	}
}

// awaitReady polls every 2 ms until the URL returns 200. stack polls too seldom to measure the time of the start.
func awaitReady(ctx context.Context, p *stack.Process, url string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-p.Done():
			return fmt.Errorf("%s has ended (log: %s): %w", p.Name(), p.LogPath(), errors.Join(p.Err(), ctx.Err()))
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", p.Name(), ctx.Err())
		}
	}
}
