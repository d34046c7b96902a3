package ops

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"minigroups/config"
	"minigroups/minigroup"
)

// retryFlags are the flags of `ops retry`.
type retryFlags struct {
	filterFlags
	by       requesterFlags
	all, yes bool
	rate     float64
	wait     time.Duration
}

func (a *app) retry() *cobra.Command {
	var f retryFlags
	cmd := &cobra.Command{
		Use:   "retry CLASS_ID | AUDIENCE SCOPE | --all",
		Short: "Start failed minigroups over: one, or many with --all",
		Long: `Starts failed minigroups over: one, or many with --all.

--all only lists what it would retry, unless --yes is given. Each minigroup is retried once, the latest failure first,
at --rate per second. Only minigroups that failed before the start (--failed-before) and are still failed are retried.
After an interrupt, run the command that is printed: it goes on with the rest.`,
		Args: func(_ *cobra.Command, args []string) error { return f.check(args) },
		RunE: a.connected(func(ctx context.Context, args []string) error {
			if !f.all {
				return a.retryOne(ctx, args, a.requester(f.by), f.wait)
			}
			return a.retryAll(ctx, f)
		}),
	}
	flags := cmd.Flags()
	f.register(flags, 0, "retry at most this many; 0 means no limit")
	flags.BoolVar(&f.all, "all", false, "retry every failed minigroup that the flags below select")
	flags.Var(&f.before, "failed-before", "only minigroups that failed before this time; default now")
	flags.Float64Var(&f.rate, "rate", 5, "start at most this many per second")
	flags.BoolVar(&f.yes, "yes", false, "retry them; without it they are only listed")
	flags.DurationVar(&f.wait, "wait", 30*time.Second, "wait this long for each result, at most "+config.MaxWait.String())
	return interfering(cmd, &f.by)
}

func (f *retryFlags) check(args []string) error {
	switch {
	case f.all && len(args) > 0:
		return &usageError{"--all cannot be combined with the name of a minigroup"}
	case !f.all && (len(args) == 0 || len(args) > 2):
		return &usageError{"no minigroup given: pass a class id, an audience and a scope, or --all"}
	case f.rate <= 0:
		return &usageError{"--rate must be above 0"}
	case f.wait < 0 || f.wait > config.MaxWait:
		return &usageError{"--wait must be a duration up to " + config.MaxWait.String()}
	}
	return f.resolve()
}

// retryResult is the result of one retry. The values are part of the JSON output.
type retryResult string

const (
	resultReady        retryResult = "ready"
	resultFailedAgain  retryResult = "failed_again"
	resultStillRunning retryResult = "still_running"
	resultSkipped      retryResult = "skipped"
	resultUnknown      retryResult = "unknown"
)

// retryReport is what `ops retry` prints of one minigroup.
type retryReport struct {
	ClassID  uuid.UUID   `json:"class_id"`
	Audience string      `json:"audience"`
	Scope    string      `json:"scope"`
	Result   retryResult `json:"result"`
	// Reason and Detail say why, unless the result is ready or still_running.
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// newRetryReport translates what Starter.Retry returned.
func newRetryReport(m minigroup.Minigroup, outcome minigroup.Outcome, err error) retryReport {
	r := retryReport{ClassID: m.ID, Audience: m.Audience, Scope: m.Scope, Result: resultReady}
	var known *minigroup.Error
	switch {
	case err == nil && outcome == minigroup.OutcomeAccepted:
		r.Result = resultStillRunning
	case err == nil:
	case !errors.As(err, &known):
		r.Result, r.Reason, r.Detail = resultUnknown, string(minigroup.ServiceUnavailable), err.Error()
	default:
		r.Result, r.Detail = resultFailedAgain, known.Detail
		r.Reason = failureInfo{Reason: known.Kind, Upstream: known.Upstream, UpstreamType: known.UpstreamType}.cause()
		switch known.Kind {
		case minigroup.RetryNotPossible, minigroup.OperationInProgress, minigroup.AlreadyEstablished:
			r.Result = resultSkipped
		case minigroup.ServiceUnavailable, minigroup.ServiceMisconfigured:
			r.Result = resultUnknown
		}
	}
	return r
}

func (a *app) retryOne(ctx context.Context, args []string, by minigroup.Requester, wait time.Duration) error {
	m, err := a.minigroup(ctx, args)
	if err != nil {
		return err
	}
	if err := a.checkTemporal(ctx); err != nil {
		return err
	}
	_, outcome, err := a.starter().Retry(ctx, m, by, wait)
	r := newRetryReport(m, outcome, err)
	if err := a.print(r, func(t *table) {
		t.row("CLASS", "AUDIENCE", "SCOPE", "RESULT", "REASON", "DETAIL")
		t.row(r.ClassID, r.Audience, r.Scope, r.Result, r.Reason, r.Detail)
	}); err != nil {
		return err
	}
	switch r.Result {
	case resultReady:
		return nil
	case resultStillRunning:
		a.notef("It continues without this command. To see how it stands: ops show %s", r.ClassID)
		return nil
	case resultFailedAgain:
		return errors.New("the retry has failed")
	case resultSkipped:
		return errors.New("it was not retried")
	default:
		return fmt.Errorf("the result of the retry is unknown; to see how it stands: ops show %s", r.ClassID)
	}
}
