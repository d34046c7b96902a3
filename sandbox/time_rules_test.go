package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
)

// The clock of these tests stands still at this second, for edges that recorded exchanges do not reach.
const noon = 1_800_000_000

func TestTimeRulesAtTheEdges(t *testing.T) {
	type request struct{ method, suffix, body string }
	patch := func(from, to any) request {
		body, err := json.Marshal(map[string]any{"time": []any{from, to}})
		if err != nil {
			t.Fatal(err)
		}
		return request{http.MethodPatch, "", string(body)}
	}
	closing := request{http.MethodPost, "/close", ""}
	const emptyRange = "422 database_query_failed"
	for _, c := range []struct {
		name    string
		service string
		time    [2]any // of the create
		request request
		want    string // status, and the type of a problem or the time shown
		after   [2]any // the time of the room afterwards
	}{
		{"open and bounded: a past end is now", "conference", [2]any{noon - 10, noon + 10}, patch(5, 6), fmt.Sprintf("200 [%d,%d]", noon-10, noon), [2]any{noon - 10, noon}},
		{"begun this instant: no patch closes it", "conference", [2]any{noon, noon + 10}, patch(5, 6), emptyRange, [2]any{noon, noon + 10}},
		{"begun this instant: it cannot be closed", "conference", [2]any{noon, nil}, closing, emptyRange, [2]any{noon, nil}},
		{"no start and an end: no patch of its time", "conference", [2]any{nil, noon + 10}, patch(5, noon+20), "422 room_time_changing_forbidden", [2]any{nil, noon + 10}},
		{"no start in the patch", "conference", [2]any{noon - 10, nil}, patch(nil, noon+20), "400 invalid_room_time", [2]any{noon - 10, nil}},
		{"ended this instant: closed", "conference", [2]any{noon - 10, noon}, closing, "404 room_closed", [2]any{noon - 10, noon}},
		{"ended this instant: closed", "event", [2]any{noon - 10, noon}, patch(5, 6), "404 room_closed", [2]any{noon - 10, noon}},
		{"begun this instant: it cannot be closed", "event", [2]any{noon, nil}, patch(5, 6), emptyRange, [2]any{noon, nil}},
		{"an end this instant closes", "event", [2]any{noon - 10, nil}, patch(5, noon), fmt.Sprintf("200 [%d,%d]", noon-10, noon), [2]any{noon - 10, noon}},
	} {
		t.Run(c.service+": "+c.name, func(t *testing.T) {
			r, stop := atNoon(t, c.service)
			defer stop()
			times, err := json.Marshal(c.time)
			if err != nil {
				t.Fatal(err)
			}
			made := r.do(t, http.MethodPost, "/api/v1/rooms", fmt.Sprintf(`{"audience":"example.org","kind":"Minigroup","classroom_id":%q,"time":%s}`, uuid.New(), times))
			if made.status != r.created {
				t.Fatalf("create: %d %s", made.status, made.raw)
			}
			a := r.do(t, c.request.method, "/api/v1/rooms/"+made.body["id"].(string)+c.request.suffix, c.request.body)
			got := fmt.Sprint(a.status, " ", a.body["type"])
			if a.status == http.StatusOK {
				got = fmt.Sprint(a.status, " ", shown(t, a.body["time"]))
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if after := shown(t, r.rooms(t)[0].Time); after != shown(t, c.after) {
				t.Errorf("afterwards %s, want %s", after, shown(t, c.after))
			}
		})
	}
}

// shown writes a time as JSON, without exponents.
func shown(t *testing.T, value any) string {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var sides [2]*int64
	if err := json.Unmarshal(raw, &sides); err != nil {
		t.Fatal(err)
	}
	raw, err = json.Marshal(sides)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func atNoon(t *testing.T, service string) (running, func()) {
	t.Helper()
	key := newKey(t)
	cfg := recordedConfig(key)
	cfg.Clock = func() time.Time { return time.Unix(noon, 0) }
	for _, s := range standIns {
		if s.name != service {
			continue
		}
		handler, _, err := s.start(cfg)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(handler)
		return running{standIn: s, url: server.URL, token: mustToken(t, key)}, server.Close
	}
	t.Fatalf("no stand-in is called %s", service)
	return running{}, nil
}
