package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"minigroups/bench/load"
	"minigroups/bench/report"
)

// window is the task of measuring one kind of work at one system in a closed loop. want is the status of a good
// response.
func (b *bench) window(cell report.Cell, want int, start starter, work workload) task {
	var s *system
	var requests load.Work
	return task{
		cells:    []report.Cell{cell},
		duration: b.timing.warmUp + b.timing.window,
		prepare: func(ctx context.Context) (err error) {
			if s, err = start(ctx); err != nil {
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
			if err := b.env.setDelay(ctx, time.Duration(cell.DelayMS)*time.Millisecond); err != nil {
				return nil, err
			}
			sample := report.Sample{Cell: cell}
			err = b.env.measure(ctx, s, load.Closed{
				Clients: cell.Clients, WarmUp: b.timing.warmUp, Window: b.timing.window, Work: requests, Want: want,
			}, &sample)
			return []report.Sample{sample}, err
		},
	}
}

// measure runs a closed loop against a system that is not frozen, and writes the results to sample.
func (e *environment) measure(ctx context.Context, s *system, c load.Closed, sample *report.Sample) error {
	if err := wake(ctx, s, c); err != nil {
		return err
	}
	var edges []cpuTimes
	c.Edge = func() { edges = append(edges, e.cpu(s)) }
	m := c.Run(ctx, s.target)
	if len(m.Latencies) == 0 {
		return fmt.Errorf("no good response in %s; the first of %d failures: %s", m.Window, m.Failed, m.FirstFailure)
	}
	responses := float64(len(m.Latencies))
	sample.Failure = m.FirstFailure
	sample.Values = map[string]float64{
		report.Throughput: responses / m.Window.Seconds(),
		report.Responses:  responses,
		report.Failed:     float64(m.Failed),
		report.P50:        milliseconds(report.Quantile(m.Latencies, 0.5)),
		report.P99:        milliseconds(report.Quantile(m.Latencies, 0.99)),
		report.MaxLatency: milliseconds(report.Quantile(m.Latencies, 1)),
	}
	for part, before := range edges[0] {
		sample.Values[report.CPUPerRequest+part] = (edges[1][part] - before) * 1000 / responses
	}
	return nil
}

// wakeTimeout bounds how long a thawed system may take until it works again.
const wakeTimeout = 30 * time.Second

// wake sends requests until a response is good: after Thaw, the peers of a system have closed its connections.
func wake(ctx context.Context, s *system, c load.Closed) error {
	deadline := time.Now().Add(wakeTimeout)
	for {
		status, response := load.Once(s.target, c.Work)
		if status == c.Want {
			return nil
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("it does not work: %s", response)
		}
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// setDelay sets how long the upstreams take for each response from now on.
func (e *environment) setDelay(ctx context.Context, d time.Duration) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, e.upstreams+"/delay?is="+d.String(), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("set the delay of the upstreams: %s", response.Status)
	}
	return nil
}

// orphans returns how many creates conference has refused so far after it inserted the room.
func (e *environment) orphans(ctx context.Context) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.upstreams+"/database/conference", nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("read conference's database: %s", response.Status)
	}
	var state struct {
		Orphans int64 `json:"orphans"`
	}
	return state.Orphans, json.NewDecoder(response.Body).Decode(&state)
}
