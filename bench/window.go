package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"minigroups/bench/load"
	"minigroups/bench/report"
)

// task measures one or more cells, once a round.
type task struct {
	cells []report.Cell
	takes time.Duration
	// rounds is in how many rounds, the last ones, it is measured; 0 is all.
	rounds int
	// prepare is called once, before the first round.
	prepare func(ctx context.Context) error
	run     func(ctx context.Context) ([]report.Sample, error)
}

// in reports whether it is measured in a round.
func (t task) in(round, rounds int) bool { return t.rounds == 0 || round >= rounds-t.rounds }

// few makes tasks that are measured in two rounds, enough to see a spread: no goal depends on them.
func few(tasks ...task) []task {
	for i := range tasks {
		tasks[i].rounds = 2
	}
	return tasks
}

// length is how long windows are.
type length struct{ warmUp, window time.Duration }

// window is a task: so many clients do one kind of work at one system, in a closed loop.
func (b *bench) window(cell report.Cell, want int, subject func(context.Context) (*system, error), work func(context.Context, *system) (load.Work, error)) task {
	var s *system
	var requests load.Work
	return task{
		cells: []report.Cell{cell},
		takes: b.length.warmUp + b.length.window,
		prepare: func(ctx context.Context) (err error) {
			if s, err = subject(ctx); err != nil {
				return err
			}
			s.thaw()
			defer func() { err = errors.Join(err, s.freeze()) }()
			requests, err = work(ctx, s)
			return err
		},
		run: func(ctx context.Context) (samples []report.Sample, err error) {
			s.thaw()
			defer func() { err = errors.Join(err, s.freeze()) }()
			if err := b.world.delay(ctx, time.Duration(cell.DelayMS)*time.Millisecond); err != nil {
				return nil, err
			}
			sample := report.Sample{Cell: cell}
			err = b.world.measure(ctx, s, load.Closed{Clients: cell.Clients, WarmUp: b.length.warmUp, Window: b.length.window, Work: requests, Want: want}, &sample)
			return []report.Sample{sample}, err
		},
	}
}

// measure runs a closed loop against a system that is awake, and writes down what came of it.
func (w *world) measure(ctx context.Context, s *system, c load.Closed, sample *report.Sample) error {
	if err := wake(ctx, s, c); err != nil {
		return err
	}
	var edges []cpuTimes
	c.Edge = func() { edges = append(edges, w.cpu(s)) }
	m := c.Run(ctx, s.target)
	if len(m.Latencies) == 0 {
		return fmt.Errorf("nothing was answered in %s; the first of %d failures: %s", m.Window, m.Failed, m.FirstFailure)
	}
	answered := float64(len(m.Latencies))
	sample.Failure = m.FirstFailure
	sample.Values = map[string]float64{
		report.PerSecond: answered / m.Window.Seconds(), report.Answered: answered, report.Failed: float64(m.Failed),
		report.P50: milliseconds(report.Quantile(m.Latencies, 0.5)), report.P99: milliseconds(report.Quantile(m.Latencies, 0.99)),
		report.Longest: milliseconds(report.Quantile(m.Latencies, 1)),
	}
	for part, before := range edges[0] {
		sample.Values[report.CPU+part] = (edges[1][part] - before) * 1000 / answered
	}
	return nil
}

// wakeWithin bounds how long a system that was frozen may need until it works again.
const wakeWithin = 30 * time.Second

// wake asks until the answer is as it should be: what was frozen finds its connections closed by the others.
func wake(ctx context.Context, s *system, c load.Closed) error {
	deadline := time.Now().Add(wakeWithin)
	for {
		status, said := load.Once(s.target, c.Work)
		if status == c.Want {
			return nil
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("it does not work: %s", said)
		}
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// delay sets how long the upstreams take to answer from now on.
func (w *world) delay(ctx context.Context, d time.Duration) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, w.upstreams+"/delay?is="+d.String(), nil)
	if err != nil {
		return err
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("set the delay of the upstreams: %s", reply.Status)
	}
	return nil
}
