package ops

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"minigroups/minigroup"
	"minigroups/workflows"
)

// releaseReport is what `ops release` prints.
type releaseReport struct {
	// Released are the rooms and reservations that count as closed and released now; Pending those that do not.
	Released []pendingRelease `json:"released"`
	Pending  []pendingRelease `json:"pending"`
	// More is true if more are pending than the limit.
	More bool `json:"more"`
}

// pendingRelease is a room that must be closed, or a reservation whose slots are to be released.
type pendingRelease struct {
	Service  string    `json:"service"`
	Gateway  string    `json:"gateway,omitempty"`
	ID       uuid.UUID `json:"id"`
	ClassID  uuid.UUID `json:"class_id"`
	Audience string    `json:"audience,omitempty"`
	Scope    string    `json:"scope,omitempty"`
	Since    time.Time `json:"since,omitzero"`
}

func (a *app) release() *cobra.Command {
	var yes bool
	var olderThan time.Duration
	limit := countFlag(100)
	var by requesterFlags
	cmd := &cobra.Command{
		Use:   "release [ID…]",
		Short: "List what cannot be closed or released, and let it count as closed or released",
		Long: `Without ids: lists the rooms that must be closed and the reservations whose slots are to be released, which
wait for event, conference or a gateway.

With the ids of rooms or reservations and --yes: lets them count as closed and released. Use it when a service does not
allow that any more, or is gone permanently. A room may stay open: close it in its service. The slots are free at once;
if the gateway comes back, the sweeper removes the room.`,
		RunE: a.connected(func(ctx context.Context, args []string) error {
			report := releaseReport{Released: []pendingRelease{}, Pending: []pendingRelease{}}
			var err error
			if len(args) == 0 {
				err = a.addPending(ctx, &report, olderThan, int(limit))
			} else {
				err = a.releaseEach(ctx, &report, args, yes, by)
			}
			if err != nil {
				return err
			}
			return a.print(report, report.writeTable)
		}),
	}
	yesFlag(cmd, &yes, "what would be released")
	cmd.Flags().DurationVar(&olderThan, "older-than", 2*time.Minute,
		"without ids: only what has waited for longer than this")
	cmd.Flags().Var(&limit, "limit", "without ids: list at most this many, the longest-waiting first")
	return interfering(cmd, &by)
}

func (a *app) addPending(ctx context.Context, report *releaseReport, olderThan time.Duration, limit int) error {
	pending, err := a.store.PendingReleases(ctx, olderThan, limit+1)
	report.More = len(pending) > limit
	for _, p := range pending[:min(limit, len(pending))] {
		report.Pending = append(report.Pending, newPendingRelease(p))
	}
	return err
}

func newPendingRelease(p minigroup.PendingRelease) pendingRelease {
	return pendingRelease{
		Service: p.Service, Gateway: p.Gateway, ID: p.ID, ClassID: p.ClassID, Audience: p.Audience, Scope: p.Scope,
		Since: p.Since.UTC(),
	}
}

// releaseEach releases rooms and reservations, if yes is set. It releases none if one of the ids is not pending.
func (a *app) releaseEach(
	ctx context.Context, report *releaseReport, args []string, yes bool, by requesterFlags,
) error {
	var pending []minigroup.PendingRelease
	for _, arg := range args {
		id, err := uuid.Parse(arg)
		if err != nil {
			return &usageError{fmt.Sprintf("%q is not the id of a room or a reservation", arg)}
		}
		p, ok, err := a.store.PendingRelease(ctx, id)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%s is neither a room that must be closed nor a reservation that is to be released; "+
				"to list those: ops release", id)
		}
		pending = append(pending, p)
	}
	if !yes {
		for _, p := range pending {
			report.Pending = append(report.Pending, newPendingRelease(p))
		}
		return nil
	}
	requester := a.requester(by)
	for _, p := range pending {
		if err := a.releaseOne(ctx, p, requester); err != nil {
			return err
		}
		report.Released = append(report.Released, newPendingRelease(p))
	}
	return nil
}

// releaseOne lets a room or a reservation count as closed or released, and hurries the runs that close the room.
func (a *app) releaseOne(ctx context.Context, p minigroup.PendingRelease, by minigroup.Requester) error {
	if err := a.store.ForceRelease(ctx, p, by); err != nil || p.Gateway != "" {
		return err
	}
	m, err := a.store.ByID(ctx, p.ClassID)
	if err != nil {
		return err
	}
	for _, id := range []string{
		workflows.RoomWorkflowID(minigroup.RoomKind(p.Service), p.ID), workflows.WorkflowID(m.Audience, m.Scope),
	} {
		_ = a.hurry(ctx, id, "", "CloseRoomIfPresent", time.Second)
	}
	return nil
}

func (r releaseReport) writeTable(t *table) {
	write := func(heading string, list []pendingRelease) {
		if len(list) == 0 {
			return
		}
		t.row(heading, "GATEWAY", "ID", "CLASS", "AUDIENCE", "SCOPE", "SINCE")
		for _, p := range list {
			t.row(p.Service, p.Gateway, p.ID, p.ClassID, p.Audience, p.Scope, formatTime(p.Since))
		}
	}
	write("PENDING AT", r.Pending)
	write("RELEASED AT", r.Released)
	if len(r.Pending)+len(r.Released) == 0 {
		t.line("Nothing is pending.")
	}
	if r.More {
		t.line("There are more; --limit shows them.")
	}
	for _, p := range r.Released {
		if p.Gateway != "" {
			t.line("The slots of %s are free. If %s comes back, the sweeper removes the room.", p.ID, p.Gateway)
		} else {
			t.line("Room %s may still be open in %s, and nothing closes it any more: close it there.", p.ID, p.Service)
		}
	}
}
