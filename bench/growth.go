package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/valyala/fasthttp"
	"go.temporal.io/sdk/client"

	"minigroups/bench/load"
	"minigroups/bench/report"
	"minigroups/bench/upstream"
	"minigroups/workflows"
)

// growth is what the product costs, with one client, when its database has grown, or many sagas are open.
func (b *bench) growth() []task {
	var tasks []task
	for _, rows := range b.sizes {
		of := b.filled(rows)
		create := b.window(grown(report.Sized(rows), report.Create), fasthttp.StatusCreated, of, usualCreates)
		if rows != report.Small && rows != b.sizes[len(b.sizes)-1] {
			few(create)
		}
		tasks = append(tasks, create)
		tasks = append(tasks, few(
			b.window(grown(report.Sized(rows), report.Update), fasthttp.StatusOK, of, updatesOfNew),
			b.window(grown(report.Sized(rows), report.ReadByID), fasthttp.StatusOK, of,
				func(context.Context, *system) (load.Work, error) { return readsByID(rows), nil }),
			b.sweeps(grown(report.Sized(rows), report.Sweep), of))...)
	}
	return append(tasks, b.crowded())
}

func grown(subject, work string) report.Cell {
	return report.Cell{Group: report.Growth, Subject: subject, Work: work, Clients: 1}
}

// crowded measures the same while many sagas are open, once: what waits so long is not to be frozen and thawed.
func (b *bench) crowded() task {
	name := fmt.Sprintf("product, %d sagas open", b.open)
	of := func(ctx context.Context) (*system, error) { return b.waiting(ctx, name, b.open, upstream.Away) }
	parts := []task{
		b.window(grown(name, report.Create), fasthttp.StatusCreated, of, usualCreates),
		b.window(grown(name, report.Update), fasthttp.StatusOK, of, updatesOfNew),
		b.window(grown(name, report.ReadByScope), fasthttp.StatusOK, of, readsOfNew),
		b.sweeps(grown(name, report.Sweep), of),
	}
	all := task{rounds: 1, takes: time.Duration(len(parts)) * (b.length.warmUp + b.length.window)}
	for _, p := range parts {
		all.cells = append(all.cells, p.cells...)
	}
	all.prepare = func(context.Context) error { return nil }
	all.run = func(ctx context.Context) (samples []report.Sample, err error) {
		for _, p := range parts {
			if err := p.prepare(ctx); err != nil {
				return samples, err
			}
			one, err := p.run(ctx)
			if err != nil {
				return samples, err
			}
			samples = append(samples, one...)
		}
		return samples, nil
	}
	return all
}

// waiting is the product with so many sagas that wait for event, which does as it does for that audience, on a Temporal of its own.
func (b *bench) waiting(ctx context.Context, name string, sagas int, audience string) (*system, error) {
	w := b.world
	return w.system(ctx, name, func(ctx context.Context, s *system) error {
		cfg, err := w.prepareProduct(ctx, s, w.home+another)
		if err != nil {
			return err
		}
		if err := w.startProduct(ctx, s, cfg); err != nil {
			return err
		}
		w.say("starting %d sagas that wait", sagas)
		if err := load.Send(ctx, s.target, 16, sagas, accepted(creates(audience)), fasthttp.StatusAccepted, fasthttp.StatusOK); err != nil {
			return err
		}
		// Then the first tries are over, and each waits where it will wait for long.
		return settle(ctx, w.cfg.Saga.StepWait+5*time.Second)
	})
}

func settle(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sweeps runs the sweep of classes again and again, as its schedule does each minute.
func (b *bench) sweeps(cell report.Cell, of func(context.Context) (*system, error)) task {
	var s *system
	return task{
		cells:   []report.Cell{cell},
		takes:   b.length.window,
		prepare: func(ctx context.Context) (err error) { s, err = of(ctx); return err },
		run: func(ctx context.Context) (samples []report.Sample, err error) {
			s.thaw()
			defer func() { err = errors.Join(err, s.freeze()) }()
			c, err := client.DialContext(ctx, client.Options{HostPort: s.temporal.Address(), Logger: quiet{}})
			if err != nil {
				return nil, err
			}
			defer c.Close()
			if err := sweep(ctx, c, s); err != nil { // the first wakes the worker up
				return nil, err
			}
			var took []time.Duration
			begun := time.Now()
			for len(took) == 0 || time.Since(begun) < b.length.window {
				start := time.Now()
				if err := sweep(ctx, c, s); err != nil {
					return nil, err
				}
				took = append(took, time.Since(start))
			}
			elapsed := time.Since(begun)
			slices.Sort(took)
			return []report.Sample{{Cell: cell, Values: map[string]float64{
				report.PerSecond: float64(len(took)) / elapsed.Seconds(), report.Answered: float64(len(took)), report.Failed: 0,
				report.P50: milliseconds(report.Quantile(took, 0.5)), report.P99: milliseconds(report.Quantile(took, 0.99)),
			}}}, nil
		},
	}
}

func sweep(ctx context.Context, c client.Client, s *system) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: s.queue}, workflows.SweepClasses)
	if err != nil {
		return err
	}
	return run.Get(ctx, nil)
}
