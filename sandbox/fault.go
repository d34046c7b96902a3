package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// Operation is what a request does, in the words of faults.
type Operation string

// The operations. What Any alone covers: event's POST /rooms/:id/events.
const (
	OperationCreate Operation = "create" // POST /rooms; Janus: create
	OperationRead   Operation = "read"   // GET /rooms/:id; Janus: exists, list, listparticipants
	OperationUpdate Operation = "update" // PATCH /rooms/:id, also one that closes the room; Janus: edit
	OperationClose  Operation = "close"  // conference: POST /rooms/:id/close; Janus: destroy; event has none
	OperationLock   Operation = "lock"   // event: POST /rooms/:id/locked_types; others have none
	OperationAny    Operation = "any"
)

// Effect is what a fault does to a request.
type Effect string

// The effects. None of them comes before the checks of token, path and body.
const (
	// EffectRefuse answers a problem of the given status and type, before any work.
	EffectRefuse Effect = "refuse"
	// EffectFail answers 503, or the given status, with plain text, before any work.
	EffectFail Effect = "fail"
	// EffectHang does no work and answers nothing until the client goes away or the faults are replaced; then it answers 503.
	EffectHang Effect = "hang"
	// EffectLate waits half of the delay before the work and half of it after, then answers.
	EffectLate Effect = "late"
	// EffectLoseReply does the work, then cuts the connection.
	EffectLoseReply Effect = "lose_reply"
)

// Fault is one way in which a stand-in misbehaves. A request meets the first fault of the list that fits it and is not
// used up.
type Fault struct {
	Operation Operation `json:"operation"`
	// ClassroomID narrows the fault to one class. For Janus, whose rooms know no class: the room's id, or a uuid that
	// its description contains.
	ClassroomID *uuid.UUID `json:"classroom_id,omitempty"`
	Do          Effect     `json:"do"`
	// Times it happens; 0: until the faults are replaced.
	Times int `json:"times"`
	// Status of EffectRefuse and EffectFail, 400 to 599; 0: 503 for EffectFail, and for EffectRefuse what goes with the
	// type. For a refusal by Janus: the plugin's error code, by default 433.
	Status int `json:"status,omitempty"`
	// Type of EffectRefuse; empty: access_denied from event, room_time_changing_forbidden from conference. For Janus:
	// the error's text.
	Type string `json:"type,omitempty"`
	// RetryAfter in seconds goes into the header of EffectRefuse and EffectFail; 0: no header.
	RetryAfter int `json:"retry_after,omitempty"`
	// DelayMS of EffectLate, in milliseconds.
	DelayMS int `json:"delay_ms,omitempty"`
}

// pendingFault is a fault with what is left of it.
type pendingFault struct {
	Fault
	Remaining *int `json:"remaining"` // nil: unlimited
}

// faults are the switches of one stand-in.
type faults struct {
	operations []Operation // those that the service has

	mu       sync.Mutex
	list     []pendingFault
	replaced chan struct{} // closed when the list is replaced
}

func newFaults(operations ...Operation) *faults {
	return &faults{operations: append(operations, OperationAny), replaced: make(chan struct{})}
}

// take uses up one occurrence of the first fault for the operation that matches; its Do is empty when there is none. The
// channel closes when the faults are replaced.
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

// check returns an error that begins with the name of the field.
func (f *faults) check(fault Fault) error {
	effects := []Effect{EffectRefuse, EffectFail, EffectHang, EffectLate, EffectLoseReply}
	switch {
	case !slices.Contains(f.operations, fault.Operation):
		return fmt.Errorf("operation: %q is none of %q", fault.Operation, f.operations)
	case !slices.Contains(effects, fault.Do):
		return fmt.Errorf("do: %q is none of %q", fault.Do, effects)
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
