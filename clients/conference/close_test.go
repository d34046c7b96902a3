package conference_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/clients/conference"
	"minigroups/sandbox"
)

// recorder is a transport that notes the calls.
type recorder struct {
	http.RoundTripper
	mu    sync.Mutex
	calls []string
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.calls = append(r.calls, req.Method)
	r.mu.Unlock()
	return r.RoundTripper.RoundTrip(req)
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := r.calls
	r.calls = nil
	return calls
}

func startRecorded(t *testing.T) (*standIn, *recorder) {
	s := startStandIn(t)
	calls := &recorder{RoundTripper: s.raw.Transport}
	s.Client = conference.New(s.server.URL, calls, s.token)
	return s, calls
}

func TestCloseRoom(t *testing.T) {
	const post, patch = http.MethodPost, http.MethodPatch
	for _, test := range []struct {
		name       string
		start, end *int64 // seconds from now
		calls      []string
		keepsStart bool
	}{
		{"has not opened and has no end", new(int64(3600)), nil, []string{post, patch}, false},
		{"is open and has no end", new(int64(-10)), nil, []string{post}, true},
		{"is open and has an end", new(int64(-10)), new(int64(3600)), []string{post}, true},
		{"is open and has no bounds", nil, nil, []string{post}, true},
		{"is open, has an end and no start", nil, new(int64(3600)), []string{post}, true},
		{"is closed", new(int64(-20)), new(int64(-10)), []string{post}, true},
	} {
		t.Run("a room that "+test.name, func(t *testing.T) {
			s, calls := startRecorded(t)
			var start, end *int64
			if test.start != nil {
				start = s.at(*test.start)
			}
			if test.end != nil {
				end = s.at(*test.end)
			}
			id := s.make(start, end)
			if err := s.CloseRoom(s.context(), id); err != nil {
				t.Fatal(err)
			}
			if made := calls.take(); !slices.Equal(made, test.calls) {
				t.Errorf("calls %v", made)
			}
			room := s.room(id)
			if room.Open || test.keepsStart && !sameTime([2]*int64{room.Time[0], nil}, start, nil) {
				t.Errorf("%+v", room)
			}
			if err := s.CloseRoom(s.context(), id); err != nil {
				t.Errorf("again: %v", err)
			}
			if made := calls.take(); len(made) != 1 {
				t.Errorf("again: calls %v", made)
			}
		})
	}

	t.Run("a room that has an end and has not opened closes right after it opens", func(t *testing.T) {
		s, calls := startRecorded(t)
		s.now.Store(time.Now().Unix())
		start, end := s.at(600), s.at(7200)
		id := s.make(start, end)
		for _, want := range [][]string{{"POST", "PATCH", "GET", "PATCH"}, {"POST", "PATCH", "GET"}} {
			failed := failure(t, s.CloseRoom(s.context(), id))
			if verdict(failed) != "maybe done" || failed.Type != "database_query_failed" || failed.RetryAfter < 5*time.Minute || failed.RetryAfter > 601*time.Second {
				t.Errorf("%+v", failed)
			}
			if made := calls.take(); !slices.Equal(made, want) {
				t.Errorf("calls %v", made)
			}
			if room := s.room(id); !sameTime(room.Time, start, new(*start+1)) {
				t.Errorf("%+v", room)
			}
		}
		s.now.Add(601)
		if err := s.CloseRoom(s.context(), id); err != nil {
			t.Error(err)
		}
	})

	t.Run("a wait for the opening is told as an hour at most", func(t *testing.T) {
		s := startStandIn(t)
		s.now.Store(time.Now().Unix())
		failed := failure(t, s.CloseRoom(s.context(), s.make(s.at(86400), s.at(90000))))
		if failed.RetryAfter != time.Hour {
			t.Errorf("%+v", failed)
		}
	})

	t.Run("a room that never ends is refused", func(t *testing.T) {
		s, calls := startRecorded(t)
		id := s.make(s.at(-10), nil)
		s.setFaults(sandbox.Fault{Operation: sandbox.OperationClose, Do: sandbox.EffectRefuse, Type: "room_time_changing_forbidden"})
		if failed := failure(t, s.CloseRoom(s.context(), id)); verdict(failed) != "refused" {
			t.Errorf("%+v", failed)
		}
		if made := calls.take(); len(made) != 1 {
			t.Errorf("calls %v", made)
		}
	})

	t.Run("a room that conference does not see may be tried again", func(t *testing.T) {
		s := startStandIn(t)
		if failed := failure(t, s.CloseRoom(s.context(), uuid.New())); verdict(failed) != "not done" || failed.Type != "room_not_found" {
			t.Errorf("%+v", failed)
		}
	})
}

// What looks like a room that has not opened may be a database in trouble.
func TestCloseRoomWhileTheDatabaseIsInTrouble(t *testing.T) {
	trouble := func(operation sandbox.Operation) sandbox.Fault {
		return sandbox.Fault{Operation: operation, Do: sandbox.EffectRefuse, Type: "database_query_failed", Times: 1}
	}
	for _, test := range []struct {
		name   string
		bound  bool
		faults []sandbox.Fault
		want   string
	}{
		{"for one call, an open room is closed by the next", false, []sandbox.Fault{trouble(sandbox.OperationClose)}, "done"},
		{"for two calls, a room without end may be tried again", false, []sandbox.Fault{
			trouble(sandbox.OperationClose), trouble(sandbox.OperationUpdate)}, "maybe done"},
		{"for two calls, a room with an end is closed", true, []sandbox.Fault{
			trouble(sandbox.OperationClose), trouble(sandbox.OperationUpdate)}, "maybe done"},
		{"for three calls, an open room may be tried again", true, []sandbox.Fault{
			trouble(sandbox.OperationClose), trouble(sandbox.OperationUpdate), trouble(sandbox.OperationRead)}, "not done"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := startStandIn(t)
			var end *int64
			if test.bound {
				end = s.at(3600)
			}
			id := s.make(s.at(-10), end)
			s.setFaults(test.faults...)
			if failed := failure(t, s.CloseRoom(s.context(), id)); verdict(failed) != test.want || failed != nil && failed.RetryAfter != 0 && !test.bound {
				t.Errorf("%s: %+v", verdict(failed), failed)
			}
			if err := s.CloseRoom(s.context(), id); err != nil {
				t.Errorf("again: %v", err)
			}
			if room := s.room(id); room.Open {
				t.Errorf("%+v", room)
			}
		})
	}
}
