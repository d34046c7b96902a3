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

// TestCancelledCreate checks which rooms exist after a create whose context ends before the reply, and its verdict.
func (s Service[C, N]) TestCancelledCreate(t *testing.T) {
	t.Run("a create cancelled at any time makes a room only if it is done or maybe done", s.testCancelledAtRandom)
	t.Run("a create cancelled after the insert is maybe done and leaves a room", s.testCancelledAfterInsert)
}

func (s Service[C, N]) testCancelledAtRandom(t *testing.T) {
	standIn := s.Start(t)
	const creates = 200
	verdicts := map[uuid.UUID]string{}
	for range creates {
		class := uuid.New()
		timeout := rand.N(4 * time.Millisecond) //nolint:gosec // a duration is no secret
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		_, err := standIn.Client.CreateRoom(ctx, s.NewRoom(Audience, class, standIn.Now.Load()))
		cancel()
		verdicts[class] = Verdict(s.Failure(t, err))
	}
	standIn.server.Close() // waits until the stand-in has dropped the cancelled requests
	rooms := map[uuid.UUID]int{}
	for _, room := range standIn.rooms() {
		rooms[room.ClassroomID]++
	}
	count := map[string]int{}
	for class, verdict := range verdicts {
		count[verdict]++
		switch n := rooms[class]; {
		case n > 1, verdict == Done && n != 1, verdict != Done && verdict != MaybeDone && n != 0:
			t.Errorf("%s, and there are %d rooms", verdict, n)
		}
	}
	if count[Done]+count[MaybeDone]+count[NotDone] != creates || count[MaybeDone] == 0 {
		t.Errorf("%v", count)
	}
}

func (s Service[C, N]) testCancelledAfterInsert(t *testing.T) {
	standIn := s.Start(t)
	standIn.SetFaults(sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLate, DelayMS: 3000})
	ctx, cancel := context.WithCancel(standIn.Context())
	result := make(chan error, 1)
	go func() {
		_, err := standIn.Client.CreateRoom(ctx, standIn.NewRoom())
		result <- err
	}()
	waitUntil(t, func() bool { return len(standIn.rooms()) == 1 })
	cancel()
	if failed := s.Failure(t, <-result); Verdict(failed) != MaybeDone {
		t.Errorf("%+v", failed)
	}
	waitUntil(t, func() bool {
		log, err := sandboxclient.Log(t.Context(), standIn.inspection.URL)
		if err != nil {
			t.Fatal(err)
		}
		return len(log) == 1 && log[0].RoomID != nil && !log[0].ReplyDelivered
	})
}

// waitUntil polls the condition for at most 20 s.
func waitUntil(t *testing.T, condition func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !condition() {
		select {
		case <-deadline:
			t.Fatal("the condition does not hold after 20 s")
		case <-time.After(5 * time.Millisecond):
		}
	}
}
