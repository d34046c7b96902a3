package workflows

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/grpc"
)

// namespace is a Temporal with the search attributes and the schedules of one namespace.
type namespace struct {
	client.Client
	operatorservice.OperatorServiceClient
	attributes map[string]enumspb.IndexedValueType
	mu         sync.Mutex
	schedules  map[string]client.Schedule
	// listErr and scheduleErr are returned instead of the attributes and for the schedules.
	listErr, scheduleErr error
}

func (n *namespace) OperatorService() operatorservice.OperatorServiceClient { return n }
func (n *namespace) ScheduleClient() client.ScheduleClient                  { return scheduleClient{n: n} }

func (n *namespace) ListSearchAttributes(
	context.Context, *operatorservice.ListSearchAttributesRequest, ...grpc.CallOption,
) (*operatorservice.ListSearchAttributesResponse, error) {
	return &operatorservice.ListSearchAttributesResponse{CustomAttributes: n.attributes}, n.listErr
}

type scheduleClient struct {
	client.ScheduleClient
	n *namespace
}

func (s scheduleClient) Create(_ context.Context, o client.ScheduleOptions) (client.ScheduleHandle, error) {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	if _, exists := s.n.schedules[o.ID]; exists {
		return nil, temporal.ErrScheduleAlreadyRunning
	}
	s.n.schedules[o.ID] = client.Schedule{Spec: &o.Spec, Action: o.Action, State: &client.ScheduleState{}}
	return nil, s.n.scheduleErr
}

func (s scheduleClient) GetHandle(_ context.Context, id string) client.ScheduleHandle {
	return scheduleHandle{n: s.n, id: id}
}

type scheduleHandle struct {
	client.ScheduleHandle
	n  *namespace
	id string
}

func (h scheduleHandle) Describe(context.Context) (*client.ScheduleDescription, error) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	schedule, exists := h.n.schedules[h.id]
	if !exists {
		return nil, serviceerror.NewNotFound("none")
	}
	return &client.ScheduleDescription{Schedule: schedule}, h.n.scheduleErr
}

func (h scheduleHandle) Update(ctx context.Context, o client.ScheduleUpdateOptions) error {
	described, err := h.Describe(ctx)
	if err != nil {
		return err
	}
	update, err := o.DoUpdate(client.ScheduleUpdateInput{Description: *described})
	if err != nil {
		return err
	}
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	h.n.schedules[h.id] = *update.Schedule
	return nil
}

func newNamespace(t *testing.T) *namespace {
	t.Helper()
	attributes, err := compareSearchAttributes(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &namespace{attributes: attributes, schedules: map[string]client.Schedule{}}
}

func TestSchedulesAreCreatedAndUpdated(t *testing.T) {
	n := newNamespace(t)
	for _, queue := range []string{"old", "new"} {
		if err := EnsureSchedules(t.Context(), n, queue); err != nil {
			t.Fatal(err)
		}
		for id, workflow := range map[string]string{
			ScheduleClasses: "sweep_classes", ScheduleGateways: "sweep_gateways",
		} {
			action, ok := n.schedules[id].Action.(*client.ScheduleWorkflowAction)
			if !ok || action.TaskQueue != queue || stepName(action.Workflow) != workflow {
				t.Errorf("%s starts %+v", id, action)
			}
			every := []client.ScheduleIntervalSpec{{Every: time.Minute}}
			if spec := n.schedules[id].Spec; !reflect.DeepEqual(spec.Intervals, every) ||
				action.WorkflowExecutionTimeout != 2*time.Minute {
				t.Errorf("%s is at %+v, its runs end after %s", id, spec, action.WorkflowExecutionTimeout)
			}
		}
		// An operator has paused it.
		n.schedules[ScheduleClasses].State.Paused = true
	}
	if len(n.schedules) != 2 || !n.schedules[ScheduleClasses].State.Paused || n.schedules[ScheduleGateways].State.Paused {
		t.Errorf("the schedules are %v", slices.Collect(maps.Keys(n.schedules)))
	}
	n.scheduleErr = errors.New("away")
	if err := EnsureSchedules(t.Context(), n, "new"); !errors.Is(err, n.scheduleErr) {
		t.Errorf("without Temporal: %v", err)
	}
}

func TestANamespaceIsChecked(t *testing.T) {
	away := errors.New("away")
	for name, c := range map[string]struct {
		change func(*namespace)
		lacks  string // what the *NamespaceError says; empty: none
		err    error
	}{
		"complete": {change: func(*namespace) {}},
		"none": {
			change: func(n *namespace) { n.listErr = serviceerror.NewNamespaceNotFound("default") },
			lacks:  "namespace default does not exist: create it and run migrate",
		},
		"attributes cannot be listed": {change: func(n *namespace) { n.listErr = away }, err: away},
		"attributes are missing": {
			change: func(n *namespace) {
				delete(n.attributes, "MinigroupStage")
				delete(n.attributes, "MinigroupId")
			},
			lacks: "search attributes are missing: run migrate to add MinigroupId, MinigroupStage",
		},
		"a schedule is missing": {
			change: func(n *namespace) { delete(n.schedules, ScheduleGateways) },
			lacks:  "schedule minigroups/sweep-gateways is missing: run migrate",
		},
		"a schedule is paused": {
			change: func(n *namespace) { n.schedules[ScheduleClasses].State.Paused = true },
			lacks:  "schedule minigroups/sweep-classes is paused",
		},
		"schedules cannot be described": {change: func(n *namespace) { n.scheduleErr = away }, err: away},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNamespace(t)
			if err := EnsureSchedules(t.Context(), n, "queue"); err != nil {
				t.Fatal(err)
			}
			c.change(n)
			err := CheckNamespace(t.Context(), n, "default")
			var lacks *NamespaceError
			switch {
			case c.lacks != "":
				if !errors.As(err, &lacks) || lacks.Detail != c.lacks {
					t.Errorf("got %v", err)
				}
			case !errors.Is(err, c.err) || errors.As(err, &lacks):
				t.Errorf("got %v, want %v", err, c.err)
			}
		})
	}
}
