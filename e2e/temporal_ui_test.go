package e2e

import (
	"flag"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"minigroups/workflows"
)

var screenshots = flag.String("screenshots", "", "folder to which to write the screenshots of the docs")

func TestSupportSeesInTheTemporalUIWhatIsStuckAndWhy(t *testing.T) {
	t.Parallel()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	called := func(scope string) *class {
		c := newClass(t)
		c.setScope(scope)
		return c
	}
	called("physics-9c").post().want(t, http.StatusCreated)
	failed := called("chess-1")
	failed.setFault(sut.conference, createRefused)
	failed.post().want(t, http.StatusUnprocessableEntity)
	stuck := called("math-7b")
	stuck.setFault(sut.conference, createFails)
	stuck.postAsync()
	undoing := called("art-5a")
	undoing.setFault(sut.event, patchFails)
	undoing.setFault(sut.conference, createFails)
	undoing.postAsync()
	undoing.awaitAttempt("event", "held")
	undoing.cancel()
	stuck.awaitAttention("CreateConferenceRoom")
	undoing.awaitAttention("CloseRoomIfPresent")

	folder := *screenshots
	if folder != "" {
		if folder, err = filepath.Abs(folder); err != nil {
			t.Fatal(err)
		}
	}
	namespace := sut.cfg.Temporal.Namespace
	var links []string
	for _, view := range []workflows.View{workflows.Undoing, workflows.NotFinished, workflows.NeedsAttention} {
		links = append(links, view.Link(sut.ui, namespace, view.Query))
	}
	var seen struct {
		Rows  []string
		Saved []struct{ Name, Query string }
		Text  string
	}
	runScript(t, "support.mjs", map[string]any{
		"browser": browser, "links": links, "namespace": namespace, "run": stuck.workflowID(), "folder": folder,
		"columns": []string{
			"Status", "Workflow ID", workflows.AttributeStage.GetName(), workflows.AttributeWaitingFor.GetName(),
			workflows.AttributeAttention.GetName(), "Start", "Type",
		},
	}, &seen)
	for scope, wanted := range map[string][]string{
		"math-7b": {"Running", "CreateMinigroup", "creating", "conference"},
		"art-5a":  {"Running", "undoing", "event"},
	} {
		i := slices.IndexFunc(seen.Rows, func(row string) bool { return strings.Contains(row, scope) })
		if i < 0 {
			t.Errorf("%s is not among %q", scope, seen.Rows)
			continue
		}
		for _, want := range wanted {
			if !strings.Contains(seen.Rows[i], want) {
				t.Errorf("%q is not in the row %q", want, seen.Rows[i])
			}
		}
	}
	for _, row := range seen.Rows {
		if strings.Contains(row, "physics-9c") || strings.Contains(row, "chess-1") {
			t.Errorf("the view shows %q, which needs no attention", row)
		}
	}
	view := workflows.NeedsAttention
	if len(seen.Saved) != 3 || seen.Saved[2].Name != view.Name || seen.Saved[2].Query != view.Query {
		t.Errorf("the browser has saved %+v", seen.Saved)
	}
	for _, want := range []string{
		"Create math-7b for example.org", "Needs attention: it waits for conference.",
		"Create the conference room: needs attention, retried, at most 80 times",
		"conference answered 503", "Cancel undoes it", stuck.path(),
	} {
		if !strings.Contains(seen.Text, want) {
			t.Errorf("%q is not in the details of the run:\n%s", want, seen.Text)
		}
	}
}
