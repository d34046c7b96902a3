package workflows

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"minigroups/minigroup"
)

// TestHistoriesSayWhichRoomsWereCreated reads recorded histories, in which rooms were created by first attempts and by
// later ones.
func TestHistoriesSayWhichRoomsWereCreated(t *testing.T) {
	both := map[minigroup.RoomKind]int{minigroup.EventRoom: 1, minigroup.ConferenceRoom: 1}
	for name, want := range map[string]struct {
		workflow string
		rooms    map[minigroup.RoomKind]int
	}{
		"create ready":         {"CreateMinigroup", both},
		"create after waiting": {"CreateMinigroup", both},
		"create refused":       {"CreateMinigroup", map[minigroup.RoomKind]int{minigroup.EventRoom: 1}},
		"recreate done":        {"RecreateMinigroup", both},
		"update done":          {"UpdateMinigroup", map[minigroup.RoomKind]int{}},
	} {
		t.Run(name, func(t *testing.T) {
			trace := readRecorded(t, name, want.workflow)
			found := map[minigroup.RoomKind]int{}
			for _, r := range trace.Rooms {
				if r.ID == uuid.Nil {
					t.Errorf("a %s room has no id", r.Kind)
				}
				found[r.Kind]++
			}
			if len(found) != len(want.rooms) || found[minigroup.EventRoom] != want.rooms[minigroup.EventRoom] ||
				found[minigroup.ConferenceRoom] != want.rooms[minigroup.ConferenceRoom] {
				t.Errorf("it has created %v, want %v", found, want.rooms)
			}
			isCreate := want.workflow == "CreateMinigroup"
			if trace.ClassID == uuid.Nil || !trace.Begun || isCreate != (trace.Create != nil) ||
				isCreate == (trace.UpdateID != uuid.Nil) || trace.IsRecreate() != (want.workflow == "RecreateMinigroup") {
				t.Errorf("got %+v", trace)
			}
			if isCreate && trace.Create.ID != trace.ClassID {
				t.Errorf("the request is %+v", trace.Create)
			}
		})
	}
}

func readRecorded(t *testing.T, name, workflow string) (trace Trace) {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", "histories", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	history, err := client.HistoryFromJSON(file, client.HistoryJSONOptions{})
	if err != nil {
		t.Fatal(err)
	}
	reader := newTraceReader(&trace, converter.GetDefaultDataConverter(), workflow)
	for _, event := range history.GetEvents() {
		if err := reader.add(event); err != nil {
			t.Fatal(err)
		}
	}
	return trace
}
