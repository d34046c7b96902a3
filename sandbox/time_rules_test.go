package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// noon is the time of the stand-ins' clock, which does not move in these tests. They test limits that the recorded
// exchanges do not.
const noon = 1_800_000_000

func TestTimeRulesAtTheirLimits(t *testing.T) {
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
		{
			name: "a past end of an open room with an end is now", service: "conference",
			time: [2]any{noon - 10, noon + 10}, request: patch(5, 6),
			want: fmt.Sprintf("200 [%d,%d]", noon-10, noon), after: [2]any{noon - 10, noon},
		},
		{
			name: "no patch closes a room that begins now", service: "conference",
			time: [2]any{noon, noon + 10}, request: patch(5, 6), want: emptyRange, after: [2]any{noon, noon + 10},
		},
		{
			name: "a room that begins now cannot be closed", service: "conference",
			time: [2]any{noon, nil}, request: closing, want: emptyRange, after: [2]any{noon, nil},
		},
		{
			name: "the time of a room with an end and no start cannot be patched", service: "conference",
			time: [2]any{nil, noon + 10}, request: patch(5, noon+20),
			want: "422 room_time_changing_forbidden", after: [2]any{nil, noon + 10},
		},
		{
			name: "a patch needs a start", service: "conference",
			time: [2]any{noon - 10, nil}, request: patch(nil, noon+20),
			want: "400 invalid_room_time", after: [2]any{noon - 10, nil},
		},
		{
			name: "a room that ends now is closed", service: "conference",
			time: [2]any{noon - 10, noon}, request: closing, want: "404 room_closed", after: [2]any{noon - 10, noon},
		},
		{
			name: "a room that ends now is closed", service: "event",
			time: [2]any{noon - 10, noon}, request: patch(5, 6), want: "404 room_closed", after: [2]any{noon - 10, noon},
		},
		{
			name: "a room that begins now cannot be closed", service: "event",
			time: [2]any{noon, nil}, request: patch(5, 6), want: emptyRange, after: [2]any{noon, nil},
		},
		{
			name: "an end now closes a room", service: "event",
			time: [2]any{noon - 10, nil}, request: patch(5, noon),
			want: fmt.Sprintf("200 [%d,%d]", noon-10, noon), after: [2]any{noon - 10, noon},
		},
	} {
		t.Run(c.service+": "+c.name, func(t *testing.T) {
			r, stop := atNoon(t, c.service)
			defer stop()
			times, err := json.Marshal(c.time)
			if err != nil {
				t.Fatal(err)
			}
			id := r.newRoom(t, string(times))
			a := r.do(t, c.request.method, "/api/v1/rooms/"+id+c.request.suffix, c.request.body)
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

// shown returns a time as JSON, without exponents.
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
	t.Fatalf("there is no stand-in %s", service)
	return running{}, nil
}
