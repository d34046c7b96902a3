package clientstest

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
)

// TestHangingUp tests what a create leaves, and how it is told, whose caller does not wait for the reply.
func (s Service[C, N]) TestHangingUp(t *testing.T) {
	t.Run("in the middle of a create, what is said not to be done is not", s.testHangingUpAnywhere)
	t.Run("once the room is there leaves a room that nobody was told of", s.testHangingUpLate)
}

func (s Service[C, N]) testHangingUpAnywhere(t *testing.T) {
	in := s.Start(t)
	const creates = 200
	verdicts := map[uuid.UUID]string{}
	for range creates {
		class := uuid.New()
		ctx, cancel := context.WithTimeout(t.Context(), rand.N(4*time.Millisecond)) //nolint:gosec // nothing secret about it
		_, err := in.Client.CreateRoom(ctx, s.NewRoom(Audience, class, in.Now.Load()))
		cancel()
		verdicts[class] = Verdict(s.Failure(t, err))
	}
	in.server.Close() // waits for the stand-in to drop them
	rooms := map[uuid.UUID]int{}
	for _, room := range in.rooms() {
		rooms[room.ClassroomID]++
	}
	count := map[string]int{}
	for class, verdict := range verdicts {
		count[verdict]++
		switch n := rooms[class]; {
		case n > 1, verdict == done && n != 1, verdict != done && verdict != maybeDone && n != 0:
			t.Errorf("%s, and there are %d rooms", verdict, n)
		}
	}
	if count[done]+count[maybeDone]+count[notDone] != creates || count[maybeDone] == 0 {
		t.Errorf("%v", count)
	}
}

func (s Service[C, N]) testHangingUpLate(t *testing.T) {
	in := s.Start(t)
	in.SetFaults(sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLate, DelayMS: 3000})
	ctx, cancel := context.WithCancel(in.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := in.Client.CreateRoom(ctx, in.NewRoom())
		ended <- err
	}()
	await(t, func() bool { return len(in.rooms()) == 1 })
	cancel()
	if failed := s.Failure(t, <-ended); Verdict(failed) != maybeDone {
		t.Errorf("%+v", failed)
	}
	await(t, func() bool {
		log, err := sandboxclient.Log(t.Context(), in.inspected.URL)
		if err != nil {
			t.Fatal(err)
		}
		return len(log) == 1 && log[0].RoomID != nil && !log[0].ReplyDelivered
	})
}

// await polls until the condition holds.
func await(t *testing.T, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-deadline:
			t.Fatal("it never came to pass")
		case <-time.After(5 * time.Millisecond):
		}
	}
}
