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

// times is how many times the load of an overload is what the product can do.
const times = 3

// overload is whether everybody is answered, soon and truly, when there is too much to do, and how soon all is well again.
func (b *bench) overload() []task {
	var s *system
	prepare := func(ctx context.Context) (err error) {
		s, err = b.world.product(ctx, "product, overloaded", b.world.home)
		return err
	}
	during := b.length.window
	one := func(work string, clients int, load func(ctx context.Context, perSecond float64) (*load.Answers, error)) task {
		cell := report.Cell{Group: report.Overload, Subject: report.Product, Work: work, Clients: clients}
		return task{
			cells: []report.Cell{cell}, takes: 2 * during, prepare: prepare, rounds: 1,
			run: func(ctx context.Context) (samples []report.Sample, err error) {
				s.thaw()
				defer func() { err = errors.Join(err, s.freeze()) }()
				values, failure, err := b.overloaded(ctx, s, load)
				return []report.Sample{{Cell: cell, Values: values, Failure: failure}}, err
			},
		}
	}
	return []task{
		one(fmt.Sprintf("creates at %d times what it can do", times), 0, func(ctx context.Context, perSecond float64) (*load.Answers, error) {
			return load.Open{PerSecond: times * perSecond, For: during, Work: creates(upstream.Usual)}.Run(ctx, s.target), nil
		}),
		one("creates by 256 clients at once", 256, func(ctx context.Context, _ float64) (*load.Answers, error) {
			return load.Crowd{Clients: 256, For: during, Work: creates(upstream.Usual)}.Run(ctx, s.target), nil
		}),
		one("creates while its table is locked", 64, func(ctx context.Context, _ float64) (*load.Answers, error) {
			return b.locked(ctx, s, load.Crowd{Clients: 64, For: during, Work: creates(upstream.Usual)})
		}),
	}
}

// overloaded measures what the product can do, loads it, and measures again until it can do that again.
func (b *bench) overloaded(ctx context.Context, s *system, do func(context.Context, float64) (*load.Answers, error)) (map[string]float64, string, error) {
	if err := b.world.delay(ctx, 0); err != nil {
		return nil, "", err
	}
	usual, err := b.speed(ctx, s)
	if err != nil {
		return nil, "", err
	}
	memory := watchMemory(s)
	answers, err := do(ctx, usual)
	ended := time.Now()
	most := memory.stop()
	if err != nil {
		return nil, "", err
	}
	values := map[string]float64{
		"before, per second": usual, "sent": float64(answers.Sent), report.Longest: milliseconds(answers.Longest),
		"503 without Retry-After": float64(answers.Unhinted), "resident at most, MB": most,
	}
	for status, n := range answers.ByStatus {
		name := fmt.Sprintf("answered %d", status)
		if status == 0 {
			name = "not answered"
		}
		values[name] = float64(n)
	}
	values["seconds until as fast as before"], err = b.recovered(ctx, s, usual, ended)
	return values, answers.FirstFailure, err
}

// speed is how many creates 32 clients get done in a second.
func (b *bench) speed(ctx context.Context, s *system) (float64, error) {
	sample := report.Sample{}
	err := b.world.measure(ctx, s, load.Closed{
		Clients: 32, WarmUp: b.length.warmUp, Window: min(b.length.window, 5*time.Second), Work: creates(upstream.Usual), Want: fasthttp.StatusCreated,
	}, &sample)
	return sample.Values[report.PerSecond], err
}

// recoversWithin bounds the wait for the old speed.
const recoversWithin = 2 * time.Minute

// recovered returns the seconds from the end of the load to the end of the first second in which the product was nearly as fast
// as before.
func (b *bench) recovered(ctx context.Context, s *system, usual float64, ended time.Time) (float64, error) {
	for time.Since(ended) < recoversWithin {
		m := load.Closed{Clients: 32, Window: time.Second, Work: creates(upstream.Usual), Want: fasthttp.StatusCreated}.Run(ctx, s.target)
		if float64(len(m.Latencies))/m.Window.Seconds() >= 0.8*usual {
			return time.Since(ended).Seconds(), nil
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	return 0, fmt.Errorf("it is not as fast as before within %s", recoversWithin)
}

// locked has a crowd ask while somebody holds the table of the minigroups, so that every connection of the pool waits.
func (b *bench) locked(ctx context.Context, s *system, crowd load.Crowd) (*load.Answers, error) {
	conn, err := pgx.Connect(ctx, b.world.postgres.URL(s.database))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // which ends the transaction, too
	if _, err := conn.Exec(ctx, "BEGIN; LOCK TABLE minigroup IN ACCESS EXCLUSIVE MODE"); err != nil {
		return nil, err
	}
	return crowd.Run(ctx, s.target), nil
}

// memory watches how much a system takes.
type memory struct {
	quit chan struct{}
	most chan float64
}

func watchMemory(s *system) memory {
	m := memory{make(chan struct{}), make(chan float64, 1)}
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		most := s.residentMB()
		for {
			select {
			case <-tick.C:
				most = max(most, s.residentMB())
			case <-m.quit:
				m.most <- most
				return
			}
		}
	}()
	return m
}

// stop returns the most that it was, in MB.
func (m memory) stop() float64 {
	close(m.quit)
	return <-m.most
}

func (s *system) residentMB() (sum float64) {
	for _, p := range s.processes {
		sum += residentMB(p)
	}
	return sum
}
