package e2e

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

var histories = flag.String("histories", "", "folder to which to write histories for the replay tests")

// identity matches the names of processes and hosts, which do not belong in recorded histories.
var identity = regexp.MustCompile(`"identity":\s*"[^"]*"`)

// recordHistory writes the history of the latest run of a workflow id under a name, once that run has ended. It does
// nothing without the flag.
func recordHistory(t *testing.T, name, workflowID string) {
	t.Helper()
	recordRun(t, name, workflowID, "")
}

// recordRun is recordHistory for one run.
func recordRun(t *testing.T, name, workflowID, run string) {
	t.Helper()
	if *histories == "" {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_ = sut.client.GetWorkflow(ctx, workflowID, run).Get(ctx, nil) // the history has how it ended
	var history historypb.History
	const all = enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT
	for events := sut.client.GetWorkflowHistory(ctx, workflowID, run, false, all); events.HasNext(); {
		event, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		history.Events = append(history.Events, event)
	}
	text, err := protojson.MarshalOptions{Indent: " "}.Marshal(&history)
	if err != nil {
		t.Fatal(err)
	}
	text = append(identity.ReplaceAll(text, []byte(`"identity": "worker"`)), '\n')
	if err := os.WriteFile(filepath.Join(*histories, name+".json"), text, 0o644); err != nil {
		t.Fatal(err)
	}
}
