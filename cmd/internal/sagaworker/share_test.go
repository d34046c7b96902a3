package sagaworker

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"minigroups/activities"
	"minigroups/config"
)

// fakeLeases are leases in memory.
type fakeLeases struct {
	mu    sync.Mutex
	until map[uuid.UUID]time.Time
	away  bool
}

func (l *fakeLeases) RenewLease(_ context.Context, id uuid.UUID, duration time.Duration) (alive int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away {
		return 0, errors.New("Postgres is away")
	}
	l.until[id] = time.Now().Add(duration)
	for _, until := range l.until {
		if until.After(time.Now()) {
			alive++
		}
	}
	return alive, nil
}

func (l *fakeLeases) EndLease(_ context.Context, id uuid.UUID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.until, id)
	return nil
}

func (l *fakeLeases) setAway(away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = away
}

func TestWorkersShareTheLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leases := &fakeLeases{until: map[uuid.UUID]time.Time{}}
		cfg := config.Default()
		cfg.Event.MaxInFlight, cfg.Conference.MaxInFlight = 100, 8
		var all []*activities.Limits
		start := func() (stop func()) {
			limits := activities.NewLimits(cfg.Saga.MaxInFlight)
			all = append(all, limits)
			s := newShare(cfg, leases, limits, zap.NewNop())
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				s.run(ctx)
				close(ended)
			}()
			synctest.Wait()
			return func() {
				cancel()
				<-ended
			}
		}
		conference := func(want ...int) {
			t.Helper()
			synctest.Wait()
			for i, limits := range all[:len(want)] {
				if got := limits.Stats()["conference"].Limit; got != want[i] {
					t.Errorf("worker %d may send %d requests, want %d", i, got, want[i])
				}
			}
		}
		later := func() { time.Sleep(renewEvery + time.Millisecond) }

		stopFirst := start()
		conference(1) // until all others would know of it
		later()
		conference(4) // alone
		stopSecond, stopThird := start(), start()
		conference(4, 1, 1) // until all know of each other
		later()
		conference(2, 2, 2)
		if got := all[0].Stats()["event"].Limit; got != 4 {
			t.Errorf("event's limit is %d", got)
		}

		stopSecond()
		all = append(all[:1], all[2])
		later()
		conference(2, 2)
		later()
		conference(4, 4)

		leases.setAway(true)
		later()
		later()
		later()
		later()
		conference(4, 4) // without Postgres they keep their shares
		leases.setAway(false)
		leases.mu.Lock()
		clear(leases.until)
		leases.mu.Unlock()
		later() // the first to renew counts only itself
		conference(4, 4)
		later()

		for range 10 {
			defer start()()
		}
		later()
		later()
		conference(1, 1, 1, 1) // never none
		stopFirst()
		stopThird()
	})
}

func TestWithoutALimitNothingIsShared(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.Saga.MaxInFlight = 0
	limits := activities.NewLimits(cfg.Saga.MaxInFlight)
	s := newShare(cfg, &fakeLeases{until: map[uuid.UUID]time.Time{}}, limits, zap.NewNop())
	s.renew(t.Context(), uuid.New(), 1)
	if got := limits.Stats()["conference"].Limit; got != 0 {
		t.Errorf("the limit is %d", got)
	}
}

func TestAWorkerThatDiesLeavesItsShareToTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leases := &fakeLeases{until: map[uuid.UUID]time.Time{}}
		cfg := config.Default()
		cfg.Conference.MaxInFlight = 4
		limits := activities.NewLimits(4)
		if _, err := leases.RenewLease(t.Context(), uuid.New(), leaseDuration); err != nil { // of a worker that dies
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go newShare(cfg, leases, limits, zap.NewNop()).run(ctx)
		for _, c := range []struct {
			after time.Duration
			want  int
		}{{0, 1}, {renewEvery, 2}, {renewEvery, 2}, {renewEvery, 2}, {renewEvery, 4}} {
			time.Sleep(c.after + time.Millisecond)
			synctest.Wait()
			if got := limits.Stats()["conference"].Limit; got != c.want {
				t.Errorf("after %s the limit is %d, want %d", c.after, got, c.want)
			}
		}
	})
}
