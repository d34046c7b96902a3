package ops

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/workflows"
)

const (
	// maxConcurrentRetries bounds how many retries are waited for at a time.
	maxConcurrentRetries = 64
	// pageSize is how many rows are read at a time.
	pageSize = 100
)

// bulkRetry retries the failed minigroups that filter selects, each once. It reads rows, not runs: a minigroup that
// fails again has failed after filter.Before, so neither this bulk retry nor a later one with the same filter picks
// it up again.
type bulkRetry struct {
	store   *storage.Store
	starter *workflows.Starter
	// check returns an error if retries cannot be started now.
	check  func(context.Context) error
	filter minigroup.FailedFilter
	by     minigroup.Requester
	// limit bounds how many are retried; 0 means no limit.
	limit int
	// rate is the number of retries started per second.
	rate float64
	// wait bounds the wait for each result.
	wait time.Duration
	// report receives each result; calls do not overlap.
	report func(retryReport)
}

// run retries until nothing is left or ctx ends, and then waits for the retries that are running. It returns nil if
// the list was worked through, otherwise the error that ended it.
func (b *bulkRetry) run(ctx context.Context) error {
	limiter := rate.NewLimiter(rate.Limit(b.rate), 1)
	results := make(chan retryReport)
	reported := make(chan struct{})
	go func() {
		defer close(reported)
		for r := range results {
			b.report(r)
		}
	}()
	var group errgroup.Group
	group.SetLimit(maxConcurrentRetries)
	err := b.each(ctx, func(m minigroup.FailedMinigroup) error {
		if err := limiter.Wait(ctx); err != nil {
			return err
		}
		group.Go(func() error {
			results <- b.retry(context.WithoutCancel(ctx), m)
			return nil
		})
		return nil
	})
	_ = group.Wait() // no retry returns an error
	close(results)
	<-reported
	return err
}

// each calls start for each selected minigroup, until start returns an error.
func (b *bulkRetry) each(ctx context.Context, start func(minigroup.FailedMinigroup) error) error {
	var last *minigroup.FailedMinigroup
	for n := 0; ; {
		if err := b.check(ctx); err != nil {
			return err
		}
		page, err := b.store.FailedMinigroups(ctx, b.filter, last, pageSize)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, m := range page {
			if n++; b.limit > 0 && n > b.limit {
				return nil
			}
			if err := start(m); err != nil {
				return err
			}
		}
		last = &page[len(page)-1]
	}
}

// retry retries one minigroup, unless it has changed since its row was listed.
func (b *bulkRetry) retry(ctx context.Context, listed minigroup.FailedMinigroup) retryReport {
	ctx, cancel := context.WithTimeout(ctx, b.wait+4*backendTimeout)
	defer cancel()
	r := retryReport{ClassID: listed.ClassID, Audience: listed.Audience, Scope: listed.Scope, Result: resultSkipped}
	m, err := b.store.ByID(ctx, listed.ClassID)
	switch {
	case err != nil:
		r.Result, r.Reason, r.Detail = resultUnknown, string(minigroup.ServiceUnavailable), err.Error()
		return r
	case m.State != minigroup.Failed:
		r.Reason = fmt.Sprintf("already %s", m.State)
		return r
	case !m.Failure.FailedAt.Equal(listed.Failure.FailedAt):
		r.Reason = "retried by another process and failed again"
		return r
	}
	_, outcome, err := b.starter.Retry(ctx, m, b.by, b.wait)
	return newRetryReport(m, outcome, err)
}
