package ops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// bulkSummary is what `ops retry --all --yes` prints. Maps count by reason.
type bulkSummary struct {
	// FailedBefore is the start of this bulk retry. Passed as --failed-before, it makes another one go on with the rest.
	FailedBefore time.Time      `json:"failed_before"`
	Retried      int            `json:"retried"`
	Ready        int            `json:"ready"`
	FailedAgain  map[string]int `json:"failed_again"`
	StillRunning int            `json:"still_running"`
	Skipped      map[string]int `json:"skipped"`
	Unknown      map[string]int `json:"unknown"`
	// Left counts the minigroups that the filter still selects, including skipped ones that cannot be retried.
	Left        int  `json:"left"`
	Interrupted bool `json:"interrupted"`
}

func (s *bulkSummary) add(r retryReport) {
	s.Retried++
	switch r.Result {
	case resultReady:
		s.Ready++
	case resultStillRunning:
		s.StillRunning++
	case resultFailedAgain:
		s.FailedAgain[r.Reason]++
	case resultSkipped:
		s.Retried--
		s.Skipped[r.Reason]++
	case resultUnknown:
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
		// The database's clock, by which it recorded when they failed.
		now, err := a.store.Now(ctx)
		if err != nil {
			return err
		}
		f.before.at, f.filter.Before = now, now
	}
	resume := fmt.Sprintf("ops retry --all %s --rate %g%s", f.args(), f.rate, f.by.args())
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
	a.notef("Retrying %d. Ctrl-C ends it after the running retries. To go on later:\n  %s --yes", total, resume)
	summary, runErr := a.runBulkRetry(ctx, f, total)
	if summary.Left, err = a.store.CountFailed(context.WithoutCancel(ctx), f.filter); err != nil {
		runErr = errors.Join(runErr, err)
	}
	if err := a.print(summary, summary.writeTable); err != nil {
		return err
	}
	if summary.Interrupted || runErr != nil {
		a.notef("To go on with the rest:\n  %s --yes", resume)
	}
	switch {
	case runErr != nil:
		return runErr
	case summary.Interrupted:
		return errors.New("interrupted")
	case len(summary.FailedAgain)+len(summary.Unknown) > 0:
		return fmt.Errorf("%d have failed again, the result of %d is unknown", sum(summary.FailedAgain), sum(summary.Unknown))
	}
	return nil
}

// runBulkRetry retries and shows progress. An interrupt is no error: it is noted in the summary.
func (a *app) runBulkRetry(ctx context.Context, f retryFlags, total int) (bulkSummary, error) {
	summary := bulkSummary{
		FailedBefore: f.filter.Before.UTC(),
		FailedAgain:  map[string]int{}, Skipped: map[string]int{}, Unknown: map[string]int{},
	}
	progress := newProgress(a.err, total)
	b := bulkRetry{
		store: a.store, starter: a.starter(), check: a.checkTemporal,
		filter: f.filter, by: a.requester(f.by), limit: int(f.limit), rate: f.rate, wait: f.wait,
		report: func(r retryReport) {
			summary.add(r)
			progress.show(summary.finished(), summary.counts())
		},
	}
	err := b.run(ctx)
	progress.end()
	if ctx.Err() != nil {
		summary.Interrupted, err = true, nil
	}
	return summary, err
}

// dryRunLimit is how many minigroups a dry run lists without --limit.
const dryRunLimit = 1000

func (a *app) dryRun(ctx context.Context, f retryFlags, resume string) error {
	report, err := a.listFailed(ctx, f.filter, cmp.Or(int(f.limit), dryRunLimit))
	if err != nil {
		return err
	}
	return a.print(report, func(t *table) {
		report.writeTable(t)
		if report.Total > 0 {
			t.line("\nNothing was retried. To retry them:\n  %s --yes", resume)
		}
	})
}

func (s bulkSummary) writeTable(t *table) {
	t.row("retried", s.Retried)
	t.row("ready", s.Ready)
	byReason := func(label string, counts map[string]int) {
		for _, reason := range slices.Sorted(maps.Keys(counts)) {
			t.row(label+": "+reason, counts[reason])
		}
	}
	byReason("failed again", s.FailedAgain)
	if s.StillRunning > 0 {
		t.row("still running", s.StillRunning)
	}
	byReason("skipped", s.Skipped)
	byReason("unknown", s.Unknown)
	t.row("left", s.Left)
}

// finished is how many of the selected minigroups are dealt with.
func (s bulkSummary) finished() int { return s.Retried + sum(s.Skipped) }

func (s bulkSummary) counts() string {
	return fmt.Sprintf("%d ready, %d failed again, %d still running", s.Ready, sum(s.FailedAgain), s.StillRunning)
}
