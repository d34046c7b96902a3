package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/valyala/fasthttp"

	"minigroups/bench/load"
	"minigroups/bench/report"
	"minigroups/bench/rivals"
	"minigroups/bench/upstream"
)

// subject is a system with a name in the tables.
type subject struct {
	name  string
	start starter
	// manyClients says that it is also measured with many clients.
	manyClients bool
}

// writers returns the subjects of creates.
func (b *bench) writers() []subject {
	e := b.env
	product := func(name, kind string, manyClients bool) subject {
		start := func(ctx context.Context) (*system, error) { return e.product(ctx, name, kind) }
		return subject{name: name, start: start, manyClients: manyClients}
	}
	rival := func(name, rival, kind string, manyClients bool) subject {
		start := func(ctx context.Context) (*system, error) { return e.rival(ctx, name, rival, kind) }
		return subject{name: name, start: start, manyClients: manyClients}
	}
	all := []subject{product(report.Product, e.defaultTemporal, true)}
	for _, r := range rivals.All() {
		kind := ""
		if r.Temporal {
			kind = e.defaultTemporal
		}
		all = append(all, rival(r.Name, r.Name, kind, true))
	}
	if e.defaultTemporal != report.DevServer {
		all = append(all, product(report.ProductOnDev, report.DevServer, false))
	}
	return append(all,
		product(report.ProductStock, stock, false), rival(report.PlainStock, report.Plain, stock, false))
}

// writes measures creates by all writers, failing creates and updates by the product, and creates and updates of one
// client in the shape of make run.
func (b *bench) writes() []task {
	var tasks []task
	create := func(s subject, clients, delay int) task {
		cell := report.Cell{
			Group: report.Writes, Subject: s.name, Work: report.Create, Clients: clients, DelayMS: delay,
		}
		return b.window(cell, fasthttp.StatusCreated, s.start, creates(upstream.Usual))
	}
	for _, s := range b.writers() {
		tasks = append(tasks, create(s, 1, 10))
	}
	for _, s := range b.writers() {
		if s.manyClients {
			tasks = append(tasks, create(s, 32, 0))
		}
	}
	product := b.writers()[0]
	for _, clients := range []int{1, 32} {
		cell := func(work string) report.Cell {
			return report.Cell{
				Group: report.Writes, Subject: report.Product, Work: work, Clients: clients, DelayMS: delayFor(clients),
			}
		}
		tasks = append(tasks,
			b.window(cell(report.CreateFailing), fasthttp.StatusCreated, product.start, creates(upstream.FailsOnce)),
			b.window(cell(report.Update), fasthttp.StatusOK, product.start, updatesOfNew))
	}
	return append(tasks,
		b.windowInRun(report.Create, fasthttp.StatusCreated, creates(upstream.Usual)),
		b.windowInRun(report.Update, fasthttp.StatusOK, updatesOfNew))
}

// windowInRun is the task of measuring one client in the shape of make run, whose stand-ins have service times and no
// other delay.
func (b *bench) windowInRun(name string, want int, work workload) task {
	cell := report.Cell{Group: report.Writes, Subject: report.MakeRun, Work: name, Clients: 1}
	var requests load.Work
	t := b.onCluster(shapeOfRun, func(ctx context.Context, c *cluster, _ []report.Cell) ([]report.Sample, error) {
		if requests == nil {
			var err error
			if requests, err = work(ctx, c.system); err != nil {
				return nil, err
			}
		}
		sample := report.Sample{Cell: cell}
		err := b.env.measure(ctx, c.system, load.Closed{
			Clients: 1, WarmUp: b.timing.warmUp, Window: b.timing.window, Work: requests, Want: want,
		}, &sample)
		return []report.Sample{sample}, err
	}, cell)
	t.duration = leaseTime + b.timing.warmUp + b.timing.window
	return t
}

// delayFor returns the delay of the upstreams in milliseconds: a realistic one for one client, and none for many
// clients, whose throughput the upstreams must not limit.
func delayFor(clients int) int {
	if clients == 1 {
		return 10
	}
	return 0
}

// newClassCount is the number of classes for updates and reads: enough that no class has two updates at a time.
const newClassCount = 256

// updatesOfNew creates classes and returns updates of them.
func updatesOfNew(ctx context.Context, s *system) (load.Work, error) {
	classes, err := newClasses(ctx, s)
	return updatesOf(upstream.Usual, classes), err
}

// newClasses creates classes and returns their scopes.
func newClasses(ctx context.Context, s *system) ([]string, error) {
	work := createRequests(upstream.Usual)
	var mu sync.Mutex
	var classes []string
	requests := func(r *fasthttp.Request) {
		work(r)
		mu.Lock()
		defer mu.Unlock()
		classes = append(classes, scopeOf(r.Body()))
	}
	err := load.Send(ctx, s.target, 8, newClassCount, requests, fasthttp.StatusCreated, fasthttp.StatusOK)
	if err != nil {
		return nil, fmt.Errorf("create classes: %w", err)
	}
	return classes, nil
}
