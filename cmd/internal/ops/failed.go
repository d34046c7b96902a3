package ops

import (
	"context"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"minigroups/minigroup"
)

// failedReport is what `ops failed` prints, and `ops retry --all` without --yes.
type failedReport struct {
	Failed []failedMinigroup `json:"failed"`
	// Total counts all that match, including those beyond the limit.
	Total int `json:"total"`
}

type failedMinigroup struct {
	ClassID  uuid.UUID `json:"class_id"`
	Audience string    `json:"audience"`
	Scope    string    `json:"scope"`
	failureInfo
}

func (a *app) failed() *cobra.Command {
	var f filterFlags
	cmd := &cobra.Command{
		Use: "failed", Args: cobra.NoArgs,
		Short: "List failed minigroups and why they failed, the latest first",
		RunE: a.connected(func(ctx context.Context, _ []string) error {
			if err := f.resolve(); err != nil {
				return err
			}
			report, err := a.listFailed(ctx, f.filter, int(f.limit))
			if err != nil {
				return err
			}
			return a.print(report, report.writeTable)
		}),
	}
	f.register(cmd.Flags(), 100, "list at most this many")
	return cmd
}

// listFailed reads the failed minigroups that match, at most limit of them.
func (a *app) listFailed(ctx context.Context, filter minigroup.FailedFilter, limit int) (failedReport, error) {
	report := failedReport{Failed: []failedMinigroup{}}
	var err error
	if report.Total, err = a.store.CountFailed(ctx, filter); err != nil {
		return report, err
	}
	list, err := a.store.FailedMinigroups(ctx, filter, nil, limit)
	for _, m := range list {
		report.Failed = append(report.Failed, failedMinigroup{
			ClassID: m.ClassID, Audience: m.Audience, Scope: m.Scope, failureInfo: *newFailureInfo(&m.Failure),
		})
	}
	return report, err
}

func (r failedReport) writeTable(t *table) {
	if r.Total == 0 {
		t.line("No failed minigroups.")
		return
	}
	t.row("CLASS", "AUDIENCE", "SCOPE", "FAILED AT", "REASON", "UPSTREAM", "UPSTREAM TYPE", "DETAIL")
	for _, f := range r.Failed {
		t.row(f.ClassID, f.Audience, f.Scope, formatTime(f.FailedAt), f.Reason, f.Upstream, f.UpstreamType, f.Detail)
	}
	if len(r.Failed) < r.Total {
		t.line("Showing %d of %d; --limit shows more.", len(r.Failed), r.Total)
	}
}
