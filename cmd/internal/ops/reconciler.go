package ops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/workflows"
)

// reconcileAtOnce bounds the requests to Temporal and to the database that a reconciliation has in flight.
const reconcileAtOnce = 8

// reconciler compares the ledger with the runs of Temporal.
type reconciler struct {
	store     *storage.Store
	starter   *workflows.Starter
	temporal  client.Client
	decoder   converter.DataConverter
	namespace string
}

// runCounts says how many runs were read, and how many of them have still to begin.
type runCounts struct {
	read, waiting int
}

// plan returns what must be done for each class, those without difference left out, and counts the runs.
func (r reconciler) plan(ctx context.Context, since time.Time, p *progress) ([]plan, runCounts, error) {
	infos, err := workflows.RunsSince(ctx, r.temporal, r.namespace, since)
	if err != nil {
		return nil, runCounts{}, err
	}
	p.setTotal(len(infos))
	defer p.end()
	traces := make([]workflows.Trace, len(infos))
	err = each(ctx, len(infos), p, "runs are read", func(ctx context.Context, i int) (err error) {
		traces[i], err = workflows.ReadTrace(ctx, r.temporal, r.decoder, infos[i])
		return err
	})
	if err != nil {
		return nil, runCounts{}, err
	}
	counts := runCounts{read: len(infos)}
	byClass := map[uuid.UUID][]workflows.Trace{}
	for _, t := range traces {
		byClass[t.ClassID] = append(byClass[t.ClassID], t)
		if t.Open && !t.Begun {
			counts.waiting++
		}
	}
	classes := slices.SortedFunc(maps.Keys(byClass), func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	plans := make([]plan, len(classes))
	quick := newProgress(io.Discard, len(classes)) // unlike the reading of the runs
	err = each(ctx, len(classes), quick, "classes are compared", func(ctx context.Context, i int) error {
		runs := byClass[classes[i]]
		k, err := r.known(ctx, classes[i], runs)
		if err == nil {
			plans[i] = planClass(runs, k)
		}
		return err
	})
	return slices.DeleteFunc(plans, func(p plan) bool { return p.isEmpty() }), counts, err
}

// known reads what the ledger says about a class and its runs.
func (r reconciler) known(ctx context.Context, class uuid.UUID, runs []workflows.Trace) (known, error) {
	k := known{updates: map[uuid.UUID]minigroup.UpdateState{}}
	m, err := r.store.ByID(ctx, class)
	if err == nil {
		k.row = &m
	} else if !isNotFound(err) {
		return k, err
	}
	var rooms []uuid.UUID
	for _, t := range runs {
		for _, room := range t.Rooms {
			rooms = append(rooms, room.ID)
		}
		if t.Create != nil {
			continue
		}
		u, err := r.store.UpdateRecord(ctx, t.UpdateID)
		if err == nil {
			k.updates[t.UpdateID] = u.State
		} else if !isNotFound(err) {
			return k, err
		}
	}
	k.rooms, err = r.store.KnownRooms(ctx, rooms)
	return k, err
}

func isNotFound(err error) bool {
	var known *minigroup.Error
	return errors.As(err, &known) && known.Kind == minigroup.ClassNotFound
}

// apply carries out the plans, and returns the error of each. What it has done is no part of a later plan, so it may be
// interrupted and repeated.
func (r reconciler) apply(ctx context.Context, plans []plan, p *progress) []error {
	defer p.end()
	errs := make([]error, len(plans))
	_ = each(ctx, len(plans), p, "classes are done", func(ctx context.Context, i int) error { // errs has the errors
		errs[i] = r.applyOne(ctx, &plans[i])
		return nil
	})
	if err := r.store.LookUpSoon(ctx); err != nil && len(errs) > 0 {
		errs[0] = errors.Join(errs[0], err)
	}
	return errs
}

// restored is the reason of a create that is undone because of a reconciliation.
var restored = minigroup.Failure{
	Kind:   minigroup.OperationCancelled,
	Detail: "this create had failed or was ended; the database was set back to an earlier time, and it was undone again",
}

func (r reconciler) applyOne(ctx context.Context, p *plan) error {
	if p.impossible != "" {
		return nil
	}
	switch {
	case p.undo != nil:
		claim := minigroup.Claim{Run: p.undo.Run}
		if _, err := r.store.BeginUndo(ctx, claim, p.classID, p.undo.Create, restored); err != nil {
			return err
		}
	case p.accept != "":
		if err := r.store.AcceptCreate(ctx, minigroup.Claim{Run: p.accept}, *p.create); err != nil {
			return err
		}
	}
	for _, room := range p.rooms {
		if _, err := r.store.RecordFoundRoom(ctx, room); err != nil {
			return err
		}
	}
	return r.start(ctx, p)
}

// start starts the run that a plan needs, in place of the open run that counts on what the ledger has lost.
func (r reconciler) start(ctx context.Context, p *plan) (err error) {
	started, replaces := true, len(p.terminate) > 0
	switch m := (minigroup.Minigroup{ID: p.classID, Draft: minigroup.Draft{Audience: p.audience, Scope: p.scope}}); {
	case p.create != nil:
		started, err = r.starter.RepeatCreate(ctx, *p.create, replaces)
	case p.recreate != nil:
		started, err = r.starter.RepeatChange(ctx, m, p.recreate.UpdateID, p.recreate.Change, replaces)
	case p.update != nil:
		started, err = r.starter.RepeatChange(ctx, m, p.update.UpdateID, p.update.Change, replaces)
	}
	if err == nil && !started {
		err = fmt.Errorf("another run of the minigroup is open: run it again when that has ended")
	}
	return err
}

// each calls do for 0 to n-1, a few at a time, until one fails, and shows progress.
func each(ctx context.Context, n int, p *progress, what string, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(reconcileAtOnce)
	var mu sync.Mutex
	finished := 0
	for i := range n {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := do(ctx, i); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			finished++
			p.show(finished, what)
			return nil
		})
	}
	return group.Wait()
}
