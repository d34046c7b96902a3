package limiter_test

import (
	"testing"
	"testing/synctest"
	"time"

	"minigroups/limiter"
)

var (
	answered   = limiter.Answer{}
	overloaded = limiter.Answer{Overloaded: true}
)

// send sends a request that is answered at once.
func send(t *testing.T, l *limiter.Limiter, a limiter.Answer) {
	t.Helper()
	p := acquire(t, l, "a")
	p.Report(a)
	p.Release()
}

// overloadedLimiter returns a limiter whose service has just been overloaded so often that requests pause.
func overloadedLimiter(t *testing.T) *limiter.Limiter {
	t.Helper()
	l := limiter.New(4, 0)
	for range 5 {
		send(t, l, overloaded)
	}
	return l
}

func limitIs(t *testing.T, l *limiter.Limiter, want int) {
	t.Helper()
	if got := l.Stats().Limit; got != want {
		t.Errorf("the limit is %d, want %d", got, want)
	}
}

func TestTheLimitFollowsTheAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter.New(8, 0)
		send(t, l, overloaded)
		limitIs(t, l, 4)
		send(t, l, limiter.Answer{Duration: 2 * time.Second})
		limitIs(t, l, 2)
		for range 3 {
			send(t, l, overloaded)
		}
		limitIs(t, l, 1)
		send(t, l, answered)
		limitIs(t, l, 2)
		for range 100 {
			send(t, l, answered)
		}
		limitIs(t, l, 8)
		l.SetMax(3)
		limitIs(t, l, 3)
		l.SetMax(5)
		limitIs(t, l, 5)
	})
}

func TestAnOverloadedServiceIsProbed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := overloadedLimiter(t)
		const s, ms = time.Second, time.Millisecond
		for _, pause := range []time.Duration{s, 2 * s, 4 * s, 8 * s, 8 * s} {
			full(t, l, "a")
			time.Sleep(pause - ms)
			full(t, l, "a")
			time.Sleep(ms)
			p := acquire(t, l, "a")
			full(t, l, "a") // one probe at a time
			p.Report(overloaded)
			p.Release()
			if l.Stats().Paused != 1 {
				t.Error("not paused")
			}
		}
		time.Sleep(8 * time.Second)
		send(t, l, answered)
		limitIs(t, l, 1)
		for range 10 {
			send(t, l, answered)
		}
		limitIs(t, l, 4)
	})
}

func TestAProbeThatIsNotSentIsLeftToAnotherRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := overloadedLimiter(t)
		time.Sleep(time.Second)
		p := acquire(t, l, "a")
		full(t, l, "a")
		p.Release()
		send(t, l, answered)
	})
}

func TestAnAnswerBetweenOverloadedOnesPreventsAPause(t *testing.T) {
	t.Parallel()
	l := limiter.New(4, 0)
	for range 20 {
		send(t, l, overloaded)
		send(t, l, overloaded)
		send(t, l, answered)
	}
	if l.Stats().Paused != 0 {
		t.Error("paused")
	}
}

func TestARequestedPauseIsBounded(t *testing.T) {
	t.Parallel()
	for asked, want := range map[time.Duration]time.Duration{
		3 * time.Second: 3 * time.Second, time.Hour: 30 * time.Second, time.Millisecond: time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			l := limiter.New(4, 1)
			send(t, l, limiter.Answer{Overloaded: true, RetryAfter: asked})
			full(t, l, "a")
			began := time.Now()
			p, err := l.Acquire(t.Context(), limiter.Request{Audience: "a"}) // it wakes up by itself
			if err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(began); waited != want {
				t.Errorf("waited %s, want %s", waited, want)
			}
			p.Report(answered)
			p.Release()
			send(t, l, answered)
		})
	}
}

// TestRequestsThatHangLeaveRoomForProbes has requests that are not answered and a limit that they reach. The service
// answers others, so the limit must be able to grow again.
func TestRequestsThatHangLeaveRoomForProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter.New(5, 0)
		acquire(t, l, "a")
		acquire(t, l, "a")
		for range 2 {
			send(t, l, overloaded)
			time.Sleep(time.Second)
		}
		limitIs(t, l, 1)
		for range 4 {
			send(t, l, answered)
			time.Sleep(time.Second)
		}
		if got := l.Stats().Limit; got < 3 {
			t.Errorf("the limit is %d", got)
		}
		acquire(t, l, "a")
		time.Sleep(time.Second)
		acquire(t, l, "a")
		time.Sleep(time.Minute)
		full(t, l, "a") // never more than the audience may hold
	})
}
