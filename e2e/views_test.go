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

	"minigroups/minigroup"
	"minigroups/workflows"
)

// What support finds, and reads, in Temporal.

// progress asks the latest run of the class where it stands.
func (c *class) queryProgress() (p workflows.Progress, err error) {
	c.t.Helper()
	answer, err := sut.client.QueryWorkflow(c.t.Context(), c.workflowID(), "", workflows.QueryProgress)
	if err == nil {
		err = answer.Get(&p)
	}
	return p, err
}

// details are the current details of the latest run of the class, as the UI asks for them.
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
			return fmt.Errorf("it needs no attention: %+v, %w", p, err)
		}
		return nil
	})
}

// seen says what a list shows of a run: its type and status, and what its search attributes tell.
func describeRun(t *testing.T, info *workflowpb.WorkflowExecutionInfo) string {
	t.Helper()
	text := info.GetType().GetName() + " " + info.GetStatus().String() + ", " + attribute[string](t, info, workflows.AttributeStage.GetName())
	if attribute[bool](t, info, workflows.AttributeAttention.GetName()) {
		text += ", needs attention"
	}
	if services := attribute[[]string](t, info, workflows.AttributeWaitingFor.GetName()); len(services) > 0 {
		text += ", waits for " + strings.Join(services, ", ")
	}
	return text
}

// attribute is a search attribute of a run; zero where it is not set.
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

// shows waits until a query finds exactly these runs among those of the classes, in whatever order.
func awaitRuns(t *testing.T, names map[uuid.UUID]string, query string, want ...string) {
	t.Helper()
	eventually(t, func() error {
		var got []string
		var page []byte
		for {
			list, err := sut.client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: query, NextPageToken: page})
			if err != nil {
				t.Fatalf("%s: %v", query, err)
			}
			for _, info := range list.GetExecutions() {
				id, _ := uuid.Parse(attribute[string](t, info, workflows.AttributeID.GetName()))
				name, ok := names[id]
				// The sweeper may have started a run that closes the room of an undo which takes minutes.
				if swept := name == "undoing" && info.GetType().GetName() == "CloseRoom"; ok && !swept {
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

func TestEachViewShowsWhatItSays(t *testing.T) {
	t.Parallel()
	names := map[uuid.UUID]string{}
	named := func(name string) *class {
		c := newClass(t)
		c.scope += " it's 100%_*"
		c.id, c.body["scope"] = minigroup.ClassID("example.org", c.scope), c.scope
		names[c.id] = name
		return c
	}
	async := []string{"Prefer", "respond-async"}

	well := named("well")
	well.post().want(t, http.StatusCreated)
	well.setFault(sut.conference, patchRefused)
	well.put(window(well.start+60, well.start+120)).want(t, http.StatusUnprocessableEntity)

	refused := named("refused")
	refused.setFault(sut.conference, createRefused)
	refused.post().want(t, http.StatusUnprocessableEntity)

	stuck, terminated, cancelled := named("stuck"), named("terminated"), named("cancelled")
	restore := map[*class]func(){}
	for _, c := range []*class{stuck, terminated, cancelled} {
		restore[c] = c.setFault(sut.conference, createFails)
		c.post(async...).want(t, http.StatusAccepted)
	}
	undoing := named("undoing")
	undoing.setFault(sut.event, patchFails)
	undoing.setFault(sut.conference, createFails)
	undoing.post(async...).want(t, http.StatusAccepted)
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
	retrying.post(async...).want(t, http.StatusAccepted)

	closing := named("closing")
	closing.setFault(sut.conference, createLate(3500))
	closing.setFault(sut.conference, closeFails)
	closing.post(async...).want(t, http.StatusAccepted)
	closing.awaitAttempt("event", "held")
	closing.cancel()
	closing.awaitStatus("failed")

	const (
		wellCreated     = "well: CreateMinigroup Completed, done"
		wellRefused     = "well: UpdateMinigroup Failed, failed"
		refusedCreate   = "refused: CreateMinigroup Failed, failed"
		retryingCreate  = "retrying: CreateMinigroup Running, creating"
		stuckCreate     = "stuck: CreateMinigroup Running, creating, needs attention, waits for conference"
		cancelledCreate = "cancelled: CreateMinigroup Canceled, failed"
		undoingCreate   = "undoing: CreateMinigroup Running, undoing, needs attention, waits for event"
		closingCreate   = "closing: CreateMinigroup Canceled, failed"
		closingRoom     = "closing: CloseRoom Running, closing room"
	)
	today := time.Now().UTC().Truncate(24 * time.Hour).Format(time.RFC3339)
	awaitRuns(t, names, workflows.NeedsAttention.Query, stuckCreate, undoingCreate)
	awaitRuns(t, names, workflows.NotFinished.Query, stuckCreate, retryingCreate, undoingCreate, closingRoom)
	awaitRuns(t, names, workflows.Undoing.Query, undoingCreate)
	awaitRuns(t, names, workflows.WaitingFor.Of("conference"), stuckCreate)
	awaitRuns(t, names, workflows.WaitingFor.Of("event"), undoingCreate)
	awaitRuns(t, names, workflows.WaitingFor.Of("janus"))
	awaitRuns(t, names, workflows.FailedSince.Of(today), refusedCreate, wellRefused)
	awaitRuns(t, names, workflows.FailedSince.Of(time.Now().Add(time.Hour).Format(time.RFC3339)))
	awaitRuns(t, names, workflows.OfScope.Of(well.scope), wellCreated, wellRefused)
	awaitRuns(t, names, workflows.OfScope.Of(`" OR MinigroupId IS NOT NULL OR MinigroupScope="`))
	awaitRuns(t, names, workflows.OfClass.Of(closing.id.String()), closingCreate, closingRoom)
	awaitRuns(t, names, workflows.OfClass.Of(cancelled.id.String()), cancelledCreate)

	t.Run("a run that was terminated keeps what it had, and no view of open runs shows it", func(t *testing.T) {
		d, err := sut.client.DescribeWorkflowExecution(t.Context(), terminated.workflowID(), run)
		if err != nil {
			t.Fatal(err)
		}
		want := "CreateMinigroup Terminated, creating, needs attention, waits for conference"
		if got := describeRun(t, d.GetWorkflowExecutionInfo()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("a step that is answered after all needs no attention", func(t *testing.T) {
		restore[stuck]()
		stuck.retryNow("CreateConferenceRoom")
		awaitRuns(t, names, workflows.OfClass.Of(stuck.id.String()), "stuck: CreateMinigroup Completed, done")
	})
}

func TestAStuckRunSaysWhatItIsForAndWhatIsMissing(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	restore := c.setFault(sut.conference, createFails)
	c.postAsync()
	c.awaitRetryOf("CreateConferenceRoom")
	says := func(wanted ...string) {
		t.Helper()
		text := c.currentDetails()
		for _, want := range wanted {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
	}
	says("Creating.", "**Create the conference room**: retried, at most 80 times, since 20",
		"First error: `create conference room: conference answered 503: ", "*Cancel*")
	c.awaitAttention("CreateConferenceRoom")
	says("**Needs attention**: it waits for conference.", "**needs attention**, retried, at most 80 times", "conference answered 503: ")
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
	says("**Done.**")
}

func TestASagaThatIsWellIsOneWorkflowTask(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.post().want(t, http.StatusCreated)
	c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	events := map[enumspb.EventType]int{}
	history := sut.client.GetWorkflowHistory(t.Context(), c.workflowID(), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		if err != nil {
			t.Fatal(err)
		}
		events[event.GetEventType()]++
	}
	want := map[enumspb.EventType]int{
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:        1,
		enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED:           1,
		enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED:             1,
		enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:           1,
		enumspb.EVENT_TYPE_MARKER_RECORDED:                   6, // begin, event room, lock, conference room, slots, establish
		enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: 1,
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:      1,
	}
	if !maps.Equal(events, want) {
		t.Errorf("its history has %v, want %v", events, want)
	}
}
