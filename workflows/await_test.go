package workflows

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"minigroups/minigroup"
)

// fakeRun is a run whose end the test decides, and the client that describes it as the open one.
type fakeRun struct {
	client.Client
	client.WorkflowRun
	polled chan struct{}
	end    chan error
	open   bool
	// describeErr is returned instead of a description.
	describeErr error
}

func newFakeRun() *fakeRun {
	return &fakeRun{polled: make(chan struct{}, 1), end: make(chan error, 1), open: true}
}

func (r *fakeRun) GetID() string    { return "minigroup/example.org/math-7b" }
func (r *fakeRun) GetRunID() string { return "run-1" }

func (r *fakeRun) Get(ctx context.Context, _ any) error {
	r.polled <- struct{}{}
	select {
	case err := <-r.end:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *fakeRun) DescribeWorkflowExecution(
	context.Context, string, string,
) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if r.describeErr != nil {
		return nil, r.describeErr
	}
	status := enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	if r.open {
		status = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{RunId: r.GetRunID()}, Status: status,
	}}, nil
}

// fakeRow is a row that counts its reads.
type fakeRow struct {
	state    minigroup.State
	reads    int
	accepted bool
	// owned makes the row belong to another run.
	owned bool
	// acceptErr is returned instead of accepting.
	acceptErr error
}

var errFailed = minigroup.Errorf(minigroup.UpstreamRefused, "conference refused")

func (r *fakeRow) succeeded(_ context.Context, established *minigroup.Minigroup) (minigroup.Minigroup, bool) {
	if established != nil {
		return *established, true
	}
	r.reads++
	return minigroup.Minigroup{State: r.state}, r.state == minigroup.Ready
}

func (r *fakeRow) accept(_ context.Context, claim minigroup.Claim) error {
	if r.owned && claim.Replaces == "" {
		return &minigroup.OwnedError{Owner: "run-2"}
	}
	if r.acceptErr != nil {
		return r.acceptErr
	}
	r.accepted = true
	return nil
}

func (r *fakeRow) result(_ context.Context, _ string, ended bool) (minigroup.Minigroup, minigroup.Outcome, error) {
	r.reads++
	switch {
	case r.state == minigroup.Ready:
		return minigroup.Minigroup{State: r.state}, minigroup.OutcomeDone, nil
	case r.state == minigroup.Failed:
		return minigroup.Minigroup{}, 0, errFailed
	case ended:
		return minigroup.Minigroup{}, 0, endedFromOutside()
	default:
		return minigroup.Minigroup{State: r.state}, minigroup.OutcomeAccepted, nil
	}
}

// awaiting is a wait for a fake run.
type awaiting struct {
	t             *testing.T
	starter       *Starter
	run           *fakeRun
	row           *fakeRow
	notifications chan *minigroup.Minigroup
}

func newAwaiting(t *testing.T, pollAfter time.Duration) *awaiting {
	t.Helper()
	run := newFakeRun()
	s := NewStarter(run, nil, "queue", time.Hour)
	s.pollAfter = pollAfter
	return &awaiting{
		t: t, starter: s, run: run, row: &fakeRow{state: minigroup.Creating},
		notifications: make(chan *minigroup.Minigroup, 1),
	}
}

// answers waits until the limit and checks the answer and whether the row was accepted.
func (a *awaiting) answers(limit time.Duration, outcome minigroup.Outcome, kind minigroup.Kind, accepted bool) {
	a.t.Helper()
	w := waiter{run: a.run, notifications: a.notifications, row: a.row}
	_, got, err := a.starter.await(a.t.Context(), w, limit)
	var public *minigroup.Error
	if kind == "" && err != nil || kind != "" && (!errors.As(err, &public) || public.Kind != kind) {
		a.t.Errorf("got error %v, want kind %q", err, kind)
	}
	if got != outcome || a.row.accepted != accepted {
		a.t.Errorf("got outcome %d, accepted %t; want %d, %t", got, a.row.accepted, outcome, accepted)
	}
}

func TestAwait(t *testing.T) {
	const long, never = time.Minute, time.Hour
	t.Run("an established minigroup is returned without a read and without a poll", func(t *testing.T) {
		a := newAwaiting(t, never)
		a.notifications <- &minigroup.Minigroup{State: minigroup.Ready}
		a.answers(long, minigroup.OutcomeDone, "", false)
		if a.row.reads != 0 || len(a.run.polled) != 0 {
			t.Errorf("%d reads, %d polls", a.row.reads, len(a.run.polled))
		}
	})
	t.Run("a notification without the minigroup makes the row be read", func(t *testing.T) {
		a := newAwaiting(t, never)
		a.row.state = minigroup.Ready
		a.notifications <- nil
		a.answers(long, minigroup.OutcomeDone, "", false)
	})
	t.Run("a failure is returned when the run has ended, not when the row shows it", func(t *testing.T) {
		a := newAwaiting(t, never)
		a.row.state = minigroup.Failed
		a.notifications <- nil
		ended := false
		go func() {
			<-a.run.polled
			ended = true
			a.run.end <- nil
		}()
		a.answers(long, 0, minigroup.UpstreamRefused, false)
		if !ended {
			t.Error("the run had not ended")
		}
	})
	t.Run("without a notification the end of the run makes the row be read", func(t *testing.T) {
		a := newAwaiting(t, time.Millisecond)
		a.row.state = minigroup.Ready
		a.run.end <- nil
		a.answers(long, minigroup.OutcomeDone, "", false)
	})
	t.Run("a run that has ended undecided was ended from outside", func(t *testing.T) {
		a := newAwaiting(t, 0)
		a.run.end <- nil
		a.answers(long, 0, minigroup.ServiceUnavailable, false)
	})
	t.Run("at the limit the operation is accepted", func(t *testing.T) {
		newAwaiting(t, never).answers(20*time.Millisecond, minigroup.OutcomeAccepted, "", true)
	})
	t.Run("without a limit the operation is accepted at once", func(t *testing.T) {
		for range 20 { // a select chooses at random
			a := newAwaiting(t, never)
			a.notifications <- &minigroup.Minigroup{State: minigroup.Ready}
			a.answers(0, minigroup.OutcomeAccepted, "", true)
		}
	})
	t.Run("a process that drains accepts the operation at once", func(t *testing.T) {
		a := newAwaiting(t, never)
		a.starter.Drain()
		a.answers(long, minigroup.OutcomeAccepted, "", true)
	})
	t.Run("when Temporal cannot be polled the operation is accepted", func(t *testing.T) {
		a := newAwaiting(t, 0)
		a.run.end <- errors.New("connection refused")
		a.answers(long, minigroup.OutcomeAccepted, "", true)
	})
	t.Run("an open run takes the row over to accept the operation", func(t *testing.T) {
		a := newAwaiting(t, never)
		a.row.owned = true
		a.answers(0, minigroup.OutcomeAccepted, "", true)
	})
	t.Run("a caller learns that Temporal is out of reach when the run cannot take the row over", func(t *testing.T) {
		a := newAwaiting(t, never)
		a.row.owned, a.run.describeErr = true, serviceerror.NewUnavailable("connection refused")
		_, _, err := a.starter.await(t.Context(), waiter{run: a.run, notifications: a.notifications, row: a.row}, 0)
		var public *minigroup.Error
		if !errors.As(err, &public) || !strings.HasPrefix(public.Detail, "Temporal is out of reach") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a caller learns that the database is away when the operation cannot be accepted", func(t *testing.T) {
		a := newAwaiting(t, never)
		a.row.acceptErr = errors.New("connection refused")
		_, _, err := a.starter.await(t.Context(), waiter{run: a.run, notifications: a.notifications, row: a.row}, 0)
		var public *minigroup.Error
		if !errors.As(err, &public) || !strings.HasPrefix(public.Detail, "the database is unavailable") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a run that is not open any more accepts nothing", func(t *testing.T) {
		a := newAwaiting(t, never)
		a.row.owned, a.run.open = true, false
		a.answers(0, 0, minigroup.ServiceUnavailable, false)
	})
}
