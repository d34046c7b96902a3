package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"minigroups/workflows"
)

// These tests check what support finds and reads in Temporal.

// queryProgress returns the progress of the latest run of the class, by its query.
func (c *class) queryProgress() (p workflows.Progress, err error) {
	c.t.Helper()
	answer, err := sut.client.QueryWorkflow(c.t.Context(), c.workflowID(), "", workflows.QueryProgress)
	if err == nil {
		err = answer.Get(&p)
	}
	return p, err
}

// currentDetails returns the current details of the latest run of the class, queried as the Temporal UI does.
func (c *class) currentDetails() string {
	c.t.Helper()
	answer, err := sut.client.QueryWorkflow(c.t.Context(), c.workflowID(), "", "__temporal_workflow_metadata")
	if err != nil {
		c.t.Fatal(err)
	}
	var metadata sdkpb.WorkflowMetadata
	if err := answer.Get(&metadata); err != nil {
		c.t.Fatal(err)
	}
	return metadata.GetCurrentDetails()
}

// awaitAttention waits until the class needs attention because of this activity, which takes two minutes.
func (c *class) awaitAttention(activity string) {
	c.t.Helper()
	c.awaitRetryOf(activity)
	within(c.t, 3*time.Minute, func() error {
		if p, err := c.queryProgress(); err != nil || !p.Attention {
			return fmt.Errorf("the class needs no attention: %+v, %w", p, err)
		}
		return nil
	})
}

// describeRun returns what a list shows of a run: its type, its status and its search attributes.
func describeRun(t *testing.T, info *workflowpb.WorkflowExecutionInfo) string {
	t.Helper()
	stage := attribute[string](t, info, workflows.AttributeStage.GetName())
	text := info.GetType().GetName() + " " + info.GetStatus().String() + ", " + stage
	if attribute[bool](t, info, workflows.AttributeAttention.GetName()) {
		text += ", needs attention"
	}
	if services := attribute[[]string](t, info, workflows.AttributeWaitingFor.GetName()); len(services) > 0 {
		text += ", waits for " + strings.Join(services, ", ")
	}
	return text
}

// attribute returns a search attribute of a run; zero if it is not set.
func attribute[T any](t *testing.T, info *workflowpb.WorkflowExecutionInfo, name string) (value T) {
	t.Helper()
	payload, ok := info.GetSearchAttributes().GetIndexedFields()[name]
	if ok {
		if err := converter.GetDefaultDataConverter().FromPayload(payload, &value); err != nil {
			t.Fatal(err)
		}
	}
	return value
}

// awaitRuns waits until a query finds exactly these runs among those of the classes, in any order.
func awaitRuns(t *testing.T, names map[uuid.UUID]string, query string, want ...string) {
	t.Helper()
	eventually(t, func() error {
		var got []string
		var page []byte
		for {
			request := &workflowservice.ListWorkflowExecutionsRequest{Query: query, NextPageToken: page}
			list, err := sut.client.ListWorkflow(t.Context(), request)
			if err != nil {
				t.Fatalf("%s: %v", query, err)
			}
			for _, info := range list.GetExecutions() {
				id, _ := uuid.Parse(attribute[string](t, info, workflows.AttributeID.GetName()))
				name, ok := names[id]
				// The sweeper may have started a CloseRoom for the room of the undo that takes minutes.
				bySweeper := name == "undoing" && info.GetType().GetName() == "CloseRoom"
				if ok && !bySweeper {
					got = append(got, name+": "+describeRun(t, info))
				}
			}
			if page = list.GetNextPageToken(); len(page) == 0 {
				break
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			return fmt.Errorf("%s shows\n%s\nwant\n%s", query, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		return nil
	})
}

func TestEachViewShowsTheRunsItIsFor(t *testing.T) {
	t.Parallel()
	began := time.Now().UTC().Format(time.RFC3339)
	names := map[uuid.UUID]string{}
	named := func(name string) *class {
		c := newClass(t)
		c.setScope(c.scope + " it's 100%_*")
		names[c.id] = name
		return c
	}

	ready := named("ready")
	ready.post().want(t, http.StatusCreated)
	ready.setFault(sut.conference, patchRefused)
	ready.put(window(ready.start+60, ready.start+120)).want(t, http.StatusUnprocessableEntity)

	refused := named("refused")
	refused.setFault(sut.conference, createRefused)
	refused.post().want(t, http.StatusUnprocessableEntity)

	stuck, terminated, cancelled := named("stuck"), named("terminated"), named("cancelled")
	restores := map[*class]func(){}
	for _, c := range []*class{stuck, terminated, cancelled} {
		restores[c] = c.setFault(sut.conference, createFails)
		c.postAsync()
	}
	undoing := named("undoing")
	undoing.setFault(sut.event, patchFails)
	undoing.setFault(sut.conference, createFails)
	undoing.postAsync()
	undoing.awaitAttempt("event", "held")
	undoing.cancel()
	for _, c := range []*class{stuck, terminated, cancelled} {
		c.awaitAttention("CreateConferenceRoom")
	}
	undoing.awaitAttention("CloseRoomIfPresent")
	run := terminated.latestRun()
	terminated.terminate()
	cancelled.cancel()

	retrying := named("retrying")
	retrying.setFault(sut.conference, createFails)
	retrying.postAsync()

	closing := named("closing")
	closing.setFault(sut.conference, createLate(3500))
	closing.setFault(sut.conference, closeFails)
	closing.postAsync()
	closing.awaitAttempt("event", "held")
	closing.awaitAttempt("conference", "sent")
	closing.cancel()
	closing.awaitStatus("failed")

	const (
		readyCreate     = "ready: CreateMinigroup Completed, done"
		refusedUpdate   = "ready: UpdateMinigroup Failed, failed"
		refusedCreate   = "refused: CreateMinigroup Failed, failed"
		retryingCreate  = "retrying: CreateMinigroup Running, creating"
		stuckCreate     = "stuck: CreateMinigroup Running, creating, needs attention, waits for conference"
		cancelledCreate = "cancelled: CreateMinigroup Canceled, failed"
		undoingCreate   = "undoing: CreateMinigroup Running, undoing, needs attention, waits for event"
		closingCreate   = "closing: CreateMinigroup Canceled, failed"
		closingRoom     = "closing: CloseRoom Running, closing room"
	)
	awaitRuns(t, names, workflows.NeedsAttention.Query, stuckCreate, undoingCreate)
	awaitRuns(t, names, workflows.NotFinished.Query, stuckCreate, retryingCreate, undoingCreate, closingRoom)
	awaitRuns(t, names, workflows.Undoing.Query, undoingCreate)
	awaitRuns(t, names, workflows.WaitingFor.Of("conference"), stuckCreate)
	awaitRuns(t, names, workflows.WaitingFor.Of("event"), undoingCreate)
	awaitRuns(t, names, workflows.WaitingFor.Of("janus"))
	awaitRuns(t, names, workflows.FailedSince.Of(began), refusedCreate, refusedUpdate)
	awaitRuns(t, names, workflows.FailedSince.Of(time.Now().Add(time.Hour).Format(time.RFC3339)))
	awaitRuns(t, names, workflows.OfScope.Of(ready.scope), readyCreate, refusedUpdate)
	awaitRuns(t, names, workflows.OfScope.Of(`" OR MinigroupId IS NOT NULL OR MinigroupScope="`))
	awaitRuns(t, names, workflows.OfClass.Of(closing.id.String()), closingCreate, closingRoom)
	awaitRuns(t, names, workflows.OfClass.Of(cancelled.id.String()), cancelledCreate)

	t.Run("a terminated run keeps its attributes, and no view of open runs shows it", func(t *testing.T) {
		d, err := sut.client.DescribeWorkflowExecution(t.Context(), terminated.workflowID(), run)
		if err != nil {
			t.Fatal(err)
		}
		want := "CreateMinigroup Terminated, creating, needs attention, waits for conference"
		if got := describeRun(t, d.GetWorkflowExecutionInfo()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("a step that succeeds after all needs no attention", func(t *testing.T) {
		restores[stuck]()
		stuck.retryNow("CreateConferenceRoom")
		awaitRuns(t, names, workflows.OfClass.Of(stuck.id.String()), "stuck: CreateMinigroup Completed, done")
	})
}

func TestAStuckRunShowsItsPurposeAndWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	restore := c.setFault(sut.conference, createFails)
	c.postAsync()
	c.awaitRetryOf("CreateConferenceRoom")
	hasDetails := func(wanted ...string) {
		t.Helper()
		text := c.currentDetails()
		for _, want := range wanted {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
	}
	hasDetails("Creating.", "**Create the conference room**: retried, at most 80 times, since 20",
		"First error: `create conference room: conference answered 503: ", "*Cancel*")
	c.awaitAttention("CreateConferenceRoom")
	hasDetails("**Needs attention**: it waits for conference.", "**needs attention**, retried, at most 80 times",
		"conference answered 503: ")
	described, err := sut.client.DescribeWorkflow(t.Context(), c.workflowID(), "")
	if err != nil {
		t.Fatal(err)
	}
	summary, err := described.GetStaticSummary()
	if err != nil || !strings.HasPrefix(summary, "Create "+t.Name()) {
		t.Errorf("the summary is %q, %v", summary, err)
	}
	purpose, err := described.GetStaticDetails()
	if err != nil || !strings.HasPrefix(purpose, "Creates a minigroup") || !strings.Contains(purpose, c.path()) ||
		strings.Contains(purpose, "teacher") || strings.Contains(purpose, "lesson") {
		t.Errorf("the details are %q, %v", purpose, err)
	}
	restore()
	c.retryNow("CreateConferenceRoom")
	c.awaitStatus("real-time")
	c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	hasDetails("**Done.**")
}

func TestASuccessfulCreateIsOneWorkflowTask(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.post().want(t, http.StatusCreated)
	c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	events := map[enumspb.EventType]int{}
	for _, event := range c.events("") {
		events[event.GetEventType()]++
	}
	if events[enumspb.EVENT_TYPE_MARKER_RECORDED] == 6 { // two steps were last at the same time, so Establish followed
		events[enumspb.EVENT_TYPE_MARKER_RECORDED]--
	}
	want := map[enumspb.EventType]int{
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:        1,
		enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED:           1,
		enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED:             1,
		enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:           1,
		enumspb.EVENT_TYPE_MARKER_RECORDED:                   5, // one per step
		enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: 1,
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:      1,
	}
	if !maps.Equal(events, want) {
		t.Errorf("the history has %v, want %v", events, want)
	}
}
