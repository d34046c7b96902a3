package workflows

import (
	"context"
	"time"

	"go.temporal.io/sdk/client"

	"minigroups/minigroup"
	"minigroups/stored"
)

// Create creates the minigroup of a request and waits for it until the limit. It returns the minigroup and whether it
// is done, existed before, or is accepted and still in progress. While an equal request is in progress, it joins its
// run. The start of the run may take as long as the limit, and backendTimeout if that is longer.
//
// Errors are *minigroup.Error: the failure of the saga; AlreadyEstablished when another request has created the
// minigroup; OperationInProgress while another operation is in progress, such as the create of another draft, or while
// a failed run has not closed yet; ServiceUnavailable, or ServiceMisconfigured if Temporal refuses, when a run may or
// may not have been started, in which case the same request joins it.
func (s *Starter) Create(
	ctx context.Context, r minigroup.CreateRequest, limit time.Duration,
) (minigroup.Minigroup, minigroup.Outcome, error) {
	waitUntil := time.Now().Add(limit)
	startCtx, cancel := s.startContext(ctx, limit)
	defer cancel()
	m, err := s.read(startCtx, minigroup.ByScope(r.Audience, r.Scope))
	switch {
	case err == nil && m.State == minigroup.Ready:
		return existing(m, r)
	case err == nil:
		r = r.For(m)
	case !isUnknown(err):
		return m, 0, unavailable("the database", err)
	}
	notifications, stop := s.notifier.subscribe(r.ID)
	defer stop()
	run, _, end, err := s.startOrJoin(startCtx, s.createStart(r))
	if err != nil {
		return m, 0, err
	}
	defer end()
	return s.await(ctx, waiter{run: run, notifications: notifications, row: createRow{s.store, r}}, time.Until(waitUntil))
}

// read reads a minigroup within backendTimeout.
func (s *Starter) read(ctx context.Context, key minigroup.Key) (minigroup.Minigroup, error) {
	ctx, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	return s.store.Read(ctx, key)
}

func (s *Starter) createStart(r minigroup.CreateRequest) start {
	return start{
		class: r.ID, audience: r.Audience, options: s.createOptions(r), workflow: CreateMinigroup,
		input: CreateInput{Request: stored.NewCreateRequest(r), MaxAttempts: s.maxAttempts},
	}
}

func (s *Starter) createOptions(r minigroup.CreateRequest) client.StartWorkflowOptions {
	o := s.minigroupOptions(r.ID, r.Draft, operationCreate, r.Fingerprint, stageCreating)
	o.StaticSummary, o.StaticDetails = summary("Create %s for %s", r.Scope, r.Audience), createPurpose(r)
	return o
}

// createRow is the row of a create.
type createRow struct {
	store   Store
	request minigroup.CreateRequest
}

func (c createRow) succeeded(ctx context.Context, established *minigroup.Minigroup) (minigroup.Minigroup, bool) {
	if established != nil {
		return *established, c.isReady(*established)
	}
	m, err := c.store.ByID(ctx, c.request.ID)
	return m, err == nil && c.isReady(m)
}

func (c createRow) isReady(m minigroup.Minigroup) bool {
	return m.State == minigroup.Ready && m.Fingerprint == c.request.Fingerprint
}

func (c createRow) accept(ctx context.Context, claim minigroup.Claim) error {
	return c.store.AcceptCreate(ctx, claim, c.request)
}

func (c createRow) result(ctx context.Context, run string, ended bool) (minigroup.Minigroup, minigroup.Outcome, error) {
	m, err := c.store.ByID(ctx, c.request.ID)
	switch {
	case isUnknown(err):
		return m, 0, endedFromOutside()
	case err != nil:
		return m, 0, unavailable("the database", err)
	case c.isReady(m):
		return m, minigroup.OutcomeDone, nil
	case m.State == minigroup.Ready:
		return existing(m, c.request)
	case m.State == minigroup.Failed && m.Run == run:
		return m, 0, m.Failure.AsError()
	case ended, m.State == minigroup.Failed: // a failure of another run says nothing about this one, which has ended
		return m, 0, endedFromOutside()
	default:
		return m, minigroup.OutcomeAccepted, nil
	}
}

// existing answers a create with the minigroup that is ready.
func existing(m minigroup.Minigroup, r minigroup.CreateRequest) (minigroup.Minigroup, minigroup.Outcome, error) {
	if m.Fingerprint == r.Fingerprint {
		return m, minigroup.OutcomeExisting, nil
	}
	return m, 0, minigroup.Errorf(minigroup.AlreadyEstablished, "there is another minigroup of this audience and scope")
}
