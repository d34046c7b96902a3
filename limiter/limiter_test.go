package limiter_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"minigroups/limiter"
)

// acquire returns a permit that is free now.
func acquire(t *testing.T, l *limiter.Limiter, audience string) *limiter.Permit {
	t.Helper()
	p, ok := l.TryAcquire(audience)
	if !ok {
		t.Fatalf("no permit for %s: %+v", audience, l.Stats())
	}
	return p
}

// full requires that the audience gets no permit now.
func full(t *testing.T, l *limiter.Limiter, audience string) {
	t.Helper()
	if l.Free(audience) {
		t.Errorf("a permit for %s is free", audience)
	}
	if _, ok := l.TryAcquire(audience); ok {
		t.Fatalf("%s got a permit: %+v", audience, l.Stats())
	}
}

func TestAnAudienceAloneHoldsAllPermitsButOne(t *testing.T) {
	t.Parallel()
	for limit, all := range map[int]int{1: 1, 2: 1, 4: 3} {
		l := limiter.New(limit, 0)
		for range all {
			acquire(t, l, "first")
		}
		full(t, l, "first")
		if limit > all {
			acquire(t, l, "second")
		}
		full(t, l, "second")
	}
}

func TestAudiencesLeaveHalfOfThePermitsToEachOther(t *testing.T) {
	t.Parallel()
	for limit, half := range map[int]int{1: 1, 2: 1, 5: 3, 6: 3} {
		synctest.Test(t, func(t *testing.T) {
			l := limiter.New(limit, 0)
			acquire(t, l, "first").Release()
			acquire(t, l, "second").Release()
			for range half {
				acquire(t, l, "first")
			}
			full(t, l, "first")
			if limit > half {
				acquire(t, l, "second").Release()
			}
			time.Sleep(11 * time.Minute) // the second audience is gone
			for range max(limit-1, 1) - half {
				acquire(t, l, "first")
			}
			full(t, l, "first")
		})
	}
}

func TestMaintenanceDoesNotCountAsAnotherAudience(t *testing.T) {
	t.Parallel()
	l := limiter.New(3, 0)
	acquire(t, l, "first").Release()
	acquire(t, l, "").Release()
	acquire(t, l, "first")
	acquire(t, l, "first")
}

func TestZeroIsNoLimit(t *testing.T) {
	t.Parallel()
	l := limiter.New(0, 0)
	for range 1000 {
		acquire(t, l, "first").Report(limiter.Answer{Overloaded: true})
	}
	if s := l.Stats(); s.InFlight != 1000 || s.Paused != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestReleasingTwiceReleasesOnce(t *testing.T) {
	t.Parallel()
	l := limiter.New(3, 0)
	acquire(t, l, "first")
	p := acquire(t, l, "first")
	p.Release()
	p.Release()
	acquire(t, l, "first")
	full(t, l, "first")
}

// waiting starts requests that wait, one after the other, and returns the names of those that got a permit, in that
// order. Each releases it at once.
func waiting(t *testing.T, l *limiter.Limiter, requests map[string]limiter.Request, order ...string) func() string {
	t.Helper()
	var mu sync.Mutex
	var granted []string
	for _, name := range order {
		go func() {
			if p, err := l.Acquire(t.Context(), requests[name]); err == nil {
				mu.Lock()
				granted = append(granted, name)
				mu.Unlock()
				p.Release()
			}
		}()
		synctest.Wait()
	}
	return func() string {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(granted, " ")
	}
}

func TestTheQueueIsFair(t *testing.T) {
	t.Parallel()
	old := time.Now().Add(-time.Hour)
	for name, c := range map[string]struct {
		requests map[string]limiter.Request
		order    []string
		want     string
	}{
		"first come, first served": {
			requests: map[string]limiter.Request{"1": {Audience: "a"}, "2": {Audience: "a"}, "3": {Audience: "a"}},
			order:    []string{"1", "2", "3"},
			want:     "1 2 3",
		},
		"audiences take turns": {
			requests: map[string]limiter.Request{
				"a1": {Audience: "a"}, "a2": {Audience: "a"}, "a3": {Audience: "a"}, "b1": {Audience: "b"}, "b2": {Audience: "b"},
			},
			order: []string{"a1", "a2", "a3", "b1", "b2"},
			want:  "a1 b1 a2 b2 a3",
		},
		"new requests and retries take turns, and the oldest retry goes first": {
			requests: map[string]limiter.Request{
				"r1": {Audience: "a", Retry: true, Since: old.Add(2)}, "r2": {Audience: "a", Retry: true, Since: old.Add(1)},
				"r3": {Audience: "a", Retry: true, Since: old.Add(3)}, "n1": {Audience: "a"}, "n2": {Audience: "a"},
			},
			order: []string{"r1", "r2", "r3", "n1", "n2"},
			want:  "n1 r2 n2 r1 r3",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := limiter.New(1, 10)
				p := acquire(t, l, "other")
				granted := waiting(t, l, c.requests, c.order...)
				p.Release()
				if got := granted(); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			})
		})
	}
}

func TestTheQueueIsBoundedForEachAudience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter.New(1, 2)
		p := acquire(t, l, "a")
		granted := waiting(t, l, map[string]limiter.Request{"a1": {Audience: "a"}, "a2": {Audience: "a"}}, "a1", "a2")
		_, err := l.Acquire(t.Context(), limiter.Request{Audience: "a"})
		want := "not sent: 2 requests of the audience wait already; 1 requests are in flight, the limit is 1"
		if err == nil || err.Error() != want {
			t.Errorf("got %v", err)
		}
		if s := l.Stats(); s != (limiter.Stats{Limit: 1, InFlight: 1, Waiting: 2}) {
			t.Errorf("got %+v", s)
		}
		_ = waiting(t, l, map[string]limiter.Request{"b1": {Audience: "b"}}, "b1")
		if s := l.Stats(); s.Waiting != 3 {
			t.Errorf("the full queue of one audience refuses another: %+v", s)
		}
		p.Release()
		if got := granted(); got != "a1 a2" {
			t.Errorf("got %q", got)
		}
	})
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter.New(1, 10)
		p := acquire(t, l, "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := l.Acquire(ctx, limiter.Request{Audience: "a"})
		if err == nil || err.Error() != "not sent: no capacity in time; 1 requests are in flight, the limit is 1" {
			t.Errorf("got %v", err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		_, err = l.Acquire(ctx, limiter.Request{Audience: "a"})
		if err == nil || err.Error() != "not sent: context canceled" {
			t.Errorf("got %v", err)
		}
		if s := l.Stats(); s.Waiting != 0 {
			t.Errorf("got %+v", s)
		}
		p.Release()
		acquire(t, l, "a")
	})
}

func TestRequestsInFlightStayBelowTheLimit(t *testing.T) {
	t.Parallel()
	l := limiter.New(4, 100)
	slots := make(chan struct{}, 4)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for range 200 {
				p, err := l.Acquire(t.Context(), limiter.Request{Audience: string(rune('a' + i%3)), Retry: i%2 == 0})
				if err != nil {
					t.Error(err)
					return
				}
				select {
				case slots <- struct{}{}:
					<-slots
				default:
					t.Error("more than four requests at the same time")
				}
				p.Report(limiter.Answer{})
				p.Release()
			}
		})
	}
	wg.Wait()
	if s := l.Stats(); s != (limiter.Stats{Limit: 4}) {
		t.Errorf("got %+v", s)
	}
}

// TestAnAudienceWhoseRequestsHangPausesAlone has many requests of one audience that are not answered, as when its
// tenant hangs, and nothing else going on.
func TestAnAudienceWhoseRequestsHangPausesAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const hang = 10 * time.Second
		l := limiter.New(4, 128)
		ctx, cancel := context.WithCancel(t.Context())
		var hanging sync.WaitGroup
		defer hanging.Wait()
		defer cancel()
		for range 100 {
			hanging.Go(func() {
				for ctx.Err() == nil {
					p, err := l.Acquire(ctx, limiter.Request{Audience: "hangs"})
					if err != nil {
						return
					}
					time.Sleep(hang)
					p.Report(overloaded)
					p.Release()
				}
			})
		}
		for i := range 100 {
			time.Sleep(time.Second)
			synctest.Wait()
			began := time.Now()
			p, err := l.Acquire(t.Context(), limiter.Request{Audience: "other"})
			if err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(began); waited > 2*time.Second || i > 30 && waited > 0 {
				t.Errorf("after %d requests, one waited for %s", i, waited)
			}
			p.Report(answered)
			p.Release()
		}
		if s := l.Stats(); s.Paused != 1 || s.Limit != 4 || s.InFlight > 1 {
			t.Errorf("got %+v", s)
		}
	})
}
