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

func TestAnAccountMayWriteSoMuch(t *testing.T) {
	w := newWorld(t, func(d *Deps) { d.WritesPerMinute = 2 })
	w.put(filled())
	path := minigroups + "/" + filled().ID.String()
	w.call(t, http.MethodPost, minigroups, lesson).wants(http.StatusCreated)
	w.call(t, http.MethodPut, path, `{}`).wants(http.StatusOK)
	for _, refused := range []answer{
		w.call(t, http.MethodPost, minigroups, lesson), w.call(t, http.MethodPut, path, `{}`), w.call(t, http.MethodPut, path, "", "Content-Type", "text/plain"),
	} {
		refused.wantsProblem(http.StatusTooManyRequests, minigroup.TooManyRequests)
		if after, err := strconv.Atoi(refused.header.Get("Retry-After")); err != nil || after < 1 || after > 30 || refused.body["is_transient"] != true {
			t.Errorf("Retry-After is %q: %s", refused.header.Get("Retry-After"), refused.text)
		}
	}
	if w.sagas() != 1 {
		t.Errorf("%d sagas were started", w.sagas())
	}
	w.call(t, http.MethodGet, path, "").wants(http.StatusOK)
	pupil := "Bearer " + w.tokenOf(t, "pupil", time.Now().Add(time.Hour))
	w.call(t, http.MethodPut, path, `{}`, "Authorization", pupil).wantsProblem(http.StatusForbidden, minigroup.AccessDenied)
}

func TestABucketFillsInAMinute(t *testing.T) {
	limit, now, account := newRateLimiter(2), time.Now(), auth.Account{Label: "a", Audience: "b"}
	for i, c := range []struct {
		after time.Duration
		wait  time.Duration
	}{{0, 0}, {0, 0}, {0, 30 * time.Second}, {10 * time.Second, 20 * time.Second}, {30 * time.Second, 0}, {30 * time.Second, 30 * time.Second}, {time.Hour, 0}, {time.Hour, 0}, {time.Hour, 30 * time.Second}} {
		if wait := limit.take(account, now.Add(c.after)).Round(time.Millisecond); wait != c.wait {
			t.Errorf("%d: %s later it waits %s, want %s", i, c.after, wait, c.wait)
		}
	}
}

func TestOnlySoManyAccountsAreRemembered(t *testing.T) {
	limit, now := newRateLimiter(1), time.Now()
	for i := range rateLimitedAccounts + 10 {
		limit.take(auth.Account{Label: fmt.Sprint(i), Audience: "b"}, now)
	}
	if n := limit.buckets.Len(); n != rateLimitedAccounts {
		t.Errorf("%d are remembered", n)
	}
}
