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

// faults are those that all services have in common, and the verdict on a change which meets them.
var faults = map[sandbox.Fault]string{
	{Do: sandbox.EffectRefuse}:                                      "refused",
	{Do: sandbox.EffectRefuse, Type: "invalid_payload"}:             "refused",
	{Do: sandbox.EffectRefuse, Type: "invalid_room_time"}:           "refused",
	{Do: sandbox.EffectRefuse, Type: "authorization_failed"}:        notDone,
	{Do: sandbox.EffectRefuse, Type: "room_not_found"}:              notDone,
	{Do: sandbox.EffectRefuse, Type: "never_heard_of", Status: 422}: maybeDone,
	{Do: sandbox.EffectFail, RetryAfter: 7}:                         maybeDone,
	{Do: sandbox.EffectFail, Status: 429}:                           maybeDone,
	{Do: sandbox.EffectFail, Status: 502}:                           maybeDone,
	{Do: sandbox.EffectFail, Status: 422}:                           "refused",
	{Do: sandbox.EffectFail, Status: 415}:                           "refused",
	{Do: sandbox.EffectHang}:                                        maybeDone,
	{Do: sandbox.EffectLoseReply}:                                   maybeDone,
}

// TestFaults tests how every operation tells of the faults that all services have, and of those of this one alone, and
// whether it was carried out. The keys of own go without an Operation; the values are the verdicts on a change.
func (s Service[C, N]) TestFaults(t *testing.T, own map[sandbox.Fault]string) {
	all := maps.Clone(faults)
	maps.Copy(all, own)
	for fault, verdict := range all {
		for _, operation := range s.operations() {
			fault.Operation = operation.Name
			want := operation.expect(verdict)
			t.Run(strings.Join([]string{string(operation.Name), string(fault.Do), http.StatusText(fault.Status), fault.Type, "is", want}, " "), func(t *testing.T) {
				s.testFault(t, operation, fault, want)
			})
		}
	}
}

func (s Service[C, N]) testFault(t *testing.T, operation Operation[C], fault sandbox.Fault, want string) {
	in := s.Start(t)
	id := in.Make(in.At(-10), nil)
	in.SetFaults(fault)
	ctx := in.Context()
	if fault.Do == sandbox.EffectHang {
		ctx = bounded(t, 50*time.Millisecond)
	}
	failed := s.Failure(t, operation.Call(in.Client, ctx, id))
	if Verdict(failed) != want || failed.Type != fault.Type && fault.Type != "" || failed.RetryAfter != time.Duration(fault.RetryAfter)*time.Second {
		t.Errorf("%s: %+v", Verdict(failed), failed)
	}
	wasDone := fault.Do == sandbox.EffectLoseReply
	room := in.Room(id)
	switch {
	case operation.Name == sandbox.OperationCreate:
		if made := len(in.rooms()) == 2; made != wasDone {
			t.Errorf("made: %v", made)
		}
	case operation.IsDone != nil && operation.IsDone(room) != wasDone:
		t.Errorf("%+v", room)
	}
}

// TestUnseenRoom tests that everything about a room which the service does not see may be tried again.
func (s Service[C, N]) TestUnseenRoom(t *testing.T) {
	for _, operation := range s.Operations {
		t.Run(string(operation.Name)+" of a room that "+s.Name+" does not see may be tried again", func(t *testing.T) {
			in := s.Start(t)
			failed := s.Failure(t, operation.Call(in.Client, in.Context(), uuid.New()))
			if Verdict(failed) != notDone || failed.Type != "room_not_found" {
				t.Errorf("%+v", failed)
			}
		})
	}
}
