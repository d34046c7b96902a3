package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/workflows"
)

const (
	// inFlight is how many retries are waited for at a time, and page how many are read at a time.
	inFlight = 64
	page     = 100
)

// campaign retries many minigroups, by their rows: each once. One that fails again has failed after the beginning, so it is
// not among those that are still to come, also when another campaign goes on from the same beginning.
type campaign struct {
	store   *storage.Store
	starter *workflows.Starter
	// reach says what is wrong where retries cannot be started.
	reach  func(context.Context) error
	filter minigroup.FailedFilter
	limit  int
	rate   float64
	wait   time.Duration
	// done is told of each, one at a time.
	done func(retried)
}

// run works until none is left or ctx ends, and waits for what is under way then.
func (c *campaign) run(ctx context.Context) error {
	limiter := rate.NewLimiter(rate.Limit(c.rate), 1)
	results := make(chan retried)
	told := make(chan struct{})
	go func() {
		defer close(told)
		for r := range results {
			c.done(r)
		}
	}()
	var group errgroup.Group
	group.SetLimit(inFlight)
	err := c.each(ctx, func(m minigroup.FailedMinigroup) error {
		if err := limiter.Wait(ctx); err != nil {
			return err
		}
		group.Go(func() error {
			results <- c.retry(context.WithoutCancel(ctx), m)
			return nil
		})
		return nil
	})
	_ = group.Wait() // none returns an error
	close(results)
	<-told
	return err
}

// each calls do for those that are meant, as long as it succeeds.
func (c *campaign) each(ctx context.Context, do func(minigroup.FailedMinigroup) error) error {
	var last *minigroup.FailedMinigroup
	for n := 0; ; {
		if err := c.reach(ctx); err != nil {
			return err
		}
		next, err := c.store.FailedMinigroups(ctx, c.filter, last, page)
		if err != nil || len(next) == 0 {
			return err
		}
		for _, m := range next {
			if n++; c.limit > 0 && n > c.limit {
				return nil
			}
			if err := do(m); err != nil {
				return err
			}
		}
		last = &next[len(next)-1]
	}
}

// retry starts one over, unless it has got on since its row was listed.
func (c *campaign) retry(ctx context.Context, listed minigroup.FailedMinigroup) retried {
	ctx, cancel := context.WithTimeout(ctx, c.wait+4*reachable)
	defer cancel()
	skip := retried{ClassID: listed.ClassID, Audience: listed.Audience, Scope: listed.Scope, Result: skipped}
	m, err := c.store.ByID(ctx, listed.ClassID)
	switch {
	case err != nil:
		skip.Result, skip.Reason, skip.Detail = unknown, string(minigroup.ServiceUnavailable), err.Error()
		return skip
	case m.State != minigroup.Failed:
		skip.Reason = fmt.Sprintf("is %s by now", m.State)
		return skip
	case !m.Failure.FailedAt.Equal(listed.Failure.FailedAt):
		skip.Reason = "was retried meanwhile and has failed again"
		return skip
	}
	_, outcome, err := c.starter.Retry(ctx, m, c.wait)
	return outcomeOf(m, outcome, err)
}

// summary is what a campaign has come to: what `ops retry --all --yes` prints.
type summary struct {
	// FailedBefore is the beginning: with it, another campaign goes on with the rest.
	FailedBefore time.Time      `json:"failed_before"`
	Retried      int            `json:"retried"`
	Ready        int            `json:"ready"`
	FailedAgain  map[string]int `json:"failed_again"`
	StillGoing   int            `json:"still_going"`
	Skipped      map[string]int `json:"skipped"`
	Unknown      map[string]int `json:"unknown"`
	// Left is how many are still to be retried, those that were skipped because they cannot be included.
	Left        int  `json:"left"`
	Interrupted bool `json:"interrupted"`
}

func (s *summary) add(r retried) {
	s.Retried++
	switch r.Result {
	case isReady:
		s.Ready++
	case stillGoing:
		s.StillGoing++
	case failedAgain:
		s.FailedAgain[r.Reason]++
	case skipped:
		s.Retried--
		s.Skipped[r.Reason]++
	case unknown:
		s.Unknown[r.Reason]++
	}
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

func (a *app) retryAll(ctx context.Context, f retryFlags) error {
	if f.filter.Before.IsZero() {
		now, err := a.store.Now(ctx)
		if err != nil {
			return err
		}
		f.before.at, f.filter.Before = now, now
	}
	resume := fmt.Sprintf("ops retry --all %s --rate %g", f.args(), f.rate)
	if !f.yes {
		return a.dryRun(ctx, f, resume)
	}
	total, err := a.store.CountFailed(ctx, f.filter)
	if err != nil {
		return err
	}
	if f.limit > 0 {
		total = min(total, int(f.limit))
	}
	a.tell("Retrying %d. Ctrl-C ends it after what is under way; to go on then:\n  %s --yes", total, resume)
	s := summary{FailedBefore: f.filter.Before.UTC(), FailedAgain: map[string]int{}, Skipped: map[string]int{}, Unknown: map[string]int{}}
	meter := newMeter(a.err, total)
	c := campaign{
		store: a.store, starter: a.starter(), reach: a.reachTemporal, filter: f.filter, limit: int(f.limit), rate: f.rate, wait: f.wait,
		done: func(r retried) {
			s.add(r)
			meter.show(s)
		},
	}
	broken := c.run(ctx)
	meter.end()
	if ctx.Err() != nil {
		s.Interrupted, broken = true, nil
	}
	if s.Left, err = a.store.CountFailed(context.WithoutCancel(ctx), f.filter); err != nil {
		broken = errors.Join(broken, err)
	}
	if err := a.print(s, s.people); err != nil {
		return err
	}
	if s.Interrupted || broken != nil {
		a.tell("To go on with the rest:\n  %s --yes", resume)
	}
	switch {
	case broken != nil:
		return broken
	case s.Interrupted:
		return errors.New("interrupted")
	case len(s.FailedAgain)+len(s.Unknown) > 0:
		return fmt.Errorf("%d have failed again, of %d it is not known", sum(s.FailedAgain), sum(s.Unknown))
	}
	return nil
}

func (a *app) dryRun(ctx context.Context, f retryFlags, resume string) error {
	shown, err := a.listFailed(ctx, f.filter, cmp.Or(int(f.limit), listed))
	if err != nil {
		return err
	}
	return a.print(shown, func(t *table) {
		shown.people(t)
		if shown.Total > 0 {
			t.say("\nNothing was done. To retry them:\n  %s --yes", resume)
		}
	})
}

// listed is how many a dry run lists where nothing else is said.
const listed = 1000

func (s summary) people(t *table) {
	t.row("retried", s.Retried)
	t.row("ready", s.Ready)
	counts := func(what string, by map[string]int) {
		for _, reason := range slices.Sorted(maps.Keys(by)) {
			t.row(what+": "+reason, by[reason])
		}
	}
	counts("failed again", s.FailedAgain)
	if s.StillGoing > 0 {
		t.row("still going", s.StillGoing)
	}
	counts("skipped", s.Skipped)
	counts("not known", s.Unknown)
	t.row("left", s.Left)
}
