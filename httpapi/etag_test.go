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
	first := w.call(t, http.MethodGet, path, "").wants(http.StatusOK)
	tag := first.header.Get("ETag")

	t.Run("both routes and both methods give the same, strong", func(t *testing.T) {
		if len(tag) != 34 || tag[0] != '"' || tag[33] != '"' {
			t.Fatalf("got %s", tag)
		}
		for _, path := range []string{path, byScope} {
			w.call(t, http.MethodGet, path, "").wants(http.StatusOK).wantsHeader("ETag", tag).wantsHeader("Cache-Control", "private, no-cache")
			w.call(t, http.MethodHead, path, "").wants(http.StatusOK).wantsHeader("ETag", tag).wantsHeader("Content-Length", first.header.Get("Content-Length"))
		}
	})
	t.Run("whoever has it is told so without a body", func(t *testing.T) {
		for name, given := range map[string][]string{
			"alone": {tag}, "weak": {"W/" + tag}, "in a list": {`"x,y" , ` + tag}, "in another line": {`"x"`, tag}, "any": {"*"}, "after what is no tag": {`x, ` + tag},
		} {
			var headers []string
			for _, value := range given {
				headers = append(headers, "If-None-Match", value)
			}
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				a := w.call(t, method, path, "", headers...).wantsHeader("ETag", tag).wantsHeader("Content-Type", "").wantsHeader("Cache-Control", "private, no-cache")
				if a.status != http.StatusNotModified || a.text != "" {
					t.Errorf("%s, %s: got %d %s", name, method, a.status, a.text)
				}
			}
		}
	})
	t.Run("whoever has another gets the minigroup", func(t *testing.T) {
		for _, given := range []string{`"x"`, strings.Trim(tag, `"`), strings.ToUpper(tag), `"x` + tag[1:], ""} {
			w.call(t, http.MethodGet, path, "", "If-None-Match", given).wants(http.StatusOK)
		}
	})
	t.Run("everything that shows changes it, and time alone does", func(t *testing.T) {
		tags := map[string]string{tag: "at first"}
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
			mustNot(t, err)
			if other, ok := tags[r.tag]; ok {
				t.Errorf("%s has the tag of %s", name, other)
			}
			tags[r.tag] = name
		}
	})
	t.Run("whichever properties of the class are asked for, it is that of all", func(t *testing.T) {
		w := newWorld(t)
		w.put(m)
		w.call(t, http.MethodGet, path+"?class_keys[]=p", "").wants(http.StatusOK).wantsHeader("ETag", tag)
		w.call(t, http.MethodPut, path+"/properties/other", `1`).wants(http.StatusOK)
		if w.call(t, http.MethodGet, path, "").header.Get("ETag") == tag {
			t.Error("a property was set and it is the same")
		}
	})
	t.Run("with properties of the account it changes when they do, and is as good for an update", func(t *testing.T) {
		w := newWorld(t)
		w.put(m)
		read := func() string {
			t.Helper()
			return w.call(t, http.MethodGet, path+"?account_keys[]=lang", "").wants(http.StatusOK).header.Get("ETag")
		}
		before := read()
		w.call(t, http.MethodGet, path+"?account_keys[]=lang", "", "If-None-Match", before).wantsHeader("ETag", before).wantsHeader("Content-Type", "")
		w.call(t, http.MethodPut, "/api/v1/account/properties/lang", `"ru"`).wants(http.StatusOK)
		w.call(t, http.MethodGet, path+"?account_keys[]=lang", "", "If-None-Match", before).wants(http.StatusOK)
		if after := read(); after == before || after == tag {
			t.Errorf("it was %s and is %s", before, after)
		}
		w.call(t, http.MethodPut, path, `{"reserve":1}`, "If-Match", "W/"+before).wantsProblem(http.StatusPreconditionFailed, minigroup.PreconditionFailed)
		w.call(t, http.MethodPut, path, `{"reserve":1}`, "If-Match", before).wants(http.StatusOK)
	})
	t.Run("POST and PUT tell it", func(t *testing.T) {
		w := newWorld(t)
		created := w.call(t, http.MethodPost, minigroups, lesson).wants(http.StatusCreated).header.Get("ETag")
		w.call(t, http.MethodGet, path, "").wantsHeader("ETag", created)
		updated := w.call(t, http.MethodPut, path, `{"host":"a.b.c"}`).wants(http.StatusOK).header.Get("ETag")
		if w.call(t, http.MethodGet, path, "").wantsHeader("ETag", updated); updated == created {
			t.Error("it is the same")
		}
	})
}

func TestConditionalUpdates(t *testing.T) {
	m := filled()
	m.Revision = 7
	path := minigroups + "/" + m.ID.String()
	for name, c := range map[string]struct {
		headers  []string // TAG is the one that the minigroup has
		status   int
		revision *int64 // what the saga is to demand
	}{
		"no condition":                          {nil, http.StatusOK, nil},
		"the tag it has":                        {[]string{"If-Match", "TAG"}, http.StatusOK, new(int64(7))},
		"among others":                          {[]string{"If-Match", `"x"`, "If-Match", `W/"y", TAG`}, http.StatusOK, new(int64(7))},
		"any":                                   {[]string{"If-Match", " * "}, http.StatusOK, nil},
		"another":                               {[]string{"If-Match", `"x"`}, http.StatusPreconditionFailed, nil},
		"its own, weak":                         {[]string{"If-Match", "W/TAG"}, http.StatusPreconditionFailed, nil},
		"nothing":                               {[]string{"If-Match", "x"}, http.StatusPreconditionFailed, nil},
		"none but one that it has not":          {[]string{"If-None-Match", `"x"`}, http.StatusOK, nil},
		"only if there is none":                 {[]string{"If-None-Match", "*"}, http.StatusPreconditionFailed, nil},
		"unless it is as it is":                 {[]string{"If-None-Match", "TAG"}, http.StatusPreconditionFailed, nil},
		"the tag it has, but only if it is not": {[]string{"If-Match", "TAG", "If-None-Match", "W/TAG"}, http.StatusPreconditionFailed, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(m)
			tag := w.call(t, http.MethodGet, path, "").header.Get("ETag")
			var asked []minigroup.Change
			update := w.update
			w.update = func(ctx context.Context, m minigroup.Minigroup, change minigroup.Change, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
				asked = append(asked, change)
				return update(ctx, m, change, wait)
			}
			headers := make([]string, len(c.headers))
			for i, header := range c.headers {
				headers[i] = strings.ReplaceAll(header, "TAG", tag)
			}
			for _, body := range []string{`{}`, `{"host":"web.teacher.example.org"}`} {
				a := w.call(t, http.MethodPut, path, body, headers...)
				if c.status != http.StatusOK {
					a.wantsProblem(c.status, minigroup.PreconditionFailed)
				} else {
					a.wants(http.StatusOK)
				}
			}
			switch {
			case c.status != http.StatusOK:
				if len(asked) != 0 {
					t.Errorf("a saga was started for %+v", asked)
				}
			case len(asked) != 1 || (asked[0].Revision == nil) != (c.revision == nil) || (c.revision != nil && *asked[0].Revision != *c.revision):
				t.Errorf("sagas were started for %+v", asked)
			}
		})
	}
	t.Run("one that is refused when it begins is told alike", func(t *testing.T) {
		w := newWorld(t)
		w.put(m)
		w.update = func(context.Context, minigroup.Minigroup, minigroup.Change, time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
			return minigroup.Minigroup{}, 0, minigroup.Errorf(minigroup.PreconditionFailed, "it was changed")
		}
		w.call(t, http.MethodPut, path, `{"reserve":1}`, "Prefer", "wait=3").wantsProblem(http.StatusPreconditionFailed, minigroup.PreconditionFailed)
	})
}
