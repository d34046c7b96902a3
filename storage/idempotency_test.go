package storage_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"minigroups/minigroup"
	"minigroups/storage/storagetest"
)

func TestIdempotencyKeys(t *testing.T) {
	s, db := storagetest.New(t)
	key := func(name, body string) minigroup.RequestKey {
		return minigroup.NewRequestKey("web", "example.org", name, "POST /x", body)
	}
	reused := func(err error) bool {
		var e *minigroup.Error
		return errors.As(err, &e) && e.Kind == minigroup.IdempotencyKeyReused
	}
	old := func(t *testing.T) {
		t.Helper()
		if _, err := db.Exec(t.Context(), `UPDATE idempotency_key SET created_at = now() - interval '2 hours'`); err != nil {
			t.Fatal(err)
		}
	}
	full := minigroup.Answer{Status: 201, Location: "/x/1", ETag: `"a"`, Body: []byte("{}\n")}

	t.Run("no answer at first, then the first that was recorded", func(t *testing.T) {
		k := key("a", "b")
		if a, err := s.ClaimKey(t.Context(), k, time.Hour); a != nil || err != nil {
			t.Fatalf("got %+v, %v", a, err)
		}
		for _, answer := range []minigroup.Answer{full, {Status: 200, Body: []byte("other")}} {
			if err := s.RecordAnswer(t.Context(), k, answer); err != nil {
				t.Fatal(err)
			}
		}
		if a, err := s.ClaimKey(t.Context(), k, time.Hour); err != nil || a == nil || !reflect.DeepEqual(*a, full) {
			t.Fatalf("got %+v, %v", a, err)
		}
	})
	t.Run("an answer without headers", func(t *testing.T) {
		k, bare := key("bare", "b"), minigroup.Answer{Status: 409, Body: []byte("{}")}
		_, err := s.ClaimKey(t.Context(), k, time.Hour)
		if err = errors.Join(err, s.RecordAnswer(t.Context(), k, bare)); err != nil {
			t.Fatal(err)
		}
		if a, err := s.ClaimKey(t.Context(), k, time.Hour); err != nil || a == nil || !reflect.DeepEqual(*a, bare) {
			t.Fatalf("got %+v, %v", a, err)
		}
	})
	t.Run("another body is refused while there is no answer, and afterwards", func(t *testing.T) {
		k := key("c", "b")
		if _, err := s.ClaimKey(t.Context(), k, time.Hour); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := s.ClaimKey(t.Context(), key("c", "other"), time.Hour); !reused(err) {
				t.Errorf("got %v", err)
			}
			if err := s.RecordAnswer(t.Context(), k, full); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("of many at once with different bodies, one body is taken", func(t *testing.T) {
		var group errgroup.Group
		errs := make([]error, 10)
		for i := range errs {
			group.Go(func() error {
				_, errs[i] = s.ClaimKey(t.Context(), key("many", fmt.Sprint(i)), time.Hour)
				return nil
			})
		}
		_ = group.Wait()
		taken := 0
		for _, err := range errs {
			if err == nil {
				taken++
			} else if !reused(err) {
				t.Error(err)
			}
		}
		if taken != 1 {
			t.Errorf("%d were taken", taken)
		}
	})
	t.Run("accounts and routes are kept apart", func(t *testing.T) {
		ids, fingerprints := map[string]bool{}, map[string]bool{}
		for _, k := range []minigroup.RequestKey{
			minigroup.NewRequestKey("a.b", "c", "k", "r", "f"), minigroup.NewRequestKey("a", "b.c", "k", "r", "f"), minigroup.NewRequestKey("a", "b", "c.k", "r", "f"),
		} {
			ids[k.ID] = true
		}
		for _, k := range []minigroup.RequestKey{minigroup.NewRequestKey("a", "b", "k", "r", "f"), minigroup.NewRequestKey("a", "b", "k", "rf", ""), minigroup.NewRequestKey("a", "b", "k", "r", "g")} {
			fingerprints[k.Fingerprint] = true
		}
		if len(ids) != 3 || len(fingerprints) != 3 {
			t.Errorf("ids %v, fingerprints %v", ids, fingerprints)
		}
	})
	t.Run("a key that is too old starts over", func(t *testing.T) {
		k := key("a", "another body")
		old(t)
		if a, err := s.ClaimKey(t.Context(), k, time.Hour); a != nil || err != nil {
			t.Fatalf("got %+v, %v", a, err)
		}
		if a, err := s.ClaimKey(t.Context(), k, time.Hour); a != nil || err != nil {
			t.Fatalf("got %+v, %v", a, err)
		}
	})
	t.Run("old keys go as new ones come", func(t *testing.T) {
		for i := range 25 {
			if _, err := s.ClaimKey(t.Context(), key(fmt.Sprint("old", i), ""), time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		old(t)
		for i := range 5 {
			if _, err := s.ClaimKey(t.Context(), key(fmt.Sprint("new", i), ""), time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		var left int
		if err := db.QueryRow(t.Context(), `SELECT count(*) FROM idempotency_key`).Scan(&left); err != nil || left != 5 {
			t.Errorf("%d are left, %v", left, err)
		}
	})
}
