package sandbox

import (
	"encoding/json"
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
	// EffectHang takes a connection, but does no work and sends no reply until the client disconnects or the faults are
	// replaced; then it replies with 503.
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
	// Times is how often it applies; 0 is until the faults are replaced.
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
	Fault
	Remaining *int `json:"remaining"` // nil: without limit
}

// faults are the faults of one stand-in.
type faults struct {
	operations []Operation // those of the service

	mu       sync.Mutex
	list     []pendingFault
	replaced chan struct{} // closed when the list is replaced
}

func newFaults(operations ...Operation) *faults {
	return &faults{operations: append(operations, OperationAny), replaced: make(chan struct{})}
}

// take returns the first fault that matches and counts it as applied once. Do is empty if none matches. The channel is
// closed when the faults are replaced.
func (f *faults) take(operation Operation, matches func(classroom uuid.UUID) bool) (Fault, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.list {
		fault := &f.list[i]
		switch {
		case fault.Operation != operation && fault.Operation != OperationAny:
		case fault.ClassroomID != nil && !matches(*fault.ClassroomID):
		case fault.Remaining == nil:
			return fault.Fault, f.replaced
		case *fault.Remaining > 0:
			left := *fault.Remaining - 1
			fault.Remaining = &left
			return fault.Fault, f.replaced
		}
	}
	return Fault{}, f.replaced
}

func (f *faults) replace(list []Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = make([]pendingFault, len(list))
	for i, fault := range list {
		f.list[i].Fault = fault
		if fault.Times > 0 {
			f.list[i].Remaining = &fault.Times
		}
	}
	close(f.replaced)
	f.replaced = make(chan struct{})
}

func (f *faults) pending() []pendingFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list)
}

func (f *faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		writeJSON(w, append([]pendingFault{}, f.pending()...))
	case http.MethodPut:
		list, err := f.read(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		f.replace(list)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodDelete:
		f.replace(nil)
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", "GET, PUT, DELETE")
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (f *faults) read(w http.ResponseWriter, r *http.Request) ([]Fault, error) {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit))
	decoder.DisallowUnknownFields()
	var list []Fault
	if err := decoder.Decode(&list); err != nil {
		return nil, fmt.Errorf("faults: %w", err)
	}
	for i, fault := range list {
		if err := f.check(fault); err != nil {
			return nil, fmt.Errorf("faults[%d].%w", i, err)
		}
	}
	return list, nil
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
