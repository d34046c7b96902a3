package limiter_test

import (
	"sync"
	"testing"

	"minigroups/limiter"
)

func TestOneAudienceHoldsAtMostHalf(t *testing.T) {
	t.Parallel()
	for capacity, half := range map[int]int{2: 1, 5: 3, 6: 3} {
		l := limiter.New(capacity)
		acquire := func(audience string, wanted bool) (release func()) {
			t.Helper()
			if full := l.Full(audience); full == wanted {
				t.Errorf("capacity %d: Full(%q) = %v", capacity, audience, full)
			}
			release, ok := l.Acquire(audience)
			if ok != wanted || ok != (release != nil) {
				t.Fatalf("capacity %d: Acquire(%q) = %v", capacity, audience, ok)
			}
			return release
		}
		var release func()
		for range half {
			release = acquire("first", true)
		}
		acquire("first", false)
		for range capacity - half {
			acquire("second", true)
		}
		acquire("third", false)
		release()
		release()
		acquire("third", true)
		acquire("first", false)
	}
}

func TestZeroIsNoLimit(t *testing.T) {
	t.Parallel()
	l := limiter.New(0)
	for range 1000 {
		if _, ok := l.Acquire("first"); !ok || l.Full("first") {
			t.Fatal("it is full")
		}
	}
}

func TestConcurrentHoldersStayBelowTheLimit(t *testing.T) {
	t.Parallel()
	l := limiter.New(4)
	holders := make(chan struct{}, 2)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				release, ok := l.Acquire("first")
				if !ok {
					continue
				}
				select {
				case holders <- struct{}{}:
					<-holders
				default:
					t.Error("more than two holders at the same time")
				}
				release()
			}
		})
	}
	wg.Wait()
	for range 2 {
		if _, ok := l.Acquire("first"); !ok {
			t.Error("capacity was not released")
		}
	}
}
