package httpapi

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"minigroups/minigroup"
)

// waiting is a world with a class and its tag, whose reads it counts.
type waiting struct {
	*world
	class minigroup.Minigroup
	tag   string
	reads int
	// at has what happens before a read, by its number.
	at map[int]func()
}

func newWaiting(t *testing.T, settings ...func(*Deps)) *waiting {
	t.Helper()
	w := &waiting{world: newWorld(t, settings...), class: filled(), at: map[int]func(){}}
	w.put(w.class)
	w.tag = w.call(t, http.MethodGet, w.path(), "").wantStatus(http.StatusOK).header.Get("ETag")
	w.onRead = func() {
		if w.reads++; w.at[w.reads] != nil {
			w.at[w.reads]()
		}
	}
	return w
}

func (w *waiting) path() string { return minigroups + "/" + w.class.ID.String() }

// change makes the class another one than the tag is of.
func (w *waiting) change() {
	changed := w.class
	changed.Host = "another.example.org"
	w.put(changed)
}

func (w *waiting) wait(t *testing.T, path, prefer string) response {
	t.Helper()
	return w.call(t, http.MethodGet, path, "", "Prefer", prefer, "If-None-Match", w.tag)
}

// briefly bounds each wait by a time in which a read is repeated.
func briefly(d *Deps) { d.MaxWait = 100 * time.Millisecond }

// wantUnchanged requires a 304 with the tag.
func (w *waiting) wantUnchanged(t *testing.T, r response) response {
	t.Helper()
	if r.status != http.StatusNotModified || r.text != "" || r.header.Get("ETag") != w.tag {
		t.Fatalf("got %d, ETag %s: %s", r.status, r.header.Get("ETag"), r.text)
	}
	return r
}

func TestAReadWaitsForAChange(t *testing.T) {
	for name, path := range map[string]string{
		"by id": minigroups + "/" + filled().ID.String(), "by scope": "/api/v1/audiences/example.org/minigroups/math-7b",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWaiting(t)
			w.at[2*quickPolls] = w.change
			r := w.wait(t, path, "wait=3600").wantStatus(http.StatusOK).wantHeader("Preference-Applied", "wait=60").
				wantHeader("Retry-After", "")
			if r.body["host"] != "another.example.org" || r.header.Get("ETag") == w.tag || w.reads != 2*quickPolls {
				t.Errorf("after %d reads: %s", w.reads, r.text)
			}
		})
	}
	t.Run("of the properties of the account", func(t *testing.T) {
		w := newWaiting(t)
		path := w.path() + "?account_keys[]=lang"
		w.tag = w.call(t, http.MethodGet, path, "").header.Get("ETag")
		w.at[5] = func() {
			_, err := w.SetAccountProperty(t.Context(), minigroup.Account{Label: "teacher", Audience: "example.org"}, "lang",
				[]byte(`"ru"`))
			noError(t, err)
		}
		w.wait(t, path, "wait=30").wantStatus(http.StatusOK)
	})
	t.Run("that time causes", func(t *testing.T) {
		w := newWaiting(t)
		w.class.Time.Start, w.class.Time.End = nil, new(time.Now().Unix()+1)
		w.put(w.class)
		w.tag = w.call(t, http.MethodGet, w.path(), "").header.Get("ETag")
		if r := w.wait(t, w.path(), "wait=30").wantStatus(http.StatusOK); r.body["status"] != "closed" {
			t.Errorf("got %s", r.text)
		}
	})
	t.Run("that ends it", func(t *testing.T) {
		w := newWaiting(t)
		w.at[5] = func() { w.readErr = minigroup.Errorf(minigroup.ClassNotFound, "there is no minigroup with this id") }
		w.wait(t, w.path(), "wait=30").wantProblem(http.StatusNotFound, minigroup.ClassNotFound)
	})
	t.Run("and If-Match fails then", func(t *testing.T) {
		w := newWaiting(t)
		w.at[5] = w.change
		w.call(t, http.MethodGet, w.path(), "", "Prefer", "wait=30", "If-None-Match", w.tag, "If-Match", w.tag).
			wantProblem(http.StatusPreconditionFailed, minigroup.PreconditionFailed)
	})
}

func TestTheEndOfAWaitWithoutAChange(t *testing.T) {
	t.Run("the time is over", func(t *testing.T) {
		w := newWaiting(t, briefly)
		w.wantUnchanged(t, w.wait(t, w.path(), "wait=30")).wantHeader("Retry-After", "").
			wantHeader("Cache-Control", "private, no-cache")
		if w.reads < 2 {
			t.Errorf("it was read %d times", w.reads)
		}
	})
	t.Run("the process drains", func(t *testing.T) {
		w := newWaiting(t)
		w.at[5] = func() { close(w.draining) }
		w.wantUnchanged(t, w.wait(t, w.path(), "wait=60")).wantHeader("Retry-After", retryWaiting)
	})
	t.Run("too many wait", func(t *testing.T) {
		w := newWaiting(t, func(d *Deps) { d.MaxWaitingReads = 1 })
		w.at[5] = func() {
			w.wantUnchanged(t, w.wait(t, w.path(), "wait=60")).wantHeader("Retry-After", retryWaiting).
				wantHeader("Preference-Applied", "")
		}
		w.at[10] = w.change
		w.tag = w.wait(t, w.path(), "wait=60").wantStatus(http.StatusOK).header.Get("ETag")
		w.at[w.reads+5] = func() { w.put(w.class) }
		w.wait(t, w.path(), "wait=60").wantStatus(http.StatusOK).wantHeader("Preference-Applied", "wait=60")
	})
	t.Run("the client has gone", func(t *testing.T) {
		w := newWaiting(t)
		ctx, leave := context.WithCancel(t.Context())
		w.at[5] = leave
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+w.path(), nil)
		noError(t, err)
		req.Header = http.Header{"Authorization": {"Bearer " + w.token}, "Prefer": {"wait=60"}, "If-None-Match": {w.tag}}
		if resp, err := http.DefaultClient.Do(req); !errors.Is(err, context.Canceled) {
			_ = resp.Body.Close()
			t.Fatalf("got %v", err)
		}
		w.server.Close() // waits for the handler
		lines := w.logs.FilterMessage("request").All()
		last := lines[len(lines)-1].ContextMap()
		if waited, _ := last["waited"].(time.Duration); last["status"] != int64(http.StatusNotModified) || waited <= 0 {
			t.Errorf("logged %v", last)
		}
	})
}

func TestAWaitOutlastsFailingReads(t *testing.T) {
	fail := errors.New("connection refused")
	t.Run("that succeed again", func(t *testing.T) {
		w := newWaiting(t)
		w.at[3] = func() { w.readErr = fail }
		w.at[9] = func() {
			w.readErr = nil
			w.change()
		}
		w.wait(t, w.path(), "wait=60").wantStatus(http.StatusOK)
	})
	t.Run("that fail to the end", func(t *testing.T) {
		w := newWaiting(t, briefly)
		w.at[3] = func() { w.readErr = fail }
		w.wait(t, w.path(), "wait=60").wantProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable)
	})
}

func TestReadsThatDoNotWait(t *testing.T) {
	for name, c := range map[string]struct {
		method, prefer, tag string
		status              int
	}{
		"HEAD":                       {method: http.MethodHead, prefer: "wait=60", status: http.StatusNotModified},
		"without Prefer":             {method: http.MethodGet, status: http.StatusNotModified},
		"with wait=0":                {method: http.MethodGet, prefer: "wait=0", status: http.StatusNotModified},
		"with another preference":    {method: http.MethodGet, prefer: "respond-async", status: http.StatusNotModified},
		"with a wildcard":            {method: http.MethodGet, prefer: "wait=60", tag: "*", status: http.StatusNotModified},
		"with the tag of something":  {method: http.MethodGet, prefer: "wait=60", tag: `"x"`, status: http.StatusOK},
		"without a tag to wait with": {method: http.MethodGet, prefer: "wait=60", tag: `x`, status: http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWaiting(t)
			if c.tag == "" {
				c.tag = w.tag
			}
			r := w.call(t, c.method, w.path(), "", "Prefer", c.prefer, "If-None-Match", c.tag).
				wantHeader("Preference-Applied", "")
			if r.status != c.status || w.reads != 1 {
				t.Errorf("got %d after %d reads", r.status, w.reads)
			}
		})
	}
}

func TestAReadThatIsDeniedDoesNotWait(t *testing.T) {
	w := newWaiting(t)
	w.token = w.tokenOf(t, "pupil", time.Now().Add(time.Hour))
	w.wait(t, w.path(), "wait=60").wantProblem(http.StatusNotFound, minigroup.ClassNotFound)
	w.wait(t, "/api/v1/audiences/example.org/minigroups/math-7b", "wait=60").
		wantProblem(http.StatusForbidden, minigroup.AccessDenied)
	if w.reads != 2 { // only the row says whose it is, or which one
		t.Errorf("it was read %d times", w.reads)
	}
}

func TestAnAcceptedOperationCanBeWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.create = func(
		_ context.Context, request minigroup.CreateRequest, _ time.Duration,
	) (minigroup.Minigroup, minigroup.Outcome, error) {
		m := minigroup.Minigroup{Draft: request.Draft, ID: request.ID, State: minigroup.Creating, CreatedAt: time.Now()}
		w.put(m)
		return m, minigroup.OutcomeAccepted, nil
	}
	accepted := w.call(t, http.MethodPost, minigroups, lesson).wantStatus(http.StatusAccepted)
	reads := 0
	w.onRead = func() {
		if reads++; reads == 5 {
			w.put(filled())
		}
	}
	r := w.call(t, http.MethodGet, accepted.header.Get("Location"), "",
		"Prefer", "wait=60", "If-None-Match", accepted.header.Get("ETag")).wantStatus(http.StatusOK)
	if r.body["status"] != "real-time" || reads != 5 {
		t.Errorf("after %d reads: %s", reads, r.text)
	}
}
