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

// recorder is a transport that records the methods of the requests.
type recorder struct {
	http.RoundTripper
	mu      sync.Mutex
	methods []string
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.methods = append(r.methods, req.Method)
	r.mu.Unlock()
	return r.RoundTripper.RoundTrip(req)
}

// take returns the methods since the last take.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	methods := r.methods
	r.methods = nil
	return methods
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
		{name: "has not opened and has no end", start: new(int64(3600)), calls: []string{post, patch}},
		{name: "is open and has no end", start: new(int64(-10)), calls: []string{post}, keepsStart: true},
		{
			name: "is open and has an end", start: new(int64(-10)), end: new(int64(3600)),
			calls: []string{post}, keepsStart: true,
		},
		{name: "is open and has no bounds", calls: []string{post}, keepsStart: true},
		{name: "is open, has an end and no start", end: new(int64(3600)), calls: []string{post}, keepsStart: true},
		{name: "is closed", start: new(int64(-20)), end: new(int64(-10)), calls: []string{post}, keepsStart: true},
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
			id := s.MakeRoom(start, end)
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

	t.Run("a room that has an end and has not opened closes one second after it opens", func(t *testing.T) {
		s, calls := startRecorded(t)
		s.Now.Store(time.Now().Unix())
		start, end := s.At(600), s.At(7200)
		id := s.MakeRoom(start, end)
		for _, want := range [][]string{{"POST", "PATCH", "GET", "PATCH"}, {"POST", "PATCH", "GET"}} {
			failed := service.Failure(t, s.Client.CloseRoom(s.Context(), id))
			if clientstest.Verdict(failed) != clientstest.MaybeDone || failed.Type != "database_query_failed" {
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

	t.Run("a room whose time cannot be changed is refused", func(t *testing.T) {
		s, calls := startRecorded(t)
		id := s.MakeRoom(s.At(-10), nil)
		s.SetFaults(sandbox.Fault{
			Operation: sandbox.OperationClose, Do: sandbox.EffectRefuse, Type: "room_time_changing_forbidden",
		})
		failed := service.Failure(t, s.Client.CloseRoom(s.Context(), id))
		if clientstest.Verdict(failed) != clientstest.Refused {
			t.Errorf("%+v", failed)
		}
		if made := calls.take(); len(made) != 1 {
			t.Errorf("calls %v", made)
		}
	})
}

// Conference answers database_query_failed both for a room that has not opened and for a failing database.
func TestCloseRoomWhileTheDatabaseFails(t *testing.T) {
	const closing, update, read = sandbox.OperationClose, sandbox.OperationUpdate, sandbox.OperationRead
	for _, test := range []struct {
		name   string
		hasEnd bool
		fails  []sandbox.Operation // once each
		want   string
	}{
		{
			name: "for one call, the next call closes an open room", hasEnd: false,
			fails: []sandbox.Operation{closing}, want: clientstest.Done,
		},
		{
			name: "for two calls, a room without an end is maybe done", hasEnd: false,
			fails: []sandbox.Operation{closing, update}, want: clientstest.MaybeDone,
		},
		{
			name: "for two calls, a room with an end is maybe done", hasEnd: true,
			fails: []sandbox.Operation{closing, update}, want: clientstest.MaybeDone,
		},
		{
			name: "for three calls, a room with an end is not done", hasEnd: true,
			fails: []sandbox.Operation{closing, update, read}, want: clientstest.NotDone,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := service.Start(t)
			var end *int64
			if test.hasEnd {
				end = s.At(3600)
			}
			id := s.MakeRoom(s.At(-10), end)
			var faults []sandbox.Fault
			for _, operation := range test.fails {
				faults = append(faults, sandbox.Fault{
					Operation: operation, Do: sandbox.EffectRefuse, Type: "database_query_failed", Times: 1,
				})
			}
			s.SetFaults(faults...)
			failed := service.Failure(t, s.Client.CloseRoom(s.Context(), id))
			if clientstest.Verdict(failed) != test.want || failed != nil && failed.RetryAfter != 0 && !test.hasEnd {
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
