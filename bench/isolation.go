package main

import (
	"context"
	"errors"

	"github.com/valyala/fasthttp"

	"minigroups/bench/load"
	"minigroups/bench/report"
	"minigroups/bench/upstream"
)

// stuckSagas is how many wait for a hanging upstream.
const stuckSagas = 500

// bulkheads are whether what hangs for one audience slows the others down, and whether reads need Temporal.
func (b *bench) bulkheads() []task {
	product := func(ctx context.Context) (*system, error) { return b.world.product(ctx, report.Product, b.world.home) }
	crowd := func(ctx context.Context) (*system, error) {
		return b.waiting(ctx, report.ProductCrowd, stuckSagas, upstream.Hangs)
	}
	var tasks []task
	for _, s := range []subject{{name: report.Product, make: product}, {name: report.ProductCrowd, make: crowd}} {
		cell := func(work string) report.Cell {
			return report.Cell{Group: report.Bulkheads, Subject: s.name, Work: work, Clients: 32}
		}
		tasks = append(tasks, b.window(cell(report.Create), fasthttp.StatusCreated, s.make, usualCreates))
		tasks = append(tasks, few(
			b.window(cell(report.Update), fasthttp.StatusOK, s.make, updatesOfNew),
			b.window(cell(report.ReadByScope), fasthttp.StatusOK, s.make, readsOfNew))...)
	}
	frozen := b.window(report.Cell{Group: report.Bulkheads, Subject: "product, Temporal frozen, 64 creates waiting", Work: report.ReadByScope, Clients: 32},
		fasthttp.StatusOK, product, readsOfNew)
	return append(tasks, few(b.withoutTemporal(frozen, product))...)
}

// withoutTemporal has a task run while Temporal does not answer and 64 clients try to create.
func (b *bench) withoutTemporal(t task, of func(context.Context) (*system, error)) task {
	run := t.run
	t.run = func(ctx context.Context) ([]report.Sample, error) {
		s, err := of(ctx)
		if err != nil {
			return nil, err
		}
		s.thaw()
		if err := s.temporal.Freeze(); err != nil {
			return nil, err
		}
		s.cutOff = true
		crowd := load.Crowd{Clients: 64, For: b.length.warmUp + b.length.window, Work: creates(upstream.Usual)}
		over := make(chan *load.Answers, 1)
		go func() { over <- crowd.Run(ctx, s.target) }()
		samples, err := run(ctx)
		s.cutOff = false
		s.thaw() // the creates that still wait are to be answered
		answers := <-over
		err = errors.Join(err, s.freeze())
		if err == nil && answers.FirstFailure != "" {
			samples[0].Failure = "of the creates: " + answers.FirstFailure
		}
		return samples, err
	}
	return t
}

// readsOfNew creates classes and reads those by scope.
func readsOfNew(ctx context.Context, s *system) (load.Work, error) {
	classes, err := newClasses(ctx, s)
	return readsOf(upstream.Usual, classes), err
}
