package workflows

import (
	"context"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"minigroups/minigroup"
	"minigroups/stored"
)

// Update changes or recreates a minigroup and waits for it until the limit, as Create does. current is the minigroup as
// the caller has read it. Errors besides those of Create are NotReady and, unless the change recreates the minigroup,
// Closed.
func (s *Starter) Update(
	ctx context.Context, current minigroup.Minigroup, change minigroup.Change, limit time.Duration,
) (minigroup.Minigroup, minigroup.Outcome, error) {
	if err := current.RequireReady(time.Now().Unix()); err != nil {
		return current, 0, err
	}
	if !current.ClosedAt.IsZero() && change.Recreate == nil {
		return current, 0, minigroup.Errorf(minigroup.Closed, "the minigroup is closed and cannot be changed any more")
	}
	if !current.ErasedAt.IsZero() {
		return current, 0, minigroup.Errorf(minigroup.Closed, "the personal data of the minigroup was erased")
	}
	waitUntil := time.Now().Add(limit)
	startCtx, cancel := s.startContext(ctx, limit)
	defer cancel()
	notifications, stop := s.notifier.subscribe(current.ID)
	defer stop()
	id := uuid.New()
	in := UpdateInput{UpdateID: id, ClassID: current.ID, Change: stored.NewChange(change), MaxAttempts: s.maxAttempts}
	request := start{
		class: current.ID, audience: current.Audience, options: s.updateOptions(current, change, id),
		workflow: UpdateMinigroup, input: in,
	}
	if change.Recreate != nil {
		request.workflow, request.input = RecreateMinigroup, RecreateInput{UpdateInput: in}
	}
	run, joined, end, err := s.startOrJoin(startCtx, request)
	if err != nil {
		return current, 0, err
	}
	defer end()
	if joined != nil {
		id = joined.update
	}
	row := updateRow{store: s.store, class: current.ID, id: id, change: change}
	return s.await(ctx, waiter{run: run, notifications: notifications, row: row}, time.Until(waitUntil))
}

func operationOf(c minigroup.Change) string {
	if c.Recreate != nil {
		return operationRecreate
	}
	return operationUpdate
}

func (s *Starter) updateOptions(m minigroup.Minigroup, c minigroup.Change, id uuid.UUID) client.StartWorkflowOptions {
	o := s.minigroupOptions(m.ID, m.Draft, operationOf(c), c.Fingerprint(), stageUpdating)
	o.StaticSummary, o.StaticDetails = summary("Update %s for %s", m.Scope, m.Audience), updatePurpose(m, c)
	switch {
	case c.Recreate != nil:
		o.StaticSummary = summary("Recreate %s for %s", m.Scope, m.Audience)
	case c.Repair:
		o.StaticSummary = summary("Repair %s for %s", m.Scope, m.Audience)
	}
	o.Memo[memoUpdate] = id
	return o
}

// updateRow is the row of an update or a recreate.
type updateRow struct {
	store     Store
	class, id uuid.UUID
	change    minigroup.Change
}

func (u updateRow) succeeded(ctx context.Context, _ *minigroup.Minigroup) (minigroup.Minigroup, bool) {
	rec, err := u.store.UpdateRecord(ctx, u.id)
	if err != nil || rec.State != minigroup.UpdateDone {
		return minigroup.Minigroup{}, false
	}
	m, err := u.store.ByID(ctx, u.class)
	return m, err == nil
}

func (u updateRow) accept(ctx context.Context, claim minigroup.Claim) error {
	return u.store.AcceptUpdate(ctx, claim, u.class, u.id, u.change)
}

func (u updateRow) result(ctx context.Context, _ string, ended bool) (minigroup.Minigroup, minigroup.Outcome, error) {
	rec, err := u.store.UpdateRecord(ctx, u.id)
	if err != nil && !isUnknown(err) {
		return minigroup.Minigroup{}, 0, unavailable("the database", err)
	}
	switch {
	case err == nil && rec.State == minigroup.UpdateFailed:
		return minigroup.Minigroup{}, 0, rec.Failure.AsError()
	case ended && (err != nil || rec.State != minigroup.UpdateDone):
		return minigroup.Minigroup{}, 0, endedFromOutside()
	}
	m, err := u.store.ByID(ctx, u.class)
	if err != nil {
		return m, 0, unavailable("the database", err)
	}
	if rec.State == minigroup.UpdateDone {
		return m, minigroup.OutcomeDone, nil
	}
	return m, minigroup.OutcomeAccepted, nil
}
