package main

import (
	"context"
	"errors"

	"github.com/valyala/fasthttp"

	"minigroups/bench/load"
	"minigroups/bench/report"
	"minigroups/bench/upstream"
)

// stuckSagas is the number of sagas that wait for an upstream that hangs.
const stuckSagas = 500

// isolation measures whether sagas of one audience that hang slow down the others, and whether reads need Temporal.
func (b *bench) isolation() []task {
	product := func(ctx context.Context) (*system, error) {
		return b.env.product(ctx, report.Product, b.env.defaultTemporal)
	}
	stuck := func(ctx context.Context) (*system, error) {
		return b.productWithWaitingSagas(ctx, report.ProductStuck, stuckSagas, upstream.Hangs)
	}
	var tasks []task
	for _, s := range []subject{{name: report.Product, start: product}, {name: report.ProductStuck, start: stuck}} {
		cell := func(work string) report.Cell {
			return report.Cell{Group: report.Isolation, Subject: s.name, Work: work, Clients: 32}
		}
		tasks = append(tasks, b.window(cell(report.Create), fasthttp.StatusCreated, s.start, creates(upstream.Usual)))
		tasks = append(tasks, twoRounds(
			b.window(cell(report.Update), fasthttp.StatusOK, s.start, updatesOfNew),
			b.window(cell(report.ReadByScope), fasthttp.StatusOK, s.start, readsOfNew))...)
	}
	frozen := b.window(report.Cell{
		Group: report.Isolation, Subject: report.ProductNoTemporal, Work: report.ReadByScope, Clients: 32,
	}, fasthttp.StatusOK, product, readsOfNew)
	return append(tasks, twoRounds(b.whileTemporalIsFrozen(frozen, product))...)
}

// whileTemporalIsFrozen makes a task run while Temporal is frozen and 64 clients try to create minigroups.
func (b *bench) whileTemporalIsFrozen(t task, start starter) task {
	run := t.run
	t.run = func(ctx context.Context) ([]report.Sample, error) {
		s, err := start(ctx)
		if err != nil {
			return nil, err
		}
		s.thaw()
		if err := s.temporal.Freeze(); err != nil {
			return nil, err
		}
		s.temporalStaysFrozen = true
		crowd := load.Crowd{Clients: 64, For: b.timing.warmUp + b.timing.window, Work: createRequests(upstream.Usual)}
		ended := make(chan *load.Answers, 1)
		go func() { ended <- crowd.Run(ctx, s.target) }()
		samples, err := run(ctx)
		s.temporalStaysFrozen = false
		s.thaw() // so that the creates that still wait end
		answers := <-ended
		err = errors.Join(err, s.freeze())
		if err == nil && answers.FirstFailure != "" {
			samples[0].Failure = "of the creates: " + answers.FirstFailure
		}
		return samples, err
	}
	return t
}

// readsOfNew creates classes and returns reads of them by scope.
func readsOfNew(ctx context.Context, s *system) (load.Work, error) {
	classes, err := newClasses(ctx, s)
	return readsOf(upstream.Usual, classes), err
}
