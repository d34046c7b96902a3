package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/valyala/fasthttp"

	"minigroups/bench/load"
	"minigroups/bench/report"
	"minigroups/bench/upstream"
)

// overloadFactor is the load of an overload divided by the throughput of the product.
const overloadFactor = 3

// overload measures whether every request receives a useful response in time under too much load, and how soon the
// product recovers.
func (b *bench) overload() []task {
	var s *system
	prepare := func(ctx context.Context) (err error) {
		s, err = b.env.product(ctx, "product, overloaded", b.env.defaultTemporal)
		return err
	}
	during := b.timing.window
	one := func(work string, clients int, generate generator) task {
		cell := report.Cell{Group: report.Overload, Subject: report.Product, Work: work, Clients: clients}
		return task{
			cells: []report.Cell{cell}, duration: 2 * during, prepare: prepare, rounds: 1,
			run: func(ctx context.Context) (samples []report.Sample, err error) {
				s.thaw()
				defer func() { err = errors.Join(err, s.freeze()) }()
				values, failure, err := b.overloaded(ctx, s, generate)
				return []report.Sample{{Cell: cell, Values: values, Failure: failure}}, err
			},
		}
	}
	return []task{
		one(fmt.Sprintf("creates at %d times its throughput", overloadFactor), 0,
			func(ctx context.Context, throughput float64) (*load.Answers, error) {
				open := load.Open{PerSecond: overloadFactor * throughput, For: during, Work: createRequests(upstream.Usual)}
				return open.Run(ctx, s.target), nil
			}),
		one("creates by 256 clients at once", 256, func(ctx context.Context, _ float64) (*load.Answers, error) {
			return load.Crowd{Clients: 256, For: during, Work: createRequests(upstream.Usual)}.Run(ctx, s.target), nil
		}),
		one("creates while its table is locked", 64, func(ctx context.Context, _ float64) (*load.Answers, error) {
			return b.whileTableIsLocked(ctx, s, load.Crowd{Clients: 64, For: during, Work: createRequests(upstream.Usual)})
		}),
	}
}

// generator generates the load of an overload. throughput is that of the product, in requests per second.
type generator func(ctx context.Context, throughput float64) (*load.Answers, error)

// overloaded measures the throughput of the product, overloads it, and measures again until the throughput is as
// before.
func (b *bench) overloaded(
	ctx context.Context, s *system, generate generator,
) (values map[string]float64, failure string, err error) {
	if err := b.env.setDelay(ctx, 0); err != nil {
		return nil, "", err
	}
	before, err := b.throughput(ctx, s)
	if err != nil {
		return nil, "", err
	}
	orphansBefore, err := b.env.orphans(ctx)
	if err != nil {
		return nil, "", err
	}
	memory := watchMemory(s)
	answers, err := generate(ctx, before)
	ended := time.Now()
	peak := memory.stop()
	if err != nil {
		return nil, "", err
	}
	values = map[string]float64{
		"throughput before, requests/s":     before,
		"requests":                          float64(answers.Sent),
		report.MaxLatency:                   milliseconds(answers.MaxLatency),
		"responses 503 without Retry-After": float64(answers.WithoutRetryAfter),
		report.PeakMemory:                   peak,
	}
	for status, n := range answers.ByStatus {
		name := fmt.Sprintf("responses %d", status)
		if status == 0 {
			name = "requests without response"
		}
		values[name] = float64(n)
	}
	values["recovery, s"], err = b.recovery(ctx, s, before, ended)
	if err != nil {
		return values, answers.FirstFailure, err
	}
	orphans, err := b.env.orphans(ctx)
	values["rooms that conference refused and kept"] = float64(orphans - orphansBefore)
	return values, answers.FirstFailure, err
}

// throughput measures how many creates per second 32 clients get done.
func (b *bench) throughput(ctx context.Context, s *system) (float64, error) {
	sample := report.Sample{}
	err := b.env.measure(ctx, s, load.Closed{
		Clients: 32, WarmUp: b.timing.warmUp, Window: min(b.timing.window, 5*time.Second),
		Work: createRequests(upstream.Usual), Want: fasthttp.StatusCreated,
	}, &sample)
	return sample.Values[report.Throughput], err
}

// recoveryTimeout bounds the wait for the throughput before the overload.
const recoveryTimeout = 2 * time.Minute

// recovery returns the seconds from the end of the load to the end of the first second with at least 80 % of the
// throughput before.
func (b *bench) recovery(ctx context.Context, s *system, before float64, ended time.Time) (float64, error) {
	for time.Since(ended) < recoveryTimeout {
		m := load.Closed{
			Clients: 32, Window: time.Second, Work: createRequests(upstream.Usual), Want: fasthttp.StatusCreated,
		}.Run(ctx, s.target)
		if float64(len(m.Latencies))/m.Window.Seconds() >= 0.8*before {
			return time.Since(ended).Seconds(), nil
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	return 0, fmt.Errorf("its throughput is not as before within %s", recoveryTimeout)
}

// whileTableIsLocked runs a crowd while another connection holds an exclusive lock of the table minigroup, so that all
// connections of the pool wait.
func (b *bench) whileTableIsLocked(ctx context.Context, s *system, crowd load.Crowd) (*load.Answers, error) {
	conn, err := pgx.Connect(ctx, b.env.postgres.URL(s.database))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // releases the lock
	if _, err := conn.Exec(ctx, "BEGIN; LOCK TABLE minigroup IN ACCESS EXCLUSIVE MODE"); err != nil {
		return nil, err
	}
	return crowd.Run(ctx, s.target), nil
}
