package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// Operation is the kind of a request to which a fault applies.
type Operation string

// The operations. Only OperationAny covers event's POST /rooms/:id/events.
const (
	OperationCreate Operation = "create" // POST /rooms; Janus: create
	OperationRead   Operation = "read"   // GET /rooms/:id; Janus: exists, list, listparticipants
	OperationUpdate Operation = "update" // PATCH /rooms/:id, also if it closes the room; Janus: edit
	OperationClose  Operation = "close"  // conference: POST /rooms/:id/close; Janus: destroy; not for event
	OperationLock   Operation = "lock"   // event: POST /rooms/:id/locked_types; not for conference and Janus
	OperationAny    Operation = "any"
)

// Effect is what a fault does to a request.
type Effect string

// The effects. They apply after the checks of token, path and body. A request that hangs or is late holds database
// connections meanwhile, as one does whose database is slow.
const (
	// EffectRefuse replies with a problem of the given status and type, without any work.
	EffectRefuse Effect = "refuse"
	// EffectFail replies with 503, or the given status, and plain text, without any work.
	EffectFail Effect = "fail"
	// EffectHang takes a connection, but does no work and sends no reply until the client disconnects or the fault is
	// removed; then it replies with 503.
	EffectHang Effect = "hang"
	// EffectLate waits half of the delay before the work and half of it after, then replies. Conference takes its second
	// connection between the work and the second half.
	EffectLate Effect = "late"
	// EffectLoseReply does the work, then closes the connection without a reply.
	EffectLoseReply Effect = "lose_reply"
)

// Fault is one way in which a stand-in misbehaves. The first fault of the list that matches a request and is not used
// up applies to the request.
type Fault struct {
	Operation Operation `json:"operation"`
	// ClassroomID restricts the fault to one class; nil is every class. For Janus, whose rooms have no class, it is the
	// room's id or a uuid in the room's description.
	ClassroomID *uuid.UUID `json:"classroom_id,omitempty"`
	Do          Effect     `json:"do"`
	// Times is how often it applies; 0 is until it is removed.
	Times int `json:"times"`
	// Status of EffectRefuse and EffectFail, 400 to 599; 0 is 503 for EffectFail and the type's status for EffectRefuse.
	// For a refusal by Janus it is the plugin's error code, 433 by default.
	Status int `json:"status,omitempty"`
	// Type of EffectRefuse; empty is access_denied for event and room_time_changing_forbidden for conference. For Janus it
	// is the text of the error.
	Type string `json:"type,omitempty"`
	// RetryAfter, in seconds, is a header of EffectRefuse and EffectFail; 0 is none.
	RetryAfter int `json:"retry_after,omitempty"`
	// DelayMS is the delay of EffectLate in milliseconds.
	DelayMS int `json:"delay_ms,omitempty"`
}

// pendingFault is a fault and how often it still applies.
type pendingFault struct {
	ID uuid.UUID `json:"id"`
	Fault
	Remaining *int `json:"remaining"` // nil: without limit

	removed chan struct{} // closed when the fault is removed
}

func newPendingFault(fault Fault) pendingFault {
	p := pendingFault{ID: uuid.New(), Fault: fault, removed: make(chan struct{})}
	if fault.Times > 0 {
		p.Remaining = &fault.Times
	}
	return p
}

// faults are the faults of one stand-in.
type faults struct {
	operations []Operation // those of the service

	mu   sync.Mutex
	list []pendingFault
}

func newFaults(operations ...Operation) *faults {
	return &faults{operations: append(operations, OperationAny)}
}

// take returns the first fault that matches and counts it as applied once. Do is empty if none matches. The channel is
// closed when the fault is removed.
func (f *faults) take(operation Operation, matches func(classroom uuid.UUID) bool) (Fault, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.list {
		fault := &f.list[i]
		switch {
		case fault.Operation != operation && fault.Operation != OperationAny:
		case fault.ClassroomID != nil && !matches(*fault.ClassroomID):
		case fault.Remaining == nil:
			return fault.Fault, fault.removed
		case *fault.Remaining > 0:
			left := *fault.Remaining - 1
			fault.Remaining = &left
			return fault.Fault, fault.removed
		}
	}
	return Fault{}, nil
}

// add adds a fault behind the others, which keep their counts.
func (f *faults) add(fault Fault) uuid.UUID {
	f.mu.Lock()
	defer f.mu.Unlock()
	added := newPendingFault(fault)
	f.list = append(f.list, added)
	return added.ID
}

// remove reports whether there was such a fault.
func (f *faults) remove(id uuid.UUID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.list, func(fault pendingFault) bool { return fault.ID == id })
	if i < 0 {
		return false
	}
	close(f.list[i].removed)
	f.list = slices.Delete(f.list, i, i+1)
	return true
}

func (f *faults) replace(list []Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.list {
		close(fault.removed)
	}
	f.list = nil
	for _, fault := range list {
		f.list = append(f.list, newPendingFault(fault))
	}
}

func (f *faults) pending() []pendingFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list)
}

// serve adds the routes of the faults.
func (f *faults) serve(mux *http.ServeMux) {
	const path = "/sandbox/faults"
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, append([]pendingFault{}, f.pending()...))
	})
	mux.HandleFunc("PUT "+path, func(w http.ResponseWriter, r *http.Request) {
		var list []Fault
		if !readFaults(w, r, &list) {
			return
		}
		for i, fault := range list {
			if err := f.check(fault); err != nil {
				http.Error(w, fmt.Sprintf("faults[%d].%s", i, err), http.StatusBadRequest)
				return
			}
		}
		f.replace(list)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		var fault Fault
		if !readFaults(w, r, &fault) {
			return
		}
		if err := f.check(fault); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		writeJSON(w, map[string]uuid.UUID{"id": f.add(fault)})
	})
	mux.HandleFunc("DELETE "+path, func(w http.ResponseWriter, _ *http.Request) {
		f.replace(nil)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE "+path+"/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := uuid.Parse(r.PathValue("id"))
		if err != nil || !f.remove(id) {
			http.Error(w, "there is no such fault", http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// readFaults reads the body of a request, or answers it with 400.
func readFaults(w http.ResponseWriter, r *http.Request, into any) bool {
	err := readStrictly(w, r, into)
	if err != nil {
		http.Error(w, "faults: "+err.Error(), http.StatusBadRequest)
	}
	return err == nil
}

// check returns an error that begins with the name of the bad field.
func (f *faults) check(fault Fault) error {
	effects := []Effect{EffectRefuse, EffectFail, EffectHang, EffectLate, EffectLoseReply}
	switch {
	case !slices.Contains(f.operations, fault.Operation):
		return fmt.Errorf("operation: %q is not one of %q", fault.Operation, f.operations)
	case !slices.Contains(effects, fault.Do):
		return fmt.Errorf("do: %q is not one of %q", fault.Do, effects)
	case fault.Times < 0:
		return fmt.Errorf("times: %d is negative", fault.Times)
	case fault.Status != 0 && (fault.Status < 400 || fault.Status > 599):
		return fmt.Errorf("status: %d is not within 400 to 599", fault.Status)
	case fault.RetryAfter < 0:
		return fmt.Errorf("retry_after: %d is negative", fault.RetryAfter)
	case fault.DelayMS < 0:
		return fmt.Errorf("delay_ms: %d is negative", fault.DelayMS)
	}
	return nil
}
