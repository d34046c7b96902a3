package storage_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"minigroups/minigroup"
)

func requestKey(name, body string) minigroup.RequestKey {
	return minigroup.NewRequestKey("web", "example.org", name, "POST /x", body)
}

// claim claims a key that is kept for an hour, and returns the recorded answer.
func (l ledger) claim(k minigroup.RequestKey) *minigroup.Answer {
	l.Helper()
	a, err := l.ClaimKey(l.Context(), k, time.Hour)
	l.must(err)
	return a
}

func TestIdempotencyKeys(t *testing.T) {
	l := newLedger(t)
	old := func() {
		t.Helper()
		l.exec(`UPDATE idempotency_key SET created_at = now() - interval '2 hours'`)
	}
	full := minigroup.Answer{Status: 201, Location: "/x/1", ETag: `"a"`, Body: []byte("{}\n")}

	t.Run("a key has no answer at first, then the first that was recorded", func(t *testing.T) {
		k := requestKey("a", "b")
		if a := l.claim(k); a != nil {
			t.Fatalf("got %+v", a)
		}
		for _, answer := range []minigroup.Answer{full, {Status: 200, Body: []byte("other")}} {
			if stored, err := l.RecordAnswer(t.Context(), k, answer); err != nil || !reflect.DeepEqual(stored, full) {
				t.Errorf("got %+v, %v", stored, err)
			}
		}
		if a := l.claim(k); a == nil || !reflect.DeepEqual(*a, full) {
			t.Fatalf("got %+v", a)
		}
	})
	t.Run("an answer may have no headers", func(t *testing.T) {
		k, bare := requestKey("bare", "b"), minigroup.Answer{Status: 200, Body: []byte("{}")}
		l.claim(k)
		if stored, err := l.RecordAnswer(t.Context(), k, bare); err != nil || !reflect.DeepEqual(stored, bare) {
			t.Errorf("got %+v, %v", stored, err)
		}
		if a := l.claim(k); a == nil || !reflect.DeepEqual(*a, bare) {
			t.Fatalf("got %+v", a)
		}
	})
	t.Run("a refusal is not recorded, because it may pass", func(t *testing.T) {
		k := requestKey("refused", "b")
		l.claim(k)
		for _, status := range []int{202, 400, 409, 422, 503} {
			if _, err := l.RecordAnswer(t.Context(), k, minigroup.Answer{Status: status, Body: []byte("{}")}); err == nil {
				t.Errorf("%d was recorded", status)
			}
		}
		if a := l.claim(k); a != nil {
			t.Errorf("got %+v", a)
		}
	})
	t.Run("an answer to a key that was deleted is returned and not recorded", func(t *testing.T) {
		stored, err := l.RecordAnswer(t.Context(), requestKey("deleted", "b"), full)
		if err != nil || !reflect.DeepEqual(stored, full) {
			t.Errorf("got %+v, %v", stored, err)
		}
	})
	t.Run("another body is refused before and after there is an answer", func(t *testing.T) {
		k := requestKey("c", "b")
		l.claim(k)
		for range 2 {
			_, err := l.ClaimKey(t.Context(), requestKey("c", "other"), time.Hour)
			if !isKind(err, minigroup.IdempotencyKeyReused) {
				t.Errorf("got %v", err)
			}
			_, err = l.RecordAnswer(t.Context(), k, full)
			l.must(err)
		}
	})
	t.Run("of several bodies at the same time, one is accepted", func(t *testing.T) {
		var group errgroup.Group
		errs := make([]error, 10)
		for i := range errs {
			group.Go(func() error {
				_, errs[i] = l.ClaimKey(t.Context(), requestKey("many", fmt.Sprint(i)), time.Hour)
				return nil
			})
		}
		_ = group.Wait()
		accepted := 0
		for _, err := range errs {
			if err == nil {
				accepted++
			} else if !isKind(err, minigroup.IdempotencyKeyReused) {
				t.Error(err)
			}
		}
		if accepted != 1 {
			t.Errorf("%d were accepted", accepted)
		}
	})
	t.Run("a key that is too old starts over", func(t *testing.T) {
		old()
		for range 2 {
			if a := l.claim(requestKey("a", "another body")); a != nil {
				t.Fatalf("got %+v", a)
			}
		}
	})
	t.Run("old keys are deleted as new ones arrive", func(t *testing.T) {
		for i := range 25 {
			l.claim(requestKey(fmt.Sprint("old", i), ""))
		}
		old()
		for i := range 5 {
			l.claim(requestKey(fmt.Sprint("new", i), ""))
		}
		if n := l.count(`SELECT count(*) FROM idempotency_key`); n != 5 {
			t.Errorf("%d are left", n)
		}
	})
}

func TestKeysOfOtherAccountsAndRoutesDiffer(t *testing.T) {
	ids, fingerprints := map[string]bool{}, map[string]bool{}
	for _, account := range [][3]string{{"a.b", "c", "k"}, {"a", "b.c", "k"}, {"a", "b", "c.k"}} {
		ids[minigroup.NewRequestKey(account[0], account[1], account[2], "r", "f").ID] = true
	}
	for _, request := range [][2]string{{"r", "f"}, {"rf", ""}, {"r", "g"}} {
		fingerprints[minigroup.NewRequestKey("a", "b", "k", request[0], request[1]).Fingerprint] = true
	}
	if len(ids) != 3 || len(fingerprints) != 3 {
		t.Errorf("ids %v, fingerprints %v", ids, fingerprints)
	}
}
