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

func TestTheResponseOfTheFirstSuccessIsRepeated(t *testing.T) {
	for name, c := range map[string]struct {
		outcome minigroup.Outcome
		err     error
		status  int
		stored  bool
	}{
		"created":  {outcome: minigroup.OutcomeDone, status: http.StatusCreated, stored: true},
		"existing": {outcome: minigroup.OutcomeExisting, status: http.StatusOK, stored: true},
		"accepted": {outcome: minigroup.OutcomeAccepted, status: http.StatusAccepted},
		"another class": {
			err: minigroup.Errorf(minigroup.AlreadyEstablished, "x"), status: http.StatusConflict,
		},
		"refused": {
			err:    &minigroup.Error{Kind: minigroup.UpstreamRefused, Upstream: "event", UpstreamType: "y"},
			status: http.StatusUnprocessableEntity,
		},
		"no capacity": {
			err: minigroup.Errorf(minigroup.CapacityExceeded, "x"), status: http.StatusServiceUnavailable,
		},
		"cancelled":         {err: minigroup.Errorf(minigroup.OperationCancelled, "x"), status: http.StatusConflict},
		"another operation": {err: minigroup.Errorf(minigroup.OperationInProgress, "x"), status: http.StatusConflict},
		"upstream unavailable": {
			err: minigroup.Errorf(minigroup.UpstreamUnavailable, "x"), status: http.StatusServiceUnavailable,
		},
		"an unknown error":    {err: errors.New("x"), status: http.StatusServiceUnavailable},
		"a cancelled request": {err: context.Canceled, status: http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			create := w.create
			w.create = func(
				ctx context.Context, request minigroup.CreateRequest, wait time.Duration,
			) (minigroup.Minigroup, minigroup.Outcome, error) {
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
			second := w.call(t, http.MethodPost, minigroups, lesson+" ", idempotencyHeader, `k`) // the same key without quotes
			if again := w.startedSagas() == 2; again == c.stored {
				t.Fatalf("%d sagas were started", w.startedSagas())
			}
			if !c.stored {
				return
			}
			if second.status != first.status || second.text != first.text {
				t.Errorf("first %d %s\nthen  %d %s", first.status, first.text, second.status, second.text)
			}
			for _, header := range []string{"Location", "ETag", "Content-Type", "Content-Length"} {
				second.wantHeader(header, first.header.Get(header))
			}
		})
	}
}

func TestAKeyDoesNotRepeatAFailureThatHasPassed(t *testing.T) {
	retry := minigroups + "/" + filled().ID.String() + "/retry"
	for _, failure := range []minigroup.Kind{
		minigroup.CapacityExceeded, minigroup.UpstreamRefused, minigroup.RetryNotPossible, minigroup.AlreadyEstablished,
	} {
		for path, body := range map[string]string{minigroups: lesson, retry: ""} {
			t.Run(string(failure)+" of POST "+path, func(t *testing.T) {
				w := newWorld(t)
				w.put(failedMinigroup())
				create, failing := w.create, true
				w.create = func(
					ctx context.Context, request minigroup.CreateRequest, wait time.Duration,
				) (minigroup.Minigroup, minigroup.Outcome, error) {
					if failing {
						return minigroup.Minigroup{}, 0, minigroup.Errorf(failure, "x")
					}
					return create(ctx, request, wait)
				}
				send := func() response { return w.call(t, http.MethodPost, path, body, idempotencyHeader, "k") }
				for range 2 {
					if r := send(); r.body["type"] != string(failure) {
						t.Fatalf("got %d %s", r.status, r.text)
					}
				}
				failing = false
				first := send()
				if first.status != http.StatusCreated && first.status != http.StatusOK {
					t.Fatalf("the failure has passed: got %d %s", first.status, first.text)
				}
				if second := send(); second.text != first.text || w.startedSagas() != 3 {
					t.Errorf("%d sagas were started; first %s\nthen %s", w.startedSagas(), first.text, second.text)
				}
			})
		}
	}
	t.Run("a draft whose end has passed, while an equal create is still to be seen", func(t *testing.T) {
		const expired = `{"scope":"math-7b","audience":"example.org","host":"teacher.example.org","time":[null,1700000000]}`
		draft, err := decodeDraft([]byte(expired), 0)
		noError(t, err)
		w := newWorld(t)
		send := func() response { return w.call(t, http.MethodPost, minigroups, expired, idempotencyHeader, "k") }
		send().wantProblem(http.StatusBadRequest, minigroup.InvalidPayload)
		m := filled()
		m.Draft, m.Fingerprint, m.Update = draft, fingerprint(draft), nil
		w.put(m)
		send().wantStatus(http.StatusOK)
	})
}

func TestIdempotencyKeys(t *testing.T) {
	other := strings.Replace(lesson, `"reserve":8`, `"reserve":9`, 1)
	t.Run("another body is refused, also before the first response", func(t *testing.T) {
		w := newWorld(t)
		create := w.create
		var concurrent response
		sendOther := func() { concurrent = w.call(t, http.MethodPost, minigroups, other, idempotencyHeader, "k") }
		w.create = func(
			ctx context.Context, request minigroup.CreateRequest, wait time.Duration,
		) (minigroup.Minigroup, minigroup.Outcome, error) {
			sendOther()
			return create(ctx, request, wait)
		}
		w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, "k").wantStatus(http.StatusCreated)
		concurrent.wantProblem(http.StatusUnprocessableEntity, minigroup.IdempotencyKeyReused)
		w.call(t, http.MethodPost, minigroups, other, idempotencyHeader, "k").
			wantProblem(http.StatusUnprocessableEntity, minigroup.IdempotencyKeyReused)
		w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, "k").wantStatus(http.StatusCreated)
		if w.startedSagas() != 1 {
			t.Errorf("%d sagas were started", w.startedSagas())
		}
	})
	t.Run("another key or another account is another request", func(t *testing.T) {
		w := newWorld(t)
		open := strings.Replace(lesson, `"example.org"`, `"open.example"`, 1)
		w.call(t, http.MethodPost, minigroups, open, idempotencyHeader, "k").wantStatus(http.StatusCreated)
		w.call(t, http.MethodPost, minigroups, open, idempotencyHeader, "K").wantStatus(http.StatusCreated)
		pupil := "Bearer " + w.tokenOf(t, "pupil", time.Now().Add(time.Hour))
		w.call(t, http.MethodPost, minigroups, open, idempotencyHeader, "k", "Authorization", pupil).
			wantStatus(http.StatusCreated)
		if w.startedSagas() != 3 {
			t.Errorf("%d sagas were started", w.startedSagas())
		}
	})
	t.Run("the key of an invalid or denied request is not stored", func(t *testing.T) {
		w := newWorld(t)
		w.call(t, http.MethodPost, minigroups, `{}`, idempotencyHeader, "k").
			wantProblem(http.StatusBadRequest, minigroup.InvalidPayload)
		pupil := "Bearer " + w.tokenOf(t, "pupil", time.Now().Add(time.Hour))
		w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, "k", "Authorization", pupil).
			wantProblem(http.StatusForbidden, minigroup.AccessDenied)
		if len(w.keys) != 0 {
			t.Errorf("%d keys are stored", len(w.keys))
		}
	})
	t.Run("a response that cannot be recorded is sent", func(t *testing.T) {
		w := newWorld(t)
		create := w.create
		w.create = func(
			ctx context.Context, request minigroup.CreateRequest, wait time.Duration,
		) (minigroup.Minigroup, minigroup.Outcome, error) {
			w.keysErr = errors.New("postgres://user:s3cr3t@db")
			return create(ctx, request, wait)
		}
		w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, "k").wantStatus(http.StatusCreated)
		if w.logs.FilterMessageSnippet("not recorded").Len() != 1 {
			t.Errorf("logs are %v", w.logs.All())
		}
		w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, "k").
			wantProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable)
		if w.startedSagas() != 1 {
			t.Error("a saga was started although its key could not be stored")
		}
	})
	t.Run("valid and invalid keys", func(t *testing.T) {
		long := strings.Repeat("x", 255)
		for header, want := range map[string]string{
			`k`: "k", `"k"`: "k", `"a\"b\\c"`: `a"b\c`, `a"b`: `a"b`, `a;b=c`: "a;b=c", long: long, `"` + long + `"`: long,
			`""`: "", `"`: "", `"a`: "", `"a"b`: "", `"a";b=c`: "", `"a\b"`: "", `"a\`: "", `a b`: "", `"a b"`: "", "é": "",
			long + "x": "", `"` + long + `x"`: "",
		} {
			w := newWorld(t)
			a := w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, header)
			if want == "" {
				a.wantProblem(http.StatusBadRequest, minigroup.InvalidPayload)
				if !strings.Contains(a.text, idempotencyHeader) || w.startedSagas() != 0 {
					t.Errorf("%s: %d sagas, %s", header, w.startedSagas(), a.text)
				}
				continue
			}
			a.wantStatus(http.StatusCreated)
			quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(want) + `"`
			w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, quoted).wantStatus(http.StatusCreated)
			if w.startedSagas() != 1 {
				t.Errorf("%s is not %s", header, want)
			}
		}
		w := newWorld(t)
		w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, "a", idempotencyHeader, "a").
			wantProblem(http.StatusBadRequest, minigroup.InvalidPayload)
	})
}

// TestOneKeyHasOneAnswer sends two requests with one key that are processed at the same time and succeed differently.
func TestOneKeyHasOneAnswer(t *testing.T) {
	w := newWorld(t)
	create := w.create
	first, second := make(chan struct{}), make(chan struct{})
	outcomes := make(chan minigroup.Outcome, 2)
	outcomes <- minigroup.OutcomeDone
	outcomes <- minigroup.OutcomeExisting
	w.create = func(
		ctx context.Context, request minigroup.CreateRequest, wait time.Duration,
	) (minigroup.Minigroup, minigroup.Outcome, error) {
		outcome := <-outcomes
		if outcome == minigroup.OutcomeDone {
			close(first)
			<-second // the second request is answered before this one
		}
		m, _, err := create(ctx, request, wait)
		return m, outcome, err
	}
	answers := make(chan response, 1)
	go func() { answers <- w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, "k") }()
	<-first
	existing := w.call(t, http.MethodPost, minigroups, lesson, idempotencyHeader, "k")
	close(second)
	created := <-answers
	if existing.status != http.StatusOK || created.status != existing.status || created.text != existing.text ||
		created.header.Get("Location") != existing.header.Get("Location") {
		t.Errorf("one was answered by %d %s, the other by %d %s",
			existing.status, existing.text, created.status, created.text)
	}
}
