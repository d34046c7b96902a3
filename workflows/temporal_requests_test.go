package workflows

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestPausesGrowWhileTemporalIsBusy measures the pauses between the attempts of a request.
func TestPausesGrowWhileTemporalIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newCreate(&fakeTemporal{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var at []time.Time
		err := s.requestTemporal(ctx, func(context.Context) error {
			if at = append(at, time.Now()); len(at) == 20 {
				return nil
			}
			return exhausted
		})
		if err != nil || len(at) != 20 {
			t.Fatalf("after %d attempts: %v", len(at), err)
		}
		pause := firstBusyPause
		for i := range at[1:] {
			if took := at[i+1].Sub(at[i]); took < pause/2 || took >= pause+pause/2 {
				t.Errorf("pause %d is %s, want %s to %s", i+1, took, pause/2, pause+pause/2)
			}
			pause = min(2*pause, maxBusyPause)
		}
	})
}

func TestTheResultOfARequestIsThatOfItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newCreate(&fakeTemporal{})
		refused := errors.New("refused")
		err := s.tryTemporal(t.Context(), func(context.Context) error { return refused })
		if !errors.Is(err, refused) || err.Error() != "refused" {
			t.Errorf("a request that fails: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		answer := func(err error) func(context.Context) error {
			return func(ctx context.Context) error {
				cancel()
				<-ctx.Done()
				return err
			}
		}
		if err := s.tryTemporal(ctx, answer(nil)); err != nil {
			t.Errorf("a request that succeeds while its caller leaves: %v", err)
		}
		if err := s.tryTemporal(ctx, answer(refused)); !errors.Is(err, context.Canceled) || !errors.Is(err, refused) {
			t.Errorf("a request that fails because its caller leaves: %v", err)
		}
	})
}

// TestHealthChecksAreShared checks a Temporal at different times, and counts the requests.
func TestHealthChecksAreShared(t *testing.T) {
	away := errors.New("away")
	check := func(t *testing.T, h *temporalHealth, want error) {
		t.Helper()
		if err := h.check(t.Context()); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	t.Run("a success counts for a while", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeTemporal{}
			h := &temporalHealth{client: f}
			for _, step := range []struct {
				pause time.Duration
				want  int64
			}{{0, 1}, {0, 1}, {checkEvery - 1, 1}, {1, 2}, {checkEvery, 3}} {
				time.Sleep(step.pause)
				check(t, h, nil)
				if n := f.checks.Load(); n != step.want {
					t.Errorf("after another %s: %d checks, want %d", step.pause, n, step.want)
				}
			}
		})
	})
	t.Run("a failure counts for those that have waited for it, and not for later ones", func(t *testing.T) {
		f := &fakeTemporal{}
		check(t, &temporalHealth{client: f, ended: time.Now().Add(time.Hour), err: away}, away)
		if n := f.checks.Load(); n != 0 {
			t.Errorf("it was checked %d times", n)
		}
		check(t, &temporalHealth{client: f, ended: time.Now(), err: away}, nil)
		if n := f.checks.Load(); n != 1 {
			t.Errorf("a later caller has checked %d times", n)
		}
	})
}
