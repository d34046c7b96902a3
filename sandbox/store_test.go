package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/uuid"

	"minigroups/sandbox"
)

func TestRooms(t *testing.T) {
	t.Run("are listed by class, in order, and as open until they end", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			class := uuid.New()
			first, second := r.create(t, class).body["id"], r.create(t, class).body["id"]
			r.create(t, uuid.New())
			closed := r.do(t, http.MethodPatch, fmt.Sprint("/api/v1/rooms/", first), `{"time":[1000000000,1000000001]}`)
			if closed.status != http.StatusOK {
				t.Fatalf("close: %d %s", closed.status, closed.raw)
			}
			if all := r.rooms(t); len(all) != 3 {
				t.Errorf("%d rooms, want 3", len(all))
			}
			var rooms []sandbox.Room
			listed := r.do(t, http.MethodGet, "/sandbox/rooms?classroom_id="+class.String(), "")
			if err := json.Unmarshal([]byte(listed.raw), &rooms); err != nil {
				t.Fatal(err)
			}
			if len(rooms) != 2 || rooms[0].ID.String() != first || rooms[1].ID.String() != second {
				t.Fatalf("got %+v", rooms)
			}
			if rooms[0].Open || !rooms[1].Open {
				t.Errorf("got %+v", rooms)
			}
			if a := r.do(t, http.MethodGet, "/sandbox/rooms?classroom_id=nope", ""); a.status != http.StatusBadRequest {
				t.Errorf("a malformed class: %d", a.status)
			}
		})
	})
	t.Run("and log survive a restart and an incomplete last line", func(t *testing.T) {
		for _, s := range standIns {
			t.Run(s.name, func(t *testing.T) { testRestart(t, s) })
		}
	})
	t.Run("of a damaged state file are an error that names the line", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "state.jsonl")
		if err := os.WriteFile(file, []byte("{}\nnonsense\n{}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg := recordedConfig(newKey(t))
		cfg.StateFile = file
		if _, err := sandbox.NewEvent(cfg); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("got %v", err)
		}
	})
}

func testRestart(t *testing.T, s standIn) {
	file := filepath.Join(t.TempDir(), "state.jsonl")
	r, stop := run(t, s, file)
	class := uuid.New()
	id := r.create(t, class).body["id"].(string)
	r.do(t, http.MethodPatch, "/api/v1/rooms/"+id, `{"tags":{"a":[1.0,"x"]}}`)
	rooms, log := r.rooms(t), r.log(t)
	stop()

	writeIncomplete(t, file)
	r, stop = run(t, s, file)
	if after := r.rooms(t); !reflect.DeepEqual(after, rooms) {
		t.Errorf("rooms %+v, want %+v", after, rooms)
	}
	if after := r.log(t); !reflect.DeepEqual(after, log) || !after[0].Published {
		t.Errorf("log %+v, want %+v", after, log)
	}
	r.create(t, class)
	stop()

	r, stop = run(t, s, file)
	defer stop()
	after := r.log(t)
	if len(after) != 2 || !reflect.DeepEqual(after[:1], log) || !after[1].ReplyDelivered || after[1].Seq != 2 {
		t.Errorf("after the incomplete line: log %+v", after)
	}
	if after := r.rooms(t); len(after) != 2 || !reflect.DeepEqual(after[:1], rooms) {
		t.Errorf("after the incomplete line: rooms %+v", after)
	}
}

// writeIncomplete appends half a line to the file, as a process killed while writing does.
func writeIncomplete(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if _, err := file.WriteString(`{"room":{"id":"` + strings.Repeat("0", 5000)); err != nil {
		t.Fatal(err)
	}
}
