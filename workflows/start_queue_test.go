package workflows

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnAudienceWithManyStartsLeavesTurnsToOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newStartQueue()
		var started atomic.Int64
		start := func(audience string) (end func(), err error) {
			return q.do(t.Context(), audience, func() error {
				started.Add(1)
				return nil
			})
		}
		began := time.Now()
		end, err := start("few.example")
		if err != nil {
			t.Fatal(err)
		}
		end()
		for range 100 {
			go func() { _, _ = start("many.example") }() // their sagas do not end
		}
		synctest.Wait()
		if n := started.Load() - 1; n != maxConcurrentStarts/2 {
			t.Errorf("the audience with many started %d, want half of the turns", n)
		}
		for range 10 {
			end, err := start("few.example")
			if err != nil {
				t.Fatal(err)
			}
			end()
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the other audience waited for %s", took)
		}
		time.Sleep(firstSteps)
		synctest.Wait()
		if n := started.Load() - 11; n != maxConcurrentStarts {
			t.Errorf("after %s the audience with many had started %d", firstSteps, n)
		}
		time.Sleep(time.Minute)
	})
}

func TestAStartThatFailsEndsItsTurn(t *testing.T) {
	t.Parallel()
	q := newStartQueue()
	for range 2 * maxConcurrentStarts {
		end, err := q.do(t.Context(), "example.org", func() error { return context.Canceled })
		if err == nil || end != nil {
			t.Fatalf("got %v", err)
		}
	}
	if s := q.limiter.Stats(); s.InFlight != 0 {
		t.Errorf("%d turns are taken", s.InFlight)
	}
}
