package runs

import (
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestSDKKeysBecomeSnakeCase(t *testing.T) {
	for key, want := range map[string]string{
		"WorkflowID": "workflow_id", "RunID": "run_id", "ActivityType": "activity_type", "TaskQueue": "task_queue",
		"Error": "error", "HTTPStatus": "http_status", "class_id": "class_id", "": "",
	} {
		if got := snakeCase(key); got != want {
			t.Errorf("%s becomes %s", key, got)
		}
	}
	core, seen := observer.New(zap.InfoLevel)
	keyvals := []any{"WorkflowID", "w"}
	log := newSDKLog(zap.New(core))
	log.Warn("unexpected", keyvals...)
	log.Error(activityError, keyvals...)
	lines := seen.All()
	if len(lines) != 1 || lines[0].ContextMap()["workflow_id"] != "w" || keyvals[0] != "WorkflowID" {
		t.Errorf("got %v, and the caller's keyvals are %v", lines, keyvals)
	}
}
