package clientstest

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/sandbox"
)

// faults are the faults that both services have, with the verdict on a change that meets them.
var faults = map[sandbox.Fault]string{
	{Do: sandbox.EffectRefuse}:                                      Refused,
	{Do: sandbox.EffectRefuse, Type: "invalid_payload"}:             Refused,
	{Do: sandbox.EffectRefuse, Type: "invalid_room_time"}:           Refused,
	{Do: sandbox.EffectRefuse, Type: "authorization_failed"}:        NotDone,
	{Do: sandbox.EffectRefuse, Type: "room_not_found"}:              NotDone,
	{Do: sandbox.EffectRefuse, Type: "never_heard_of", Status: 422}: MaybeDone,
	{Do: sandbox.EffectFail, RetryAfter: 7}:                         MaybeDone,
	{Do: sandbox.EffectFail, Status: 429}:                           MaybeDone,
	{Do: sandbox.EffectFail, Status: 502}:                           MaybeDone,
	{Do: sandbox.EffectFail, Status: 422}:                           Refused,
	{Do: sandbox.EffectFail, Status: 415}:                           Refused,
	{Do: sandbox.EffectHang}:                                        MaybeDone,
	{Do: sandbox.EffectLoseReply}:                                   MaybeDone,
}

// TestFaults checks, for every operation and fault, the client's verdict and whether the operation was executed. It
// covers the faults of both services and own, those of this service only. The keys of own have no Operation; the values
// are the verdicts on a change.
func (s Service[C, N]) TestFaults(t *testing.T, own map[sandbox.Fault]string) {
	all := maps.Clone(faults)
	maps.Copy(all, own)
	for fault, ofChange := range all {
		for _, operation := range s.operations() {
			fault.Operation = operation.Name
			want := operation.verdict(ofChange)
			name := strings.Join([]string{
				string(operation.Name), string(fault.Do), http.StatusText(fault.Status), fault.Type, "is", want,
			}, " ")
			t.Run(name, func(t *testing.T) { s.testFault(t, operation, fault, want) })
		}
	}
}

func (s Service[C, N]) testFault(t *testing.T, operation Operation[C], fault sandbox.Fault, want string) {
	standIn := s.Start(t)
	id := standIn.MakeRoom(standIn.At(-10), nil)
	standIn.SetFaults(fault)
	ctx := standIn.Context()
	if fault.Do == sandbox.EffectHang {
		ctx = bounded(t, 50*time.Millisecond)
	}
	failed := s.Failure(t, operation.Call(standIn.Client, ctx, id))
	if Verdict(failed) != want || failed.Type != fault.Type && fault.Type != "" ||
		failed.RetryAfter != time.Duration(fault.RetryAfter)*time.Second {
		t.Errorf("%s: %+v", Verdict(failed), failed)
	}
	executed := fault.Do == sandbox.EffectLoseReply
	room := standIn.Room(id)
	switch {
	case operation.Name == sandbox.OperationCreate:
		if made := len(standIn.rooms()) == 2; made != executed {
			t.Errorf("made: %v", made)
		}
	case operation.IsDone != nil && operation.IsDone(room) != executed:
		t.Errorf("%+v", room)
	}
}

// TestUnknownRoom checks that every operation on a room that the service does not find is not done. It is retryable,
// because a room may not be visible yet after its create.
func (s Service[C, N]) TestUnknownRoom(t *testing.T) {
	for _, operation := range s.Operations {
		t.Run(string(operation.Name)+" of a room that "+s.Name+" does not find is not done", func(t *testing.T) {
			standIn := s.Start(t)
			failed := s.Failure(t, operation.Call(standIn.Client, standIn.Context(), uuid.New()))
			if Verdict(failed) != NotDone || failed.Type != "room_not_found" {
				t.Errorf("%+v", failed)
			}
		})
	}
}
