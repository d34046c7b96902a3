package main

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

// retryFlags are those of `ops retry`.
type retryFlags struct {
	which
	all, yes bool
	rate     float64
	wait     time.Duration
}

func (a *app) retry() *cobra.Command {
	var f retryFlags
	cmd := &cobra.Command{
		Use:   "retry CLASS_ID | AUDIENCE SCOPE | --all",
		Short: "Start failed minigroups over: one, or with --all as many as have failed",
		Long: `Starts failed minigroups over: one, or with --all as many as have failed.

Without --yes, --all only lists what would be retried. With it, each is started over once, the latest failure first, so
many a second as --rate says. Only what has failed before the beginning is retried, and nothing that is ready by now:
after an interrupt, the same command with the --failed-before that is printed goes on with the rest.`,
		Args: func(_ *cobra.Command, args []string) error { return f.check(args) },
		RunE: a.does(func(ctx context.Context, args []string) error {
			if !f.all {
				return a.retryOne(ctx, args, f.wait)
			}
			return a.retryAll(ctx, f)
		}),
	}
	flags := cmd.Flags()
	f.define(flags, 0, "retry no more than so many; 0 is no limit")
	flags.BoolVar(&f.all, "all", false, "all that have failed, or those that the flags below name")
	flags.Var(&f.before, "failed-before", "only those that have failed before then, or longer ago; by default before now")
	flags.Float64Var(&f.rate, "rate", 5, "start no more than so many a second")
	flags.BoolVar(&f.yes, "yes", false, "do it")
	flags.DurationVar(&f.wait, "wait", 30*time.Second, "how long each is waited for, up to "+config.MaxWait.String())
	return cmd
}

func (f *retryFlags) check(args []string) error {
	switch {
	case f.all && len(args) > 0:
		return &usageError{"--all takes no minigroup beside it"}
	case !f.all && (len(args) == 0 || len(args) > 2):
		return &usageError{"which minigroup? A class id, an audience and a scope, or --all"}
	case f.rate <= 0:
		return &usageError{"--rate must be above 0"}
	case f.wait < 0 || f.wait > config.MaxWait:
		return &usageError{"--wait must be a duration up to " + config.MaxWait.String()}
	}
	return f.read()
}

// result is what has become of one retry.
type result string

const (
	isReady     result = "ready"
	failedAgain result = "failed again"
	stillGoing  result = "still going"
	skipped     result = "skipped"
	unknown     result = "unknown"
)

// retried is a minigroup and what has become of its retry: what `ops retry` prints of one.
type retried struct {
	ClassID  uuid.UUID `json:"class_id"`
	Audience string    `json:"audience"`
	Scope    string    `json:"scope"`
	Result   result    `json:"result"`
	// Reason says why, unless it is ready or going; Detail says so in words.
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// outcomeOf tells what an attempt to retry a minigroup has come to.
func outcomeOf(m minigroup.Minigroup, outcome minigroup.Outcome, err error) retried {
	r := retried{ClassID: m.ClassID(), Audience: m.Audience, Scope: m.Scope, Result: isReady}
	var known *minigroup.Error
	switch {
	case err == nil && outcome == minigroup.OutcomeAccepted:
		r.Result = stillGoing
	case err == nil:
	case !errors.As(err, &known):
		r.Result, r.Reason, r.Detail = unknown, string(minigroup.ServiceUnavailable), err.Error()
	default:
		r.Result, r.Detail = failedAgain, known.Detail
		r.Reason = failureShown{Reason: known.Kind, Upstream: known.Upstream, UpstreamType: known.UpstreamType}.words()
		switch known.Kind {
		case minigroup.RetryNotPossible, minigroup.OperationInProgress, minigroup.AlreadyEstablished:
			r.Result = skipped
		case minigroup.ServiceUnavailable:
			r.Result = unknown
		}
	}
	return r
}

func (a *app) retryOne(ctx context.Context, args []string, wait time.Duration) error {
	id, err := nameOf(args)
	if err != nil {
		return err
	}
	m, err := a.store.ByID(ctx, id)
	if err != nil {
		return err
	}
	if err := a.reachTemporal(ctx); err != nil {
		return err
	}
	_, outcome, err := a.starter().Retry(ctx, m, wait)
	r := outcomeOf(m, outcome, err)
	if err := a.print(r, func(t *table) {
		t.row("CLASS", "AUDIENCE", "SCOPE", "RESULT", "REASON", "DETAIL")
		t.row(r.ClassID, r.Audience, r.Scope, r.Result, r.Reason, r.Detail)
	}); err != nil {
		return err
	}
	switch r.Result {
	case isReady:
		return nil
	case stillGoing:
		a.tell("It goes on without this program: ops show %s", r.ClassID)
		return nil
	default:
		return fmt.Errorf("%s: it was not retried, or not with success", r.Result)
	}
}
