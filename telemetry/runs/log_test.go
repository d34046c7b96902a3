package runs

import (
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestKeysAreSpelledAsOurs(t *testing.T) {
	for key, want := range map[string]string{
		"WorkflowID": "workflow_id", "RunID": "run_id", "ActivityType": "activity_type", "TaskQueue": "task_queue", "Error": "error",
		"HTTPStatus": "http_status", "class_id": "class_id", "": "",
	} {
		if got := snake(key); got != want {
			t.Errorf("%s becomes %s", key, got)
		}
	}
	core, seen := observer.New(zap.InfoLevel)
	keyvals := []any{"WorkflowID", "w"}
	log := newSDKLog(zap.New(core))
	log.Warn("odd", keyvals...)
	log.Error(stepError, keyvals...)
	if len(seen.All()) != 1 || seen.All()[0].ContextMap()["workflow_id"] != "w" || keyvals[0] != "WorkflowID" {
		t.Errorf("got %v, and the caller's own are %v", seen.All(), keyvals)
	}
}
