package workflows

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"minigroups/minigroup"
)

// cancelTemporal has an open run that ends some time after its cancel. It records the cancels.
type cancelTemporal struct {
	*openRunTemporal
	takes   time.Duration
	err     error
	cancels []string
	// describeErr is returned instead of descriptions after the first ones, whose number is answers.
	describeErr        error
	described, answers int
}

func (f *cancelTemporal) CancelWorkflow(_ context.Context, _, runID string) error {
	f.cancels = append(f.cancels, runID)
	if f.err != nil {
		close(f.closed)
		return f.err
	}
	if len(f.cancels) == 1 {
		time.AfterFunc(f.takes, func() { close(f.closed) })
	}
	return nil
}

func (f *cancelTemporal) DescribeWorkflowExecution(
	ctx context.Context, id, runID string,
) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if f.described++; f.describeErr != nil && f.described > f.answers {
		return nil, f.describeErr
	}
	if f.isClosed() {
		return nil, serviceerror.NewNotFound("no open run")
	}
	return f.openRunTemporal.DescribeWorkflowExecution(ctx, id, runID)
}

func (f *cancelTemporal) GetWorkflow(context.Context, string, string) client.WorkflowRun {
	return namedRun{id: "run-1", closed: f.closed}
}

// cancelRows records cancels.
type cancelRows struct {
	Store
	temporal *cancelTemporal
	err      error
	readErr  error
	recorded []minigroup.Requester
}

func (r *cancelRows) RecordCancel(_ context.Context, _ uuid.UUID, run string, by minigroup.Requester) error {
	if len(r.temporal.cancels) > len(r.recorded) || run != "run-1" {
		return errors.New("it was cancelled before it was recorded")
	}
	r.recorded = append(r.recorded, by)
	return r.err
}

func (r *cancelRows) Read(context.Context, minigroup.Key) (minigroup.Minigroup, error) {
	m := minigroup.Minigroup{State: minigroup.Undoing}
	if r.temporal.isClosed() {
		m.State = minigroup.Failed
	}
	return m, r.readErr
}

func TestCancel(t *testing.T) {
	by := minigroup.Requester{Operator: "ada", Reason: "why"}
	type world struct {
		*Starter
		temporal *cancelTemporal
		rows     *cancelRows
	}
	run := func(name string, takes time.Duration, test func(t *testing.T, w world)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &cancelTemporal{takes: takes, openRunTemporal: &openRunTemporal{
					closed: make(chan struct{}), memo: map[string]any{memoOperation: operationCreate},
				}}
				rows := &cancelRows{temporal: f}
				test(t, world{NewStarter(f, rows, "queue", time.Hour), f, rows})
			})
		})
	}
	cancel := func(t *testing.T, w world) minigroup.Cancellation {
		t.Helper()
		c, err := w.Cancel(t.Context(), minigroup.Minigroup{State: minigroup.Creating}, by, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	run("waits for the end of the run", 3*time.Second, func(t *testing.T, w world) {
		began := time.Now()
		want := minigroup.Cancellation{
			Minigroup: minigroup.Minigroup{State: minigroup.Failed}, Run: "run-1", Operation: operationCreate, Ended: true,
		}
		if c := cancel(t, w); !reflect.DeepEqual(c, want) || !c.Decided() || time.Since(began) != 3*time.Second {
			t.Errorf("got %+v after %s", c, time.Since(began))
		}
		if !reflect.DeepEqual(w.rows.recorded, []minigroup.Requester{by}) {
			t.Errorf("recorded are %+v", w.rows.recorded)
		}
		if c := cancel(t, w); c.Run != "" || !c.Ended || len(w.temporal.cancels) != 1 {
			t.Errorf("without a run: %+v, %d cancels", c, len(w.temporal.cancels))
		}
	})
	run("a run that takes longer goes on", time.Minute, func(t *testing.T, w world) {
		for range 2 {
			if c := cancel(t, w); c.Ended || c.Decided() || c.Minigroup.State != minigroup.Undoing {
				t.Errorf("got %+v", c)
			}
		}
		time.Sleep(time.Minute) // the run ends
	})
	run("a process that drains waits no longer", time.Minute, func(t *testing.T, w world) {
		time.AfterFunc(time.Second, w.Drain)
		began := time.Now()
		if c := cancel(t, w); c.Ended || time.Since(began) != time.Second {
			t.Errorf("got %+v after %s", c, time.Since(began))
		}
		time.Sleep(time.Minute) // the run ends
	})
	run("nothing is cancelled that is not recorded", 0, func(t *testing.T, w world) {
		w.rows.err = errors.New("away")
		_, err := w.Cancel(t.Context(), minigroup.Minigroup{}, by, 0)
		var public *minigroup.Error
		if !errors.As(err, &public) || public.Kind != minigroup.ServiceUnavailable || len(w.temporal.cancels) != 0 {
			t.Errorf("got %v, cancelled %v", err, w.temporal.cancels)
		}
	})
	run("a run that has just ended is no error", 0, func(t *testing.T, w world) {
		w.temporal.err = serviceerror.NewNotFound("already completed")
		if c := cancel(t, w); c.Run != "run-1" || !c.Decided() {
			t.Errorf("got %+v", c)
		}
	})
	refuses := func(t *testing.T, w world, detail string) {
		t.Helper()
		_, err := w.Cancel(t.Context(), minigroup.Minigroup{State: minigroup.Creating}, by, 10*time.Second)
		var public *minigroup.Error
		if !errors.As(err, &public) || public.Kind != minigroup.ServiceUnavailable ||
			!strings.HasPrefix(public.Detail, detail) {
			t.Errorf("got %v, want %q", err, detail)
		}
	}
	run("nothing is cancelled while Temporal is away", 0, func(t *testing.T, w world) {
		w.temporal.describeErr = serviceerror.NewUnavailable("connection refused")
		refuses(t, w, "Temporal is out of reach")
		if len(w.temporal.cancels) != 0 || len(w.rows.recorded) != 0 {
			t.Errorf("cancelled %v, recorded %v", w.temporal.cancels, w.rows.recorded)
		}
	})
	run("a cancel that Temporal does not answer is an error", 0, func(t *testing.T, w world) {
		w.temporal.err = serviceerror.NewUnavailable("connection refused")
		refuses(t, w, "Temporal is out of reach")
	})
	run("a run has not ended if Temporal does not say so", 0, func(t *testing.T, w world) {
		w.temporal.describeErr, w.temporal.answers = errors.New("away"), 1
		if c := cancel(t, w); c.Ended || c.Run != "run-1" {
			t.Errorf("got %+v", c)
		}
	})
	run("a create that has no row yet is returned as it was", 0, func(t *testing.T, w world) {
		w.rows.readErr = minigroup.Errorf(minigroup.ClassNotFound, "none")
		if c := cancel(t, w); !c.Ended || c.Minigroup.State != minigroup.Creating {
			t.Errorf("got %+v", c)
		}
	})
	run("a row that cannot be read afterwards is an error", 0, func(t *testing.T, w world) {
		w.rows.readErr = errors.New("connection refused")
		refuses(t, w, "the database is unavailable")
	})
}
