package limiter_test

import (
	"sync"
	"testing"

	"minigroups/limiter"
)

func TestHalfOfThePlacesAreForOneAudience(t *testing.T) {
	t.Parallel()
	for most, half := range map[int]int{2: 1, 5: 3, 6: 3} {
		b := limiter.New(most)
		enter := func(audience string, wanted bool) (leave func()) {
			t.Helper()
			if full := b.Full(audience); full == wanted {
				t.Errorf("of %d: full for %s: %v", most, audience, full)
			}
			leave, ok := b.Acquire(audience)
			if ok != wanted || ok != (leave != nil) {
				t.Fatalf("of %d: %s may enter: %v", most, audience, ok)
			}
			return leave
		}
		var leave func()
		for range half {
			leave = enter("one", true)
		}
		enter("one", false)
		for range most - half {
			enter("another", true)
		}
		enter("a third", false)
		leave()
		leave()
		enter("a third", true)
		enter("one", false)
	}
}

func TestWithoutALimitEverybodyMayEnter(t *testing.T) {
	t.Parallel()
	b := limiter.New(0)
	for range 1000 {
		if _, ok := b.Acquire("one"); !ok || b.Full("one") {
			t.Fatal("it is full")
		}
	}
}

func TestPlacesAreTakenByOneAtATime(t *testing.T) {
	t.Parallel()
	b := limiter.New(4)
	inside := make(chan struct{}, 2)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				leave, ok := b.Acquire("one")
				if !ok {
					continue
				}
				select {
				case inside <- struct{}{}:
					<-inside
				default:
					t.Error("three are inside")
				}
				leave()
			}
		})
	}
	all.Wait()
	for range 2 {
		if _, ok := b.Acquire("one"); !ok {
			t.Error("somebody has not left")
		}
	}
}
