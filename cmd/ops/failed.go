package main

import (
	"context"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"minigroups/minigroup"
)

// failedShown is what `ops failed` prints, and `ops retry --all` without --yes.
type failedShown struct {
	Failed []classFailed `json:"failed"`
	// Total is how many there are, those that are not listed included.
	Total int `json:"total"`
}

type classFailed struct {
	ClassID  uuid.UUID `json:"class_id"`
	Audience string    `json:"audience"`
	Scope    string    `json:"scope"`
	failureShown
}

func (a *app) failed() *cobra.Command {
	var w which
	cmd := &cobra.Command{
		Use: "failed", Args: cobra.NoArgs,
		Short: "List the minigroups that could not be created, and why, the latest first",
		RunE: a.does(func(ctx context.Context, _ []string) error {
			if err := w.read(); err != nil {
				return err
			}
			shown, err := a.listFailed(ctx, w.filter, int(w.limit))
			if err != nil {
				return err
			}
			return a.print(shown, shown.people)
		}),
	}
	w.define(cmd.Flags(), 100, "list no more than so many")
	return cmd
}

func (a *app) listFailed(ctx context.Context, filter minigroup.FailedFilter, limit int) (failedShown, error) {
	shown := failedShown{Failed: []classFailed{}}
	var err error
	if shown.Total, err = a.store.CountFailed(ctx, filter); err != nil {
		return shown, err
	}
	list, err := a.store.FailedMinigroups(ctx, filter, nil, limit)
	for _, m := range list {
		shown.Failed = append(shown.Failed, classFailed{m.ClassID, m.Audience, m.Scope, *showFailure(&m.Failure)})
	}
	return shown, err
}

func (s failedShown) people(t *table) {
	if s.Total == 0 {
		t.say("None has failed.")
		return
	}
	t.row("CLASS", "AUDIENCE", "SCOPE", "FAILED AT", "REASON", "UPSTREAM", "ITS TYPE", "DETAIL")
	for _, f := range s.Failed {
		t.row(f.ClassID, f.Audience, f.Scope, moment(f.FailedAt), f.Reason, f.Upstream, f.UpstreamType, f.Detail)
	}
	if len(s.Failed) < s.Total {
		t.say("These are %d of %d: --limit", len(s.Failed), s.Total)
	}
}
