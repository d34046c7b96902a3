package verify

import (
	"testing"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/failure/v1"
	"go.temporal.io/api/history/v1"
)

func TestARunThatIsCancelledBeforeItsFirstStepNeedNotOwnItsRow(t *testing.T) {
	cancel := &history.HistoryEvent{EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED}
	local := func(f *failure.Failure) *history.HistoryEvent {
		return &history.HistoryEvent{
			EventType: enums.EVENT_TYPE_MARKER_RECORDED,
			Attributes: &history.HistoryEvent_MarkerRecordedEventAttributes{
				MarkerRecordedEventAttributes: &history.MarkerRecordedEventAttributes{MarkerName: "LocalActivity", Failure: f},
			},
		}
	}
	failed := local(&failure.Failure{Message: "canceled"})
	regular := &history.HistoryEvent{EventType: enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED}
	for name, c := range map[string]struct {
		events []*history.HistoryEvent
		want   bool
	}{
		"cancelled before its first step":  {[]*history.HistoryEvent{cancel, failed, failed}, true},
		"not cancelled":                    {[]*history.HistoryEvent{failed, failed}, false},
		"cancelled after a local activity": {[]*history.HistoryEvent{local(nil), cancel, failed}, false},
		"cancelled after a retried step":   {[]*history.HistoryEvent{failed, regular, cancel, failed}, false},
	} {
		if got := isCancelledFirst(c.events); got != c.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
