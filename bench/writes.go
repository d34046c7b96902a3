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

// subject is a system by name.
type subject struct {
	name string
	make func(ctx context.Context) (*system, error)
	// many says that it is measured with many clients, too.
	many bool
}

// writers are whom creates are measured of.
func (b *bench) writers() []subject {
	w := b.world
	product := func(name, kind string, many bool) subject {
		return subject{name, func(ctx context.Context) (*system, error) { return w.product(ctx, name, kind) }, many}
	}
	rival := func(name, rival, kind string, many bool) subject {
		return subject{name, func(ctx context.Context) (*system, error) { return w.rival(ctx, name, rival, kind) }, many}
	}
	all := []subject{product(report.Product, w.home, true)}
	for _, r := range rivals.All() {
		kind := ""
		if r.Temporal {
			kind = w.home
		}
		all = append(all, rival(r.Name, r.Name, kind, true))
	}
	if w.home != report.DevServer {
		all = append(all, product(report.ProductOnDev, report.DevServer, false))
	}
	return append(all, product(report.ProductStock, stock, false), rival(report.PlainStock, report.Plain, stock, false))
}

// writes are creates by everybody, and what else the product does.
func (b *bench) writes() []task {
	var tasks []task
	create := func(s subject, clients, delay int) task {
		return b.window(report.Cell{Group: report.Writes, Subject: s.name, Work: report.Create, Clients: clients, DelayMS: delay},
			fasthttp.StatusCreated, s.make, usualCreates)
	}
	for _, s := range b.writers() {
		tasks = append(tasks, create(s, 1, 10))
	}
	for _, s := range b.writers() {
		if s.many {
			tasks = append(tasks, create(s, 32, 0))
		}
	}
	product := b.writers()[0]
	for _, clients := range []int{1, 32} {
		tasks = append(tasks,
			b.window(report.Cell{Group: report.Writes, Subject: report.Product, Work: report.CreateFailing, Clients: clients, DelayMS: delayFor(clients)},
				fasthttp.StatusCreated, product.make,
				func(context.Context, *system) (load.Work, error) { return creates(upstream.FailsOnce), nil }),
			b.window(report.Cell{Group: report.Writes, Subject: report.Product, Work: report.Update, Clients: clients, DelayMS: delayFor(clients)},
				fasthttp.StatusOK, product.make, updatesOfNew))
	}
	return tasks
}

// delayFor: with one client the upstreams take as long as real ones do, with many they are not to be what is measured.
func delayFor(clients int) int {
	if clients == 1 {
		return 10
	}
	return 0
}

func usualCreates(context.Context, *system) (load.Work, error) { return creates(upstream.Usual), nil }

// updated is how many classes updates go round: enough that none is asked for twice at a time.
const updated = 256

// updatesOfNew creates classes and updates those.
func updatesOfNew(ctx context.Context, s *system) (load.Work, error) {
	classes, err := newClasses(ctx, s)
	return updates(upstream.Usual, classes), err
}

// newClasses creates some classes and returns their scopes.
func newClasses(ctx context.Context, s *system) ([]string, error) {
	work := creates(upstream.Usual)
	var mu sync.Mutex
	var classes []string
	err := load.Send(ctx, s.target, 8, updated, func(r *fasthttp.Request) {
		work(r)
		mu.Lock()
		defer mu.Unlock()
		classes = append(classes, scopeOf(r.Body()))
	}, fasthttp.StatusCreated, fasthttp.StatusOK)
	if err != nil {
		return nil, fmt.Errorf("create classes: %w", err)
	}
	return classes, nil
}
