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

// growth measures the product with one client, with databases of several sizes and with many open sagas.
func (b *bench) growth() []task {
	var tasks []task
	for _, rows := range b.sizes {
		start := b.productWithRows(rows)
		cell := func(work string) report.Cell { return growthCell(report.ProductWithRows(rows), work) }
		tasks = append(tasks, b.window(cell(report.Create), fasthttp.StatusCreated, start, creates(upstream.Usual)))
		tasks = append(tasks, twoRounds(
			b.window(cell(report.Update), fasthttp.StatusOK, start, updatesOfNew),
			b.window(cell(report.ReadByID), fasthttp.StatusOK, start, readsByID(rows)),
			b.sweeps(cell(report.Sweep), start))...)
	}
	return append(tasks, b.openSagas())
}

func growthCell(subject, work string) report.Cell {
	return report.Cell{Group: report.Growth, Subject: subject, Work: work, Clients: 1}
}

// openSagas measures the same while many sagas are open. It runs once, because the waiting sagas must not be frozen.
func (b *bench) openSagas() task {
	name := fmt.Sprintf("product, %d sagas open", b.open)
	start := func(ctx context.Context) (*system, error) {
		return b.productWithWaitingSagas(ctx, name, b.open, upstream.Away)
	}
	parts := []task{
		b.window(growthCell(name, report.Create), fasthttp.StatusCreated, start, creates(upstream.Usual)),
		b.window(growthCell(name, report.Update), fasthttp.StatusOK, start, updatesOfNew),
		b.window(growthCell(name, report.ReadByScope), fasthttp.StatusOK, start, readsOfNew),
		b.sweeps(growthCell(name, report.Sweep), start),
	}
	all := task{rounds: 1, duration: time.Duration(len(parts)) * (b.timing.warmUp + b.timing.window)}
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

// productWithWaitingSagas starts the product with sagas that wait for event, which behaves as for the given audience,
// on a Temporal server of its own.
func (b *bench) productWithWaitingSagas(
	ctx context.Context, name string, sagas int, audience string,
) (*system, error) {
	e := b.env
	return e.system(ctx, name, func(ctx context.Context, s *system) error {
		cfg, err := e.prepareProduct(ctx, s, e.defaultTemporal+separate)
		if err != nil {
			return err
		}
		if err := e.startProduct(ctx, s, cfg); err != nil {
			return err
		}
		e.printf("starting %d sagas that wait", sagas)
		requests := withoutWaiting(createRequests(audience))
		err = load.Send(ctx, s.target, 16, sagas, requests, fasthttp.StatusAccepted, fasthttp.StatusOK)
		if err != nil {
			return err
		}
		// By then every saga has ended its first attempts and waits in a retry.
		return sleep(ctx, e.cfg.Saga.StepWait+5*time.Second)
	})
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sweeps measures the sweep of classes, one after another. Its schedule runs it once a minute.
func (b *bench) sweeps(cell report.Cell, start starter) task {
	var s *system
	return task{
		cells:    []report.Cell{cell},
		duration: b.timing.window,
		prepare:  func(ctx context.Context) (err error) { s, err = start(ctx); return err },
		run: func(ctx context.Context) (samples []report.Sample, err error) {
			s.thaw()
			defer func() { err = errors.Join(err, s.freeze()) }()
			c, err := client.DialContext(ctx, client.Options{HostPort: s.temporal.Address(), Logger: discardLogger{}})
			if err != nil {
				return nil, err
			}
			defer c.Close()
			if err := sweep(ctx, c, s); err != nil { // not measured: the worker was frozen
				return nil, err
			}
			var took []time.Duration
			begun := time.Now()
			for len(took) == 0 || time.Since(begun) < b.timing.window {
				start := time.Now()
				if err := sweep(ctx, c, s); err != nil {
					return nil, err
				}
				took = append(took, time.Since(start))
			}
			elapsed := time.Since(begun)
			slices.Sort(took)
			return []report.Sample{{Cell: cell, Values: map[string]float64{
				report.Throughput: float64(len(took)) / elapsed.Seconds(),
				report.Responses:  float64(len(took)),
				report.Failed:     0,
				report.P50:        milliseconds(report.Quantile(took, 0.5)),
				report.P99:        milliseconds(report.Quantile(took, 0.99)),
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
