package httpapi

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"minigroups/minigroup"
)

func TestETags(t *testing.T) {
	w := newWorld(t)
	m := filled()
	m.Update = nil
	w.put(m)
	path, byScope := minigroups+"/"+m.ID.String(), "/api/v1/audiences/example.org/minigroups/math-7b"
	first := w.call(t, http.MethodGet, path, "").wantStatus(http.StatusOK)
	tag := first.header.Get("ETag")

	t.Run("both routes and both methods return the same strong tag", func(t *testing.T) {
		if len(tag) != 34 || tag[0] != '"' || tag[33] != '"' {
			t.Fatalf("got %s", tag)
		}
		for _, path := range []string{path, byScope} {
			w.call(t, http.MethodGet, path, "").wantStatus(http.StatusOK).wantHeader("ETag", tag).
				wantHeader("Cache-Control", "private, no-cache")
			w.call(t, http.MethodHead, path, "").wantStatus(http.StatusOK).wantHeader("ETag", tag).
				wantHeader("Content-Length", first.header.Get("Content-Length"))
		}
	})
	t.Run("a matching If-None-Match returns 304 without a body", func(t *testing.T) {
		for name, values := range map[string][]string{
			"alone": {tag}, "weak": {"W/" + tag}, "in a list": {`"x,y" , ` + tag}, "in another header line": {`"x"`, tag},
			"a wildcard": {"*"}, "after an invalid tag": {`x, ` + tag},
		} {
			var headers []string
			for _, value := range values {
				headers = append(headers, "If-None-Match", value)
			}
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				a := w.call(t, method, path, "", headers...).wantHeader("ETag", tag).wantHeader("Content-Type", "").
					wantHeader("Cache-Control", "private, no-cache")
				if a.status != http.StatusNotModified || a.text != "" {
					t.Errorf("%s, %s: got %d %s", name, method, a.status, a.text)
				}
			}
		}
	})
	t.Run("another tag returns the minigroup", func(t *testing.T) {
		for _, tag := range []string{`"x"`, strings.Trim(tag, `"`), strings.ToUpper(tag), `"x` + tag[1:], ""} {
			w.call(t, http.MethodGet, path, "", "If-None-Match", tag).wantStatus(http.StatusOK)
		}
	})
	t.Run("every visible change changes the tag, including one by time", func(t *testing.T) {
		tags := map[string]string{tag: "unchanged"}
		for name, change := range map[string]func(*minigroup.Minigroup){
			"host":    func(m *minigroup.Minigroup) { m.Host = "b" },
			"tags":    func(m *minigroup.Minigroup) { m.Tags = []byte(`{}`) },
			"no tags": func(m *minigroup.Minigroup) { m.Tags = nil },
			"ended":   func(m *minigroup.Minigroup) { m.Time.Start, m.Time.End = nil, new(int64(1)) },
			"will end": func(m *minigroup.Minigroup) {
				m.Time.Start, m.Time.End = nil, new(int64(4102448401))
			},
			"closed":   func(m *minigroup.Minigroup) { m.ClosedAt = time.Unix(1, 0) },
			"updating": func(m *minigroup.Minigroup) { m.Update = filled().Update },
		} {
			changed := m
			change(&changed)
			r, err := new(server).represent(changed, propertyKeys{}, nil)
			noError(t, err)
			if other, ok := tags[r.tag]; ok {
				t.Errorf("%s has the tag of %s", name, other)
			}
			tags[r.tag] = name
		}
	})
	t.Run("the tag covers all properties of the class, whichever the query names", func(t *testing.T) {
		w := newWorld(t)
		w.put(m)
		w.call(t, http.MethodGet, path+"?class_keys[]=p", "").wantStatus(http.StatusOK).wantHeader("ETag", tag)
		w.call(t, http.MethodPut, path+"/properties/other", `1`).wantStatus(http.StatusOK)
		if w.call(t, http.MethodGet, path, "").header.Get("ETag") == tag {
			t.Error("the tag is the same after a property was set")
		}
	})
	t.Run("with account keys the tag also covers those properties, and If-Match ignores that part", func(t *testing.T) {
		w := newWorld(t)
		w.put(m)
		read := func() string {
			t.Helper()
			return w.call(t, http.MethodGet, path+"?account_keys[]=lang", "").wantStatus(http.StatusOK).header.Get("ETag")
		}
		before := read()
		w.call(t, http.MethodGet, path+"?account_keys[]=lang", "", "If-None-Match", before).wantHeader("ETag", before).
			wantHeader("Content-Type", "")
		w.call(t, http.MethodPut, "/api/v1/account/properties/lang", `"ru"`).wantStatus(http.StatusOK)
		w.call(t, http.MethodGet, path+"?account_keys[]=lang", "", "If-None-Match", before).wantStatus(http.StatusOK)
		if after := read(); after == before || after == tag {
			t.Errorf("it was %s and is %s", before, after)
		}
		w.call(t, http.MethodPut, path, `{"reserve":1}`, "If-Match", "W/"+before).
			wantProblem(http.StatusPreconditionFailed, minigroup.PreconditionFailed)
		w.call(t, http.MethodPut, path, `{"reserve":1}`, "If-Match", before).wantStatus(http.StatusOK)
	})
	t.Run("POST and PUT return the tag", func(t *testing.T) {
		w := newWorld(t)
		created := w.call(t, http.MethodPost, minigroups, lesson).wantStatus(http.StatusCreated).header.Get("ETag")
		w.call(t, http.MethodGet, path, "").wantHeader("ETag", created)
		updated := w.call(t, http.MethodPut, path, `{"host":"a.b.c"}`).wantStatus(http.StatusOK).header.Get("ETag")
		if w.call(t, http.MethodGet, path, "").wantHeader("ETag", updated); updated == created {
			t.Error("the tag is the same after an update")
		}
	})
}

func TestConditionalUpdates(t *testing.T) {
	m := filled()
	m.Revision = 7
	path := minigroups + "/" + m.ID.String()
	for name, c := range map[string]struct {
		headers  []string // TAG is replaced by the tag of the minigroup
		status   int
		revision *int64 // that the saga requires
	}{
		"no condition":          {nil, http.StatusOK, nil},
		"If-Match with its tag": {[]string{"If-Match", "TAG"}, http.StatusOK, new(int64(7))},
		"If-Match with its tag among others": {
			[]string{"If-Match", `"x"`, "If-Match", `W/"y", TAG`}, http.StatusOK, new(int64(7)),
		},
		"If-Match with a wildcard":       {[]string{"If-Match", " * "}, http.StatusOK, nil},
		"If-Match with another tag":      {[]string{"If-Match", `"x"`}, http.StatusPreconditionFailed, nil},
		"If-Match with its tag, weak":    {[]string{"If-Match", "W/TAG"}, http.StatusPreconditionFailed, nil},
		"If-Match without a valid tag":   {[]string{"If-Match", "x"}, http.StatusPreconditionFailed, nil},
		"If-None-Match with another tag": {[]string{"If-None-Match", `"x"`}, http.StatusOK, nil},
		"If-None-Match with a wildcard":  {[]string{"If-None-Match", "*"}, http.StatusPreconditionFailed, nil},
		"If-None-Match with its tag":     {[]string{"If-None-Match", "TAG"}, http.StatusPreconditionFailed, nil},
		"If-Match and If-None-Match with its tag": {
			[]string{"If-Match", "TAG", "If-None-Match", "W/TAG"}, http.StatusPreconditionFailed, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(m)
			tag := w.call(t, http.MethodGet, path, "").header.Get("ETag")
			var changes []minigroup.Change
			update := w.update
			w.update = func(
				ctx context.Context, m minigroup.Minigroup, change minigroup.Change, wait time.Duration,
			) (minigroup.Minigroup, minigroup.Outcome, error) {
				changes = append(changes, change)
				return update(ctx, m, change, wait)
			}
			headers := make([]string, len(c.headers))
			for i, header := range c.headers {
				headers[i] = strings.ReplaceAll(header, "TAG", tag)
			}
			for _, body := range []string{`{}`, `{"host":"web.teacher.example.org"}`} {
				a := w.call(t, http.MethodPut, path, body, headers...)
				if c.status != http.StatusOK {
					a.wantProblem(c.status, minigroup.PreconditionFailed)
				} else {
					a.wantStatus(http.StatusOK)
				}
			}
			switch {
			case c.status != http.StatusOK:
				if len(changes) != 0 {
					t.Errorf("a saga was started for %+v", changes)
				}
			case len(changes) != 1 || (changes[0].Revision == nil) != (c.revision == nil) ||
				(c.revision != nil && *changes[0].Revision != *c.revision):
				t.Errorf("sagas were started for %+v", changes)
			}
		})
	}
	t.Run("a condition that fails when the update begins is the same problem", func(t *testing.T) {
		w := newWorld(t)
		w.put(m)
		w.update = func(
			context.Context, minigroup.Minigroup, minigroup.Change, time.Duration,
		) (minigroup.Minigroup, minigroup.Outcome, error) {
			return minigroup.Minigroup{}, 0, minigroup.Errorf(minigroup.PreconditionFailed, "it was changed")
		}
		w.call(t, http.MethodPut, path, `{"reserve":1}`, "Prefer", "wait=3").
			wantProblem(http.StatusPreconditionFailed, minigroup.PreconditionFailed)
	})
}
