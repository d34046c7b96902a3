package main

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"minigroups/minigroup"
)

// lostShown is what `ops lost` prints.
type lostShown struct {
	Lost []attemptLost `json:"lost"`
	// More says that there are more than were asked for.
	More bool `json:"more"`
}

type attemptLost struct {
	Service    minigroup.RoomKind `json:"service"`
	ClassID    uuid.UUID          `json:"class_id"`
	Audience   string             `json:"audience"`
	Scope      string             `json:"scope"`
	MadeAfter  time.Time          `json:"made_after"`
	MadeBefore time.Time          `json:"made_before"`
	// Resolution is open, closed or never seen.
	Resolution string `json:"resolution"`
}

func (a *app) lost() *cobra.Command {
	var all bool
	limit := count(100)
	cmd := &cobra.Command{
		Use: "lost", Args: cobra.NoArgs,
		Short: "List requests to create a room that were never answered: the room may exist, unknown to anybody",
		RunE: a.does(func(ctx context.Context, _ []string) error {
			list, err := a.store.LostAttempts(ctx, all, int(limit)+1)
			if err != nil {
				return err
			}
			shown := lostShown{Lost: []attemptLost{}, More: len(list) > int(limit)}
			for _, l := range list[:min(int(limit), len(list))] {
				resolution := l.Resolution
				if resolution == "" {
					resolution = "open"
				}
				shown.Lost = append(shown.Lost, attemptLost{l.Kind, l.ClassID, l.Audience, l.Scope, l.MadeAfter.UTC(), l.MadeBefore.UTC(), resolution})
			}
			return a.print(shown, shown.people)
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "also those whose room was found and closed")
	cmd.Flags().Var(&limit, "limit", "list no more than so many, the latest first")
	return cmd
}

func (s lostShown) people(t *table) {
	if len(s.Lost) == 0 {
		t.say("None is lost.")
		return
	}
	t.row("SERVICE", "CLASS", "AUDIENCE", "SCOPE", "MADE AFTER", "MADE BEFORE", "WHAT BECAME OF IT")
	for _, l := range s.Lost {
		t.row(l.Service, l.ClassID, l.Audience, l.Scope, moment(l.MadeAfter), moment(l.MadeBefore), l.Resolution)
	}
	if s.More {
		t.say("There are more: --limit")
	}
}
