package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"minigroups/auth"
	"minigroups/minigroup"
)

func TestWritesAboveTheRateLimitAreRefused(t *testing.T) {
	w := newWorld(t, func(d *Deps) { d.WritesPerMinute = 2 })
	w.put(filled())
	path := minigroups + "/" + filled().ID.String()
	w.call(t, http.MethodPost, minigroups, lesson).wantStatus(http.StatusCreated)
	w.call(t, http.MethodPut, path, `{}`).wantStatus(http.StatusOK)
	for _, refused := range []response{
		w.call(t, http.MethodPost, minigroups, lesson),
		w.call(t, http.MethodPut, path, `{}`),
		w.call(t, http.MethodPut, path, "", "Content-Type", "text/plain"),
	} {
		refused.wantProblem(http.StatusTooManyRequests, minigroup.TooManyRequests)
		after, err := strconv.Atoi(refused.header.Get("Retry-After"))
		if err != nil || after < 1 || after > 30 || refused.body["is_transient"] != true {
			t.Errorf("Retry-After is %q: %s", refused.header.Get("Retry-After"), refused.text)
		}
	}
	if w.startedSagas() != 1 {
		t.Errorf("%d sagas were started", w.startedSagas())
	}
	w.call(t, http.MethodGet, path, "").wantStatus(http.StatusOK)
	pupil := "Bearer " + w.tokenOf(t, "pupil", time.Now().Add(time.Hour))
	w.call(t, http.MethodPut, path, `{}`, "Authorization", pupil).wantProblem(http.StatusNotFound, minigroup.ClassNotFound)
}

func TestABucketFillsInAMinute(t *testing.T) {
	limiter, now, account := newRateLimiter(2), time.Now(), auth.Account{Label: "a", Audience: "b"}
	for i, c := range []struct {
		after time.Duration
		wait  time.Duration
	}{
		{0, 0}, {0, 0}, {0, 30 * time.Second},
		{10 * time.Second, 20 * time.Second},
		{30 * time.Second, 0}, {30 * time.Second, 30 * time.Second},
		{time.Hour, 0}, {time.Hour, 0}, {time.Hour, 30 * time.Second},
	} {
		if wait := limiter.take(account, now.Add(c.after)).Round(time.Millisecond); wait != c.wait {
			t.Errorf("%d: after %s it waits %s, want %s", i, c.after, wait, c.wait)
		}
	}
}

func TestTheMemoryOfTheRateLimiterIsBounded(t *testing.T) {
	limiter, now := newRateLimiter(1), time.Now()
	for i := range rateLimitedAccounts + 10 {
		limiter.take(auth.Account{Label: fmt.Sprint(i), Audience: "b"}, now)
	}
	if n := limiter.buckets.Len(); n != rateLimitedAccounts {
		t.Errorf("%d accounts are in memory", n)
	}
}
