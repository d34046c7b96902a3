package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"minigroups/bench/load"
	"minigroups/bench/report"
	"minigroups/config"
	"minigroups/minigroup"
)

// waitingReads is the number of reads that wait: as many as the product lets wait for an audience beside others.
const waitingReads = 500

// waits measures what reads cost that wait for a change of classes that do not change. They end by themselves after the
// window.
func (b *bench) waits(start starter) task {
	cell := report.Cell{
		Group: report.Reads, Subject: report.Product, Work: report.WaitForChange, Clients: waitingReads,
	}
	window := min(b.timing.window, config.MaxWait/2)
	// Whole seconds, and at least half a second more than the time in which all of them must wait.
	wait := (b.timing.warmUp + window + 1500*time.Millisecond).Truncate(time.Second)
	var s *system
	return task{
		cells: []report.Cell{cell}, duration: wait,
		prepare: func(ctx context.Context) (err error) { s, err = start(ctx); return err },
		run: func(ctx context.Context) (samples []report.Sample, err error) {
			s.thaw()
			defer func() { err = errors.Join(err, s.freeze()) }()
			requests, err := waitsFor(ctx, s, wait)
			if err != nil {
				return nil, err
			}
			values, err := b.whileReadsWait(ctx, s, requests, window)
			return []report.Sample{{Cell: cell, Values: values}}, err
		},
	}
}

// whileReadsWait returns the CPU time per read that waits and second, in a window during which all of them wait.
func (b *bench) whileReadsWait(
	ctx context.Context, s *system, requests load.Work, window time.Duration,
) (map[string]float64, error) {
	type result struct {
		soonest time.Duration
		err     error
	}
	ended := make(chan result, 1)
	go func() {
		soonest, err := load.Together(s.target, waitingReads, requests, fasthttp.StatusNotModified)
		ended <- result{soonest: soonest, err: err}
	}()
	begun := time.Now()
	if err := sleep(ctx, b.timing.warmUp); err != nil {
		return nil, err
	}
	before, from := b.env.cpu(s), time.Now()
	if err := sleep(ctx, window); err != nil {
		return nil, err
	}
	after, until := b.env.cpu(s), time.Now()
	reads := <-ended
	if reads.err != nil {
		return nil, reads.err
	}
	if reads.soonest < until.Sub(begun) {
		return nil, fmt.Errorf("a read waited for %s only", reads.soonest)
	}
	values := map[string]float64{}
	for _, part := range []string{"service", "postgres"} {
		each := (after[part] - before[part]) * 1000 / waitingReads
		values[report.CPUPerWait+part] = each / until.Sub(from).Seconds()
	}
	return values, nil
}

// waitsFor returns reads that wait for changes of the first classes of the data set, which are over.
func waitsFor(ctx context.Context, s *system, wait time.Duration) (load.Work, error) {
	byID := func(n int) string {
		return "/api/v1/minigroups/" + minigroup.NewClassID(datasetAudience, datasetScope(n)).String()
	}
	first := func(r *fasthttp.Request) { r.SetRequestURI(byID(0)) }
	if err := wake(ctx, s, load.Closed{Work: first, Want: fasthttp.StatusOK}); err != nil {
		return nil, err
	}
	tags := make([]string, waitingReads)
	for n := range tags {
		var err error
		if tags[n], err = tagOf(ctx, s, byID(n)); err != nil {
			return nil, err
		}
	}
	var next atomic.Int64
	preference := "wait=" + strconv.Itoa(int(wait.Seconds()))
	return func(r *fasthttp.Request) {
		n := int(next.Add(1)) % len(tags)
		r.SetRequestURI(byID(n))
		r.Header.Set("If-None-Match", tags[n])
		r.Header.Set("Prefer", preference)
	}, nil
}

// tagOf returns the ETag of a path.
func tagOf(ctx context.Context, s *system, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.target.Address+path, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+s.target.Token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	tag := response.Header.Get("ETag")
	if response.StatusCode != http.StatusOK || tag == "" {
		return "", fmt.Errorf("read %s: %s, ETag %q", path, response.Status, tag)
	}
	return tag, nil
}
