package ops

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"minigroups/minigroup"
)

// lostReport is what `ops lost` prints.
type lostReport struct {
	Lost []lostAttempt `json:"lost"`
	// More is true if there are more than the limit.
	More bool `json:"more"`
}

// lostAttempt is a request to create a room that was never answered. If the service created the room, it did so
// between CreatedAfter and CreatedBefore.
type lostAttempt struct {
	Service       minigroup.RoomKind `json:"service"`
	ClassID       uuid.UUID          `json:"class_id"`
	Audience      string             `json:"audience"`
	Scope         string             `json:"scope"`
	CreatedAfter  time.Time          `json:"created_after"`
	CreatedBefore time.Time          `json:"created_before"`
	// Resolution is open, closed or never_seen.
	Resolution string `json:"resolution"`
}

func (a *app) lost() *cobra.Command {
	var all bool
	limit := countFlag(100)
	cmd := &cobra.Command{
		Use: "lost", Args: cobra.NoArgs,
		Short: "List requests to create a room that were never answered; an unknown room may exist for each",
		RunE: a.connected(func(ctx context.Context, _ []string) error {
			list, err := a.store.LostAttempts(ctx, all, int(limit)+1)
			if err != nil {
				return err
			}
			report := lostReport{Lost: []lostAttempt{}, More: len(list) > int(limit)}
			for _, l := range list[:min(int(limit), len(list))] {
				resolution := l.Resolution
				if resolution == "" {
					resolution = "open"
				}
				report.Lost = append(report.Lost, lostAttempt{
					Service: l.Kind, ClassID: l.ClassID, Audience: l.Audience, Scope: l.Scope,
					CreatedAfter: l.CreatedAfter.UTC(), CreatedBefore: l.CreatedBefore.UTC(), Resolution: resolution,
				})
			}
			return a.print(report, report.writeTable)
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "include attempts whose room was found and closed")
	cmd.Flags().Var(&limit, "limit", "list at most this many, the latest first")
	return cmd
}

func (r lostReport) writeTable(t *table) {
	if len(r.Lost) == 0 {
		t.line("No lost attempts.")
		return
	}
	t.row("SERVICE", "CLASS", "AUDIENCE", "SCOPE", "CREATED AFTER", "CREATED BEFORE", "RESOLUTION")
	for _, l := range r.Lost {
		t.row(l.Service, l.ClassID, l.Audience, l.Scope, formatTime(l.CreatedAfter), formatTime(l.CreatedBefore),
			l.Resolution)
	}
	if r.More {
		t.line("There are more; --limit shows them.")
	}
}
