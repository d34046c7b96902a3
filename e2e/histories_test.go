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

var histories = flag.String("histories", "", "write the histories of some runs to this folder, for the replay tests of package workflows")

// processes and hosts are nobody's business.
var identity = regexp.MustCompile(`"identity":\s*"[^"]*"`)

// record writes the history of the latest run of a workflow id, once it has ended, under a name.
func recordHistory(t *testing.T, name, workflowID string) {
	t.Helper()
	if *histories == "" {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_ = sut.client.GetWorkflow(ctx, workflowID, "").Get(ctx, nil) // how it ended is in the history
	var history historypb.History
	for events := sut.client.GetWorkflowHistory(ctx, workflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
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
