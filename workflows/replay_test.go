package workflows_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.temporal.io/sdk/worker"

	"minigroups/workflows"
)

// recorded are the histories that the workflows must replay. `make histories` writes them.
var recorded = []string{
	"create after its worker was killed",
	"create after waiting",
	"create cancelled",
	"create ready",
	"create refused",
	"create reset to its middle",
	"recreate after it was cancelled",
	"recreate after it was terminated",
	"recreate done",
	"recreate refused",
	"room closed",
	"sweep of the classes",
	"sweep of the gateways",
	"undo of a terminated create",
	"update after it was terminated",
	"update cancelled after its pivot",
	"update cancelled before its pivot",
	"update done",
	"update refused",
}

func TestRecordedHistoriesReplay(t *testing.T) {
	var names []string
	for _, file := range histories(t, "testdata/histories") {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".json"))
	}
	if !slices.Equal(names, recorded) {
		t.Fatalf("there are the histories %q, want %q", names, recorded)
	}
	replayer := worker.NewWorkflowReplayer()
	workflows.RegisterWorkflows(replayer)
	// Runs that a released version began, too: they may be open when a later one replaces it.
	for _, file := range slices.Concat(histories(t, "testdata/histories"), histories(t, "../released/*/histories")) {
		t.Run(file, func(t *testing.T) {
			if err := replayer.ReplayWorkflowHistoryFromJSONFile(nil, file); err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), "Bearer") {
				t.Fatalf("a history must hold no secret: %v", err)
			}
		})
	}
}

// histories lists the histories in the folders.
func histories(t *testing.T, folders string) []string {
	t.Helper()
	files, err := filepath.Glob(folders + "/*.json")
	if err != nil {
		t.Fatal(err)
	}
	return files
}
