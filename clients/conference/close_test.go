package conference_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"minigroups/clients/clientstest"
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
	s := service.Start(t)
	calls := &recorder{RoundTripper: s.Transport}
	s.Client = service.NewClient(s.URL, calls, s.Token)
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
				start = s.At(*test.start)
			}
			if test.end != nil {
				end = s.At(*test.end)
			}
			id := s.Make(start, end)
			if err := s.Client.CloseRoom(s.Context(), id); err != nil {
				t.Fatal(err)
			}
			if made := calls.take(); !slices.Equal(made, test.calls) {
				t.Errorf("calls %v", made)
			}
			room := s.Room(id)
			if room.Open || test.keepsStart && !clientstest.SameTime([2]*int64{room.Time[0], nil}, start, nil) {
				t.Errorf("%+v", room)
			}
			if err := s.Client.CloseRoom(s.Context(), id); err != nil {
				t.Errorf("again: %v", err)
			}
			if made := calls.take(); len(made) != 1 {
				t.Errorf("again: calls %v", made)
			}
		})
	}

	t.Run("a room that has an end and has not opened closes right after it opens", func(t *testing.T) {
		s, calls := startRecorded(t)
		s.Now.Store(time.Now().Unix())
		start, end := s.At(600), s.At(7200)
		id := s.Make(start, end)
		for _, want := range [][]string{{"POST", "PATCH", "GET", "PATCH"}, {"POST", "PATCH", "GET"}} {
			failed := service.Failure(t, s.Client.CloseRoom(s.Context(), id))
			if clientstest.Verdict(failed) != "maybe done" || failed.Type != "database_query_failed" || failed.RetryAfter < 5*time.Minute || failed.RetryAfter > 601*time.Second {
				t.Errorf("%+v", failed)
			}
			if made := calls.take(); !slices.Equal(made, want) {
				t.Errorf("calls %v", made)
			}
			if room := s.Room(id); !clientstest.SameTime(room.Time, start, new(*start+1)) {
				t.Errorf("%+v", room)
			}
		}
		s.Now.Add(601)
		if err := s.Client.CloseRoom(s.Context(), id); err != nil {
			t.Error(err)
		}
	})

	t.Run("a wait for the opening is told as an hour at most", func(t *testing.T) {
		s := service.Start(t)
		s.Now.Store(time.Now().Unix())
		failed := service.Failure(t, s.Client.CloseRoom(s.Context(), s.Make(s.At(86400), s.At(90000))))
		if failed.RetryAfter != time.Hour {
			t.Errorf("%+v", failed)
		}
	})

	t.Run("a room that never ends is refused", func(t *testing.T) {
		s, calls := startRecorded(t)
		id := s.Make(s.At(-10), nil)
		s.SetFaults(sandbox.Fault{Operation: sandbox.OperationClose, Do: sandbox.EffectRefuse, Type: "room_time_changing_forbidden"})
		if failed := service.Failure(t, s.Client.CloseRoom(s.Context(), id)); clientstest.Verdict(failed) != "refused" {
			t.Errorf("%+v", failed)
		}
		if made := calls.take(); len(made) != 1 {
			t.Errorf("calls %v", made)
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
			s := service.Start(t)
			var end *int64
			if test.bound {
				end = s.At(3600)
			}
			id := s.Make(s.At(-10), end)
			s.SetFaults(test.faults...)
			if failed := service.Failure(t, s.Client.CloseRoom(s.Context(), id)); clientstest.Verdict(failed) != test.want || failed != nil && failed.RetryAfter != 0 && !test.bound {
				t.Errorf("%s: %+v", clientstest.Verdict(failed), failed)
			}
			if err := s.Client.CloseRoom(s.Context(), id); err != nil {
				t.Errorf("again: %v", err)
			}
			if room := s.Room(id); room.Open {
				t.Errorf("%+v", room)
			}
		})
	}
}
