package ops

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// outboxReport is what `ops outbox` prints.
type outboxReport struct {
	Events []waitingEvent `json:"events"`
	// More is true if there are more than the limit.
	More bool `json:"more"`
	// Discarded is true once these events are discarded.
	Discarded bool `json:"discarded"`
}

// waitingEvent is an event that the broker has not acknowledged.
type waitingEvent struct {
	ID       int64           `json:"id"`
	Audience string          `json:"audience"`
	Label    string          `json:"label"`
	Payload  json.RawMessage `json:"payload"`
	Since    time.Time       `json:"since"`
}

func (a *app) outbox() *cobra.Command {
	var yes bool
	limit := countFlag(100)
	var by requesterFlags
	cmd := &cobra.Command{
		Use:   "outbox [ID…]",
		Short: "List the events that wait to be published, and discard some of them",
		Long: `Without ids: lists the events that the broker has not acknowledged, the oldest first.

With ids and --yes: discards these events. Their subscribers do not receive them. Use it for events that the broker
refuses permanently.`,
		RunE: a.connected(func(ctx context.Context, args []string) error {
			ids, err := eventIDs(args)
			if err != nil {
				return err
			}
			report, err := a.listOutbox(ctx, ids, int(limit))
			if err == nil && yes && len(ids) > 0 {
				report.Discarded = true
				err = a.store.DiscardEvents(ctx, ids, a.requester(by))
			}
			if err != nil {
				return err
			}
			return a.print(report, report.writeTable)
		}),
	}
	yesFlag(cmd, &yes, "the events")
	cmd.Flags().Var(&limit, "limit", "without ids: list at most this many, the oldest first")
	return interfering(cmd, &by)
}

func eventIDs(args []string) (ids []int64, err error) {
	for _, arg := range args {
		id, err := strconv.ParseInt(arg, 10, 64)
		if err != nil {
			return nil, &usageError{fmt.Sprintf("%q is not the id of an event", arg)}
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// listOutbox lists the events with these ids, or all up to the limit. It fails if one of the ids is not there.
func (a *app) listOutbox(ctx context.Context, ids []int64, limit int) (outboxReport, error) {
	waiting, err := a.store.WaitingEvents(ctx, ids, limit+1)
	report := outboxReport{Events: []waitingEvent{}, More: len(ids) == 0 && len(waiting) > limit}
	for i, e := range waiting {
		if len(ids) > 0 || i < limit {
			report.Events = append(report.Events, waitingEvent{
				ID: e.ID, Audience: e.Audience, Label: e.Label, Payload: e.Payload, Since: e.WrittenAt.UTC(),
			})
		}
	}
	for _, id := range ids {
		known := slices.ContainsFunc(report.Events, func(e waitingEvent) bool { return e.ID == id })
		if err == nil && !known {
			err = fmt.Errorf("there is no event %d; to list those that wait: ops outbox", id)
		}
	}
	return report, err
}

func (r outboxReport) writeTable(t *table) {
	if len(r.Events) == 0 {
		t.line("No event waits.")
		return
	}
	t.row("ID", "AUDIENCE", "LABEL", "SINCE", "PAYLOAD")
	for _, e := range r.Events {
		t.row(e.ID, e.Audience, e.Label, formatTime(e.Since), string(e.Payload))
	}
	switch {
	case r.More:
		t.line("There are more; --limit shows them.")
	case r.Discarded:
		t.line("They are discarded: nothing publishes them any more.")
	}
}
