package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"minigroups/minigroup"
)

const idempotencyHeader = "Idempotency-Key"

func TestTheFirstFinalAnswerIsGivenAgain(t *testing.T) {
	for name, c := range map[string]struct {
		outcome minigroup.Outcome
		err     error
		status  int
		final   bool
	}{
		"created":             {minigroup.OutcomeDone, nil, http.StatusCreated, true},
		"there before":        {minigroup.OutcomeExisting, nil, http.StatusOK, true},
		"accepted":            {minigroup.OutcomeAccepted, nil, http.StatusAccepted, false},
		"another class":       {0, minigroup.Errorf(minigroup.AlreadyEstablished, "x"), http.StatusConflict, true},
		"refused":             {0, &minigroup.Error{Kind: minigroup.UpstreamRefused, Upstream: "event", UpstreamType: "y"}, http.StatusUnprocessableEntity, true},
		"no capacity":         {0, minigroup.Errorf(minigroup.CapacityExceeded, "x"), http.StatusServiceUnavailable, true},
		"another operation":   {0, minigroup.Errorf(minigroup.OperationInProgress, "x"), http.StatusConflict, false},
		"out of reach":        {0, minigroup.Errorf(minigroup.UpstreamUnavailable, "x"), http.StatusServiceUnavailable, false},
		"an error of its own": {0, errors.New("x"), http.StatusServiceUnavailable, false},
		"the caller has gone": {0, context.Canceled, http.StatusServiceUnavailable, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			create := w.create
			w.create = func(ctx context.Context, request minigroup.CreateRequest, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
				if c.err != nil {
					return minigroup.Minigroup{}, 0, c.err
				}
				m, _, err := create(ctx, request, wait)
				return m, c.outcome, err
			}
			first := w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, `"k"`)
			if first.status != c.status {
				t.Fatalf("got %d %s", first.status, first.text)
			}
			second := w.call(t, http.MethodPost, minigroups, lesson+" ", idempotencyHeader, `k`) // the same, written otherwise
			if again := w.sagas() == 2; again == c.final {
				t.Fatalf("%d sagas were started", w.sagas())
			}
			if !c.final {
				return
			}
			if second.status != first.status || second.text != first.text {
				t.Errorf("first %d %s\nthen  %d %s", first.status, first.text, second.status, second.text)
			}
			for _, header := range []string{"Location", "ETag", "Content-Type", "Content-Length"} {
				second.wantsHeader(header, first.header.Get(header))
			}
		})
	}
}

func TestIdempotencyKeys(t *testing.T) {
	other := strings.Replace(lesson, `"reserve":8`, `"reserve":9`, 1)
	t.Run("another body is refused, before the first is answered as well", func(t *testing.T) {
		w := newWorld(t)
		create := w.create
		var meanwhile answer
		ask := func() { meanwhile = w.call(t, http.MethodPost, minigroups, other, idempotencyHeader, "k") }
		w.create = func(ctx context.Context, request minigroup.CreateRequest, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
			ask()
			return create(ctx, request, wait)
		}
		w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, "k").wants(http.StatusCreated)
		meanwhile.wantsProblem(http.StatusUnprocessableEntity, minigroup.IdempotencyKeyReused)
		w.call(t, http.MethodPost, minigroups, other, idempotencyHeader, "k").wantsProblem(http.StatusUnprocessableEntity, minigroup.IdempotencyKeyReused)
		w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, "k").wants(http.StatusCreated)
		if w.sagas() != 1 {
			t.Errorf("%d sagas were started", w.sagas())
		}
	})
	t.Run("another key, or another account, is another request", func(t *testing.T) {
		w := newWorld(t)
		open := strings.Replace(lesson, `"example.org"`, `"open.example"`, 1)
		w.call(t, http.MethodPost, minigroups, open, idempotencyHeader, "k").wants(http.StatusCreated)
		w.call(t, http.MethodPost, minigroups, open, idempotencyHeader, "K").wants(http.StatusCreated)
		w.call(t, http.MethodPost, minigroups, open, idempotencyHeader, "k", "Authorization", "Bearer "+w.tokenOf(t, "pupil", time.Now().Add(time.Hour))).wants(http.StatusCreated)
		if w.sagas() != 3 {
			t.Errorf("%d sagas were started", w.sagas())
		}
	})
	t.Run("what is refused before is not kept", func(t *testing.T) {
		w := newWorld(t)
		w.call(t, http.MethodPost, minigroups, `{}`, idempotencyHeader, "k").wantsProblem(http.StatusBadRequest, minigroup.InvalidPayload)
		w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, "k", "Authorization", "Bearer "+w.tokenOf(t, "pupil", time.Now().Add(time.Hour))).
			wantsProblem(http.StatusForbidden, minigroup.AccessDenied)
		if len(w.keys) != 0 {
			t.Errorf("%d keys are kept", len(w.keys))
		}
	})
	t.Run("an answer that cannot be recorded is given", func(t *testing.T) {
		w := newWorld(t)
		create := w.create
		w.create = func(ctx context.Context, request minigroup.CreateRequest, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
			w.keysErr = errors.New("postgres://user:s3cr3t@db")
			return create(ctx, request, wait)
		}
		w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, "k").wants(http.StatusCreated)
		if w.logs.FilterMessageSnippet("was not recorded").Len() != 1 {
			t.Errorf("logs are %v", w.logs.All())
		}
		w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, "k").wantsProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable)
		if w.sagas() != 1 {
			t.Error("a saga was started whose key is not written")
		}
	})
	t.Run("spellings", func(t *testing.T) {
		long := strings.Repeat("x", 255)
		for header, want := range map[string]string{
			`k`: "k", `"k"`: "k", `"a\"b\\c"`: `a"b\c`, `a"b`: `a"b`, `a;b=c`: "a;b=c", long: long, `"` + long + `"`: long,
			`""`: "", `"`: "", `"a`: "", `"a"b`: "", `"a";b=c`: "", `"a\b"`: "", `"a\`: "", `a b`: "", `"a b"`: "", "é": "", long + "x": "", `"` + long + `x"`: "",
		} {
			w := newWorld(t)
			a := w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, header)
			if want == "" {
				a.wantsProblem(http.StatusBadRequest, minigroup.InvalidPayload)
				if !strings.Contains(a.text, idempotencyHeader) || w.sagas() != 0 {
					t.Errorf("%s: %d sagas, %s", header, w.sagas(), a.text)
				}
				continue
			}
			a.wants(http.StatusCreated)
			w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(want)+`"`).wants(http.StatusCreated)
			if w.sagas() != 1 {
				t.Errorf("%s is not %s", header, want)
			}
		}
		w := newWorld(t)
		w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, "a", idempotencyHeader, "a").wantsProblem(http.StatusBadRequest, minigroup.InvalidPayload)
	})
}
