package ops

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"minigroups/cmd/internal/process"
	"minigroups/minigroup"
)

// reconcileReport is what `ops reconcile` prints.
type reconcileReport struct {
	Since time.Time `json:"since"`
	// Runs is how many runs were compared with the ledger.
	Runs int `json:"runs"`
	// Waiting is how many of them have still to begin. What they do is no difference that has to be reconciled.
	Waiting int               `json:"waiting"`
	Classes []reconciledClass `json:"classes"`
	// Done is true once all of it is done.
	Done bool `json:"done"`
}

// reconciledClass is a class whose runs have done what the ledger does not say.
type reconciledClass struct {
	ClassID  uuid.UUID `json:"class_id"`
	Audience string    `json:"audience,omitempty"`
	Scope    string    `json:"scope,omitempty"`
	// State is that of the class in the ledger; empty if the ledger does not have it.
	State minigroup.State `json:"state,omitempty"`
	// Does is what is done about it: create, recreate, update, undo, close, or nothing if it cannot be brought back.
	Does string `json:"does"`
	// Keeps and Closes are rooms that the ledger does not have: those that the class is to have, and those to close.
	Keeps  []foundRoom `json:"keeps"`
	Closes []foundRoom `json:"closes"`
	// Again says that something is left for another time.
	Again  bool   `json:"again,omitempty"`
	Detail string `json:"detail,omitempty"`
	Error  string `json:"error,omitempty"`
}

type foundRoom struct {
	Service minigroup.RoomKind `json:"service"`
	ID      uuid.UUID          `json:"id"`
}

func (a *app) reconcile() *cobra.Command {
	var yes bool
	var since timeFlag
	cmd := &cobra.Command{
		Use: "reconcile --since TIME", Args: cobra.NoArgs,
		Short: "After the database went back to an earlier time, make the ledger agree with what exists",
		Long: `Compares the ledger with the runs that Temporal has, after a restore of the database to an earlier time, or a
failover that lost transactions. For each class whose runs have done what the ledger does not say, it shows what is to
be done: classes that were created get a row and the rooms that exist, recreates and updates are repeated, and rooms
that no class is to have are closed. Without --yes, nothing is changed.

Stop all APIs and workers first. They do what this command has prepared when they are started again. docs/postgres.md
has the whole procedure.`,
		RunE: a.connected(func(ctx context.Context, _ []string) error {
			if since.at.IsZero() {
				return &usageError{"--since is required: the time to which the database went back; an earlier one does no harm"}
			}
			if err := a.checkTemporal(ctx); err != nil {
				return err
			}
			if n, err := a.store.ConnectedPrograms(ctx); err != nil {
				return err
			} else if n > 0 && yes {
				return fmt.Errorf("APIs and workers are connected to the database (%d): stop them first", n)
			}
			return a.runReconcile(ctx, since.at, yes)
		}),
	}
	cmd.Flags().Var(&since, "since", "the time to which the database went back, or a duration before now")
	yesFlag(cmd, &yes, "what would be done")
	return cmd
}

func (a *app) runReconcile(ctx context.Context, since time.Time, yes bool) error {
	codec, err := process.NewCodec(a.cfg.Temporal)
	if err != nil {
		return err
	}
	r := reconciler{
		store: a.store, starter: a.starter(), temporal: a.temporal, decoder: codec.DataConverter(),
		namespace: a.cfg.Temporal.Namespace,
	}
	plans, counts, err := r.plan(ctx, since, newProgress(a.err, 0))
	if err != nil {
		return err
	}
	report := reconcileReport{Since: since.UTC(), Runs: counts.read, Waiting: counts.waiting, Classes: []reconciledClass{}}
	for _, p := range plans {
		report.Classes = append(report.Classes, newReconciledClass(p))
	}
	if yes {
		errs := r.apply(ctx, plans, newProgress(a.err, len(plans)))
		for i, err := range errs {
			if err != nil {
				report.Classes[i].Error = err.Error()
			}
		}
		failed := slices.ContainsFunc(errs, func(err error) bool { return err != nil })
		report.Done = !failed && ctx.Err() == nil
	}
	if err := a.print(report, report.writeTable); err != nil {
		return err
	}
	if yes && !report.Done {
		return errors.New("not everything is done; run it again")
	}
	return nil
}

func newReconciledClass(p plan) reconciledClass {
	c := reconciledClass{
		ClassID: p.classID, Audience: p.audience, Scope: p.scope, Does: p.does(), Keeps: []foundRoom{}, Closes: []foundRoom{},
		State: p.state, Again: p.again, Detail: p.impossible,
	}
	for _, r := range p.rooms {
		if room := (foundRoom{r.Kind, r.ID}); r.Keep {
			c.Keeps = append(c.Keeps, room)
		} else {
			c.Closes = append(c.Closes, room)
		}
	}
	return c
}

// does names what the plan does.
func (p *plan) does() string {
	switch {
	case p.impossible != "":
		return "nothing"
	case p.undo != nil:
		return "undo"
	case p.create != nil:
		return "create"
	case p.recreate != nil:
		return "recreate"
	case p.update != nil:
		return "update"
	default:
		return "close"
	}
}

func (r reconcileReport) writeTable(t *table) {
	if len(r.Classes) == 0 {
		if r.Waiting > 0 {
			t.line("%d of the %d runs since %s have still to begin: run it again when workers have finished them.",
				r.Waiting, r.Runs, formatTime(r.Since))
			return
		}
		t.line("The ledger agrees with the %d runs since %s.", r.Runs, formatTime(r.Since))
		return
	}
	t.row("CLASS", "AUDIENCE", "SCOPE", "LEDGER", "DOES", "KEEPS", "CLOSES", "NOTE")
	for _, c := range r.Classes {
		note := strings.TrimSpace(c.Detail + " " + c.Error)
		if c.Again {
			note = strings.TrimSpace(note + " an update is left: run it again when this is done")
		}
		state := string(c.State)
		if state == "" {
			state = "none"
		}
		t.row(c.ClassID, c.Audience, c.Scope, state, c.Does, len(c.Keeps), len(c.Closes), note)
	}
	if r.Done {
		t.line("Done. Start the workers and the APIs: they finish it within two minutes.")
	} else {
		t.line("With -o json it lists the rooms. Nothing is done without --yes.")
	}
}
