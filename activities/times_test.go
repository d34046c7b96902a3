package activities

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"minigroups/minigroup"
)

// slowLedger takes its time for every refusal, and fails until it was asked often enough.
type slowLedger struct {
	*fakeLedger
	takes, until time.Duration // until is since began
	began        time.Time
	asked        []time.Duration // when it was
}

func (l *slowLedger) RefuseAttempt(ctx context.Context, _ uuid.UUID) error {
	l.asked = append(l.asked, time.Since(l.began))
	select {
	case <-time.After(l.takes):
	case <-ctx.Done():
	}
	if time.Since(l.began) < l.until && len(l.asked) < 100 {
		return errors.New("the ledger is unavailable")
	}
	return nil
}

func TestTheLedgerIsAskedLessAndLessOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &slowLedger{fakeLedger: newFakeLedger(), takes: time.Second, until: time.Minute, began: time.Now()}
		f := NewInFlight(l, l, zap.NewNop())
		f.recordRefusal(uuid.New())
		f.cancel()
		for i := 1; i < len(l.asked); i++ {
			pause := l.asked[i] - l.asked[i-1] - l.takes // negative if it has no time to answer
			if want := min(firstLedgerWait<<(i-1), 5*time.Second); pause != want || pause < 100*time.Millisecond {
				t.Errorf("pause %d is %s, want %s", i, pause, want)
			}
		}
		if n := len(l.asked); n < 10 {
			t.Errorf("it was asked %d times in a minute", n)
		}
	})
}

func TestAnAttemptIsRegisteredOnceAndOnlyIfThereIsOne(t *testing.T) {
	t.Parallel()
	l := newFakeLedger()
	f := NewInFlight(l, l, zap.NewNop())
	event := uuid.New()
	f.registerRooms(uuid.New(), time.Now().Add(time.Hour), minigroup.RunningCreate{}, event, uuid.Nil)
	if r, _ := f.find(event); r == nil || r.kind != minigroup.EventRoom {
		t.Errorf("the event room's request is %+v", r)
	}
	if r, _ := f.find(uuid.Nil); r != nil {
		t.Errorf("no attempt is registered as %+v", r)
	}
	r, _ := f.find(event)
	f.drop(r)
	send := func(context.Context) (uuid.UUID, error) { return uuid.New(), nil }
	if f.start(r, send, func() {}) {
		t.Error("a request was sent that was discarded")
	}
	stop(t, f)
	if call := l.next(t); call != "refused" {
		t.Errorf("the ledger was called with %q", call)
	}
	l.none(t)
}

func TestOnlyARefusalToChangeARoomHasAKindOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		errors.New("no answer"), &minigroup.UpstreamError{Type: "room_closed"},
		&minigroup.UpstreamError{Type: "access_denied", Refused: true},
	} {
		if got := patchRefusal(err); !errors.Is(got, err) {
			t.Errorf("%v became %v", err, got)
		}
	}
}

// A sweep leaves alone what a run may still change, and ends before its activity does.
func TestTheTimesOfSweepsAndSteps(t *testing.T) {
	t.Parallel()
	if minAge < time.Second || SweepBudget < 2*minAge || lookUpTimeout < time.Second || lookUpTimeout >= SweepBudget {
		t.Errorf("a record is left alone for %s; a sweep takes %s, its look-ups %s", minAge, SweepBudget, lookUpTimeout)
	}
	if lookUpEvery != 24*time.Hour || replicaLag < time.Minute || replicaLag > lookUpEvery {
		t.Errorf("rooms are looked up every %s; replicas are up to %s behind", lookUpEvery, replicaLag)
	}
	if got := LongestStep(5 * time.Second); got != 12*time.Second {
		t.Errorf("the longest step takes %s: two requests and a pause between them", got)
	}
}
