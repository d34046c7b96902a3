package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"minigroups/minigroup"
)

const (
	minigroups = "/api/v1/minigroups"
	lesson     = `{"scope":"math-7b","audience":"example.org","host":"teacher.example.org","time":[4102444800,4102448400],
		"tags":{"course":{"n":[1,"<b>"]}},"reserve":8,"locked_chat":true,"from_a_newer_frontend":1}`
)

func (w *world) createAs(outcome minigroup.Outcome, state minigroup.State) {
	create := w.create
	w.create = func(ctx context.Context, request minigroup.CreateRequest, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
		m, _, err := create(ctx, request, wait)
		m.State = state
		return m, outcome, err
	}
}

func TestCreate(t *testing.T) {
	path := minigroups + "/" + minigroup.ClassID("example.org", "math-7b").String()

	t.Run("what goes in comes out, here and when read", func(t *testing.T) {
		w := newWorld(t)
		a := w.call(t, http.MethodPost, minigroups, lesson).wants(http.StatusCreated).wantsHeader("Location", path)
		for member, want := range map[string]any{
			"id": "math-7b", "scope": "math-7b", "audience": "example.org", "host": "teacher.example.org", "time": []any{4102444800.0, 4102448400.0},
			"tags": map[string]any{"course": map[string]any{"n": []any{1.0, "<b>"}}}, "reserve": 8.0, "locked_chat": true, "status": "real-time",
		} {
			if fmt.Sprint(a.body[member]) != fmt.Sprint(want) {
				t.Errorf("%s is %v, want %v", member, a.body[member], want)
			}
		}
		if read := w.call(t, http.MethodGet, path, "").wants(http.StatusOK); read.text != a.text {
			t.Errorf("created %s\nread    %s", a.text, read.text)
		}
	})
	t.Run("what was there before is 200 and has no Location", func(t *testing.T) {
		w := newWorld(t)
		w.createAs(minigroup.OutcomeExisting, minigroup.Ready)
		w.call(t, http.MethodPost, minigroups, lesson).wants(http.StatusOK).wantsHeader("Location", "")
	})
	t.Run("what is still going on is 202 and says where and when to look", func(t *testing.T) {
		w := newWorld(t)
		w.createAs(minigroup.OutcomeAccepted, minigroup.Creating)
		a := w.call(t, http.MethodPost, minigroups, lesson).wants(http.StatusAccepted).wantsHeader("Location", path).wantsHeader("Retry-After", "2")
		if a.body["status"] != "creating" || a.body["real_time"] != nil {
			t.Error(a.text)
		}
	})
	t.Run("once its end has passed, the same finds what it has made, and makes nothing", func(t *testing.T) {
		const late = `{"scope":"math-7b","audience":"example.org","host":"teacher.example.org","time":[null,1700000000]}`
		draft, err := decodeDraft([]byte(late), 0)
		mustNot(t, err)
		m := filled()
		m.Draft, m.Fingerprint, m.Update = draft, fingerprint(draft), nil
		for name, c := range map[string]struct {
			state  minigroup.State
			body   string
			status int
		}{
			"ready":                     {minigroup.Ready, late, http.StatusOK},
			"being created":             {minigroup.Creating, late, http.StatusAccepted},
			"failed":                    {minigroup.Failed, late, http.StatusBadRequest},
			"another":                   {minigroup.Ready, strings.Replace(late, "teacher", "another", 1), http.StatusBadRequest},
			"absent":                    {"", late, http.StatusBadRequest},
			"ready, with more mistakes": {minigroup.Ready, strings.Replace(late, `"host"`, `"reserve":-1,"host"`, 1), http.StatusBadRequest},
		} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t)
				if m.State = c.state; c.state != "" {
					w.put(m)
				}
				a := w.call(t, http.MethodPost, minigroups, c.body).wants(c.status)
				if w.sagas() != 0 || (c.status == http.StatusOK && a.body["status"] != "closed") || (c.status == http.StatusBadRequest && !strings.Contains(a.text, "time[1]")) {
					t.Errorf("%d sagas were started; %s", w.sagas(), a.text)
				}
			})
		}
	})
	t.Run("once its end has passed, its key still brings the answer that was given", func(t *testing.T) {
		const late = `{"scope":"math-7b","audience":"example.org","host":"teacher.example.org","time":[null,1700000000]}`
		draft, err := decodeDraft([]byte(late), 0)
		mustNot(t, err)
		w := newWorld(t)
		k := minigroup.NewRequestKey("teacher", "example.org", "k", "POST "+minigroups, fingerprint(draft))
		m := filled()
		m.Update = nil
		body, err := json.Marshal((&server{}).describe(m, time.Now()))
		mustNot(t, err)
		w.keys[k.ID] = rememberedKey{k.Fingerprint, &minigroup.Answer{Status: http.StatusCreated, Location: minigroups + "/" + m.ID.String(), ETag: `"` + strings.Repeat("e", 32) + `"`, Body: body}}
		if a := w.call(t, http.MethodPost, minigroups, late, "Idempotency-Key", "k").wants(http.StatusCreated); a.text != string(body) {
			t.Error(a.text)
		}
	})
	t.Run("an audience without a policy is refused and nothing is started", func(t *testing.T) {
		w := newWorld(t)
		w.call(t, http.MethodPost, minigroups, strings.Replace(lesson, `"example.org"`, `"other.example"`, 1)).wantsProblem(http.StatusForbidden, minigroup.AccessDenied)
		if w.sagas() != 0 {
			t.Error("a saga was started")
		}
	})
}

func TestUpdate(t *testing.T) {
	path := minigroups + "/" + filled().ID.String()
	byScope := "/api/v1/audiences/example.org/minigroups/math-7b"
	prepare := func(t *testing.T) *world {
		w := newWorld(t)
		m := filled()
		m.Update = nil
		w.put(m)
		return w
	}
	t.Run("what is asked for comes out on both routes, and the rest stays", func(t *testing.T) {
		for _, path := range []string{path, byScope} {
			w := prepare(t)
			before := w.call(t, http.MethodGet, path, "").body
			a := w.call(t, http.MethodPut, path, `{"time":[4102444801,null],"reserve":0,"host":"web.teacher.example.org"}`).wants(http.StatusOK)
			if fmt.Sprintf("%v %v %v", a.body["time"], a.body["reserve"], a.body["host"]) != "[4.102444801e+09 <nil>] 0 web.teacher.example.org" {
				t.Error(a.text)
			}
			for _, member := range []string{"id", "class_id", "tags", "locked_chat", "created_at", "status"} {
				if fmt.Sprint(a.body[member]) != fmt.Sprint(before[member]) {
					t.Errorf("%s was %v, is %v", member, before[member], a.body[member])
				}
			}
		}
	})
	t.Run("an empty object starts nothing", func(t *testing.T) {
		w := prepare(t)
		before := w.call(t, http.MethodGet, path, "").text
		if a := w.call(t, http.MethodPut, path, `{}`).wants(http.StatusOK); a.text != before || w.sagas() != 0 {
			t.Errorf("%d sagas; %s", w.sagas(), a.text)
		}
	})
	t.Run("what is still going on is 202 and shows what was requested", func(t *testing.T) {
		w := prepare(t)
		w.update = func(_ context.Context, m minigroup.Minigroup, change minigroup.Change, _ time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
			m.Update = &minigroup.Update{State: minigroup.UpdateRunning, Requested: change}
			return m, minigroup.OutcomeAccepted, nil
		}
		a := w.call(t, http.MethodPut, path, `{"reserve":3}`).wants(http.StatusAccepted).wantsHeader("Retry-After", "2")
		if fmt.Sprint(a.body["update"]) != "map[requested:map[reserve:3] state:running]" {
			t.Error(a.text)
		}
	})
	t.Run("a missing minigroup, a foreign account", func(t *testing.T) {
		w := prepare(t)
		w.call(t, http.MethodPut, minigroups+"/no-uuid", `{}`).wantsProblem(http.StatusNotFound, minigroup.ClassNotFound)
		pupil := "Bearer " + w.tokenOf(t, "pupil", time.Now().Add(time.Hour))
		w.call(t, http.MethodPut, path, `{}`, "Authorization", pupil).wantsProblem(http.StatusForbidden, minigroup.AccessDenied)
	})
}

func TestBadInputIsAProblemAndStartsNothing(t *testing.T) {
	w := newWorld(t)
	for name, body := range map[string]string{
		"an array":                    `[]`,
		"an open brace":               `{`,
		"time [5,3]":                  with(`"time":[5,3]`),
		"time [1.5,2]":                with(`"time":[1.5,2]`),
		"time [1.0,2.0]":              with(`"time":[1.0,2.0]`),
		"an end in the past":          with(`"time":[null,1]`),
		"reserve -1":                  with(`"reserve":-1`),
		"reserve 2147483648":          with(`"reserve":2147483648`),
		"an empty scope":              `{"scope":"","audience":"a","host":"h"}`,
		"host missing":                `{"scope":"s","audience":"a"}`,
		"tags as array":               with(`"tags":[]`),
		"NUL deep in tags":            with(`"tags":{"a":[{"b":"\u0000"}]}`),
		"a lone surrogate in tags":    with(`"tags":{"a":[{"b":"\ud800"}]}`),
		"a nesting of 1,000":          with(`"tags":{"a":` + nested(1000) + `}`),
		"a nesting of 1,000 brackets": nested(1000),
	} {
		t.Run(name, func(t *testing.T) {
			a := w.call(t, http.MethodPost, minigroups, body).wantsProblem(http.StatusBadRequest, minigroup.InvalidPayload)
			if errs, _ := a.body["errors"].([]any); len(errs) == 0 {
				t.Errorf("it does not say where: %s", a.text)
			}
		})
	}
	t.Run("a body of 1 MiB", func(t *testing.T) {
		w.call(t, http.MethodPost, minigroups, with(`"tags":{"a":"`+strings.Repeat("x", 1<<20)+`"}`)).wantsProblem(http.StatusRequestEntityTooLarge, minigroup.PayloadTooLarge)
		w.call(t, http.MethodPost, minigroups, nested(50_000)).wantsProblem(http.StatusRequestEntityTooLarge, minigroup.PayloadTooLarge)
	})
	t.Run("a body of 64 KiB may be, and of one byte more not", func(t *testing.T) {
		w := newWorld(t)
		body := lesson + strings.Repeat(" ", maxBodyBytes-len(lesson))
		w.call(t, http.MethodPost, minigroups, body+" ").wantsProblem(http.StatusRequestEntityTooLarge, minigroup.PayloadTooLarge)
		w.call(t, http.MethodPost, minigroups, body).wants(http.StatusCreated)
	})
	t.Run("a body that does not say that it is JSON", func(t *testing.T) {
		for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/problem+json", "application/json; =", "json", "application/json; charset=utf-16"} {
			w.call(t, http.MethodPost, minigroups, lesson, "Content-Type", contentType).wantsProblem(http.StatusUnsupportedMediaType, minigroup.UnsupportedMediaType)
		}
	})
	t.Run("a body that is encoded", func(t *testing.T) {
		for _, coding := range []string{"gzip", "br", "identity, gzip"} {
			w.call(t, http.MethodPost, minigroups, lesson, "Content-Encoding", coding).
				wantsProblem(http.StatusUnsupportedMediaType, minigroup.UnsupportedMediaType).wantsHeader("Accept-Encoding", "identity")
		}
	})
	if w.sagas() != 0 {
		t.Errorf("%d sagas were started", w.sagas())
	}
	t.Run("a body whose length is not told beforehand", func(t *testing.T) {
		for body, status := range map[string]int{lesson: http.StatusCreated, strings.Repeat(" ", maxBodyBytes+1): http.StatusRequestEntityTooLarge} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+minigroups, io.MultiReader(strings.NewReader(body)))
			mustNot(t, err)
			req.Header.Set("Authorization", "Bearer "+w.token)
			req.Header.Set("Content-Type", "application/json")
			resp, err := http.DefaultClient.Do(req)
			mustNot(t, err)
			_ = resp.Body.Close()
			if resp.StatusCode != status {
				t.Errorf("got %d, want %d", resp.StatusCode, status)
			}
		}
	})
	t.Run("parameters of the content type are fine", func(t *testing.T) {
		w.call(t, http.MethodPost, minigroups, lesson, "Content-Type", "Application/JSON; charset=UTF-8", "Content-Encoding", "identity").wants(http.StatusCreated)
	})
}

func TestTheOrderOfChecks(t *testing.T) {
	w := newWorld(t)
	huge := strings.Repeat("[", 1<<17)
	for _, route := range []struct{ method, path string }{
		{http.MethodPost, minigroups},
		{http.MethodPut, minigroups + "/no-uuid"},
		{http.MethodPost, minigroups + "/no-uuid/recreate"},
		{http.MethodPut, "/api/v1/audiences/a/minigroups/s"},
	} {
		w.call(t, route.method, route.path, huge, "Authorization", "", "Content-Type", "").wantsProblem(http.StatusUnauthorized, minigroup.NoAuthenticationToken)
		w.call(t, route.method, route.path, huge, "Content-Type", "").wantsProblem(http.StatusUnsupportedMediaType, minigroup.UnsupportedMediaType)
		w.call(t, route.method, route.path, huge).wantsProblem(http.StatusRequestEntityTooLarge, minigroup.PayloadTooLarge)
		w.call(t, route.method, route.path, `[]`).wantsProblem(http.StatusBadRequest, minigroup.InvalidPayload)
	}
	w.call(t, http.MethodPut, minigroups+"/no-uuid", `{}`).wantsProblem(http.StatusNotFound, minigroup.ClassNotFound)
	w.call(t, http.MethodPost, minigroups, `{"scope":"s","audience":"unknown","host":""}`).wantsProblem(http.StatusBadRequest, minigroup.InvalidPayload)
}

func TestHowLongARequestWaits(t *testing.T) {
	for name, c := range map[string]struct {
		prefer  []string
		wait    time.Duration
		applied string
	}{
		"15 s by itself":                   {nil, 15 * time.Second, ""},
		"as long as asked":                 {[]string{"wait=30"}, 30 * time.Second, "wait=30"},
		"not at all with wait=0":           {[]string{"wait=0"}, 0, "wait=0"},
		"at most 60 s":                     {[]string{"wait=3600"}, time.Minute, "wait=60"},
		"not at all with respond-async":    {[]string{"respond-async"}, 0, "respond-async"},
		"both":                             {[]string{"respond-async, wait=5"}, 5 * time.Second, "respond-async, wait=5"},
		"both in two headers":              {[]string{"Wait = 5", "Respond-Async; foo=bar"}, 5 * time.Second, "respond-async, wait=5"},
		"a quoted value":                   {[]string{`wait="7"`}, 7 * time.Second, "wait=7"},
		"the first of two":                 {[]string{"wait=7, wait=8"}, 7 * time.Second, "wait=7"},
		"what makes no sense is ignored":   {[]string{"wait=-1"}, 15 * time.Second, ""},
		"no number is ignored":             {[]string{"wait=soon"}, 15 * time.Second, ""},
		"no value is ignored":              {[]string{"wait"}, 15 * time.Second, ""},
		"too large a number is ignored":    {[]string{"wait=99999999999999999999"}, 15 * time.Second, ""},
		"other preferences are ignored":    {[]string{"return=minimal, handling=strict"}, 15 * time.Second, ""},
		"commas and semicolons in quotes":  {[]string{`foo="a,wait=3;b\",wait=2", wait="4"; x=";"`}, 4 * time.Second, "wait=4"},
		"the first of two, if no number":   {[]string{"wait=x, wait=8"}, 15 * time.Second, ""},
		"an empty preference changes none": {[]string{", ,"}, 15 * time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var waited time.Duration
			create := w.create
			w.create = func(ctx context.Context, request minigroup.CreateRequest, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
				waited = wait
				return create(ctx, request, wait)
			}
			var headers []string
			for _, prefer := range c.prefer {
				headers = append(headers, "Prefer", prefer)
			}
			w.call(t, http.MethodPost, minigroups, lesson, headers...).wants(http.StatusCreated).wantsHeader("Preference-Applied", c.applied)
			if waited != c.wait {
				t.Errorf("it waits %v, want %v", waited, c.wait)
			}
		})
	}
}

func TestWhatSagasRefuse(t *testing.T) {
	path := minigroups + "/" + filled().ID.String()
	for name, c := range map[string]struct {
		err        error
		status     int
		kind       minigroup.Kind
		retryAfter string
		transient  bool
	}{
		"another minigroup":    {minigroup.Errorf(minigroup.AlreadyEstablished, "x"), http.StatusConflict, minigroup.AlreadyEstablished, "", false},
		"another operation":    {minigroup.Errorf(minigroup.OperationInProgress, "x"), http.StatusConflict, minigroup.OperationInProgress, "2", true},
		"not ready":            {minigroup.Errorf(minigroup.NotReady, "x"), http.StatusConflict, minigroup.NotReady, "", false},
		"a known moment":       {&minigroup.Error{Kind: minigroup.UpstreamUnavailable, RetryAfter: 1500 * time.Millisecond}, http.StatusServiceUnavailable, minigroup.UpstreamUnavailable, "2", true},
		"no capacity":          {minigroup.Errorf(minigroup.CapacityExceeded, "x"), http.StatusServiceUnavailable, minigroup.CapacityExceeded, "", false},
		"a wrapped refusal":    {fmt.Errorf("wait: %w", minigroup.Errorf(minigroup.Closed, "x")), http.StatusConflict, minigroup.Closed, "", false},
		"an error of its own":  {errors.New("rpc: password=s3cr3t"), http.StatusServiceUnavailable, minigroup.ServiceUnavailable, "5", true},
		"a word nobody knows":  {minigroup.Errorf("brand_new", "x"), http.StatusServiceUnavailable, minigroup.ServiceUnavailable, "5", true},
		"the caller's own end": {context.Canceled, http.StatusServiceUnavailable, minigroup.ServiceUnavailable, "5", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(filled())
			w.create = func(context.Context, minigroup.CreateRequest, time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
				return minigroup.Minigroup{}, minigroup.OutcomeDone, c.err
			}
			w.update = func(context.Context, minigroup.Minigroup, minigroup.Change, time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
				return minigroup.Minigroup{}, minigroup.OutcomeDone, c.err
			}
			for _, a := range []answer{w.call(t, http.MethodPost, minigroups, lesson), w.call(t, http.MethodPut, path, `{"reserve":1}`)} {
				a.wantsProblem(c.status, c.kind).wantsHeader("Retry-After", c.retryAfter)
				if a.body["is_transient"] != c.transient || a.body["title"] == "" {
					t.Error(a.text)
				}
				if strings.Contains(a.text, "s3cr3t") {
					t.Errorf("it tells a secret: %s", a.text)
				}
			}
		})
	}
	t.Run("what is out of reach is told, and why is logged", func(t *testing.T) {
		w := newWorld(t)
		w.create = func(context.Context, minigroup.CreateRequest, time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
			return minigroup.Minigroup{}, minigroup.OutcomeDone, fmt.Errorf("%w: %w", minigroup.Errorf(minigroup.ServiceUnavailable, "Temporal is out of reach"), errors.New("s3cr3t"))
		}
		a := w.call(t, http.MethodPost, minigroups, lesson).wantsProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable)
		if strings.Contains(a.text, "s3cr3t") {
			t.Errorf("it tells a secret: %s", a.text)
		}
		if logged := w.logs.FilterMessage("request failed").All(); len(logged) != 1 || !strings.Contains(fmt.Sprint(logged[0].ContextMap()["error"]), "s3cr3t") {
			t.Errorf("logs are %v", w.logs.All())
		}
	})
	t.Run("another service is named with its own word", func(t *testing.T) {
		w := newWorld(t)
		w.create = func(context.Context, minigroup.CreateRequest, time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
			return minigroup.Minigroup{}, minigroup.OutcomeDone, &minigroup.Error{Kind: minigroup.UpstreamRefused, Detail: "x", Upstream: "conference", UpstreamType: "invalid_payload"}
		}
		a := w.call(t, http.MethodPost, minigroups, lesson).wantsProblem(http.StatusUnprocessableEntity, minigroup.UpstreamRefused)
		if fmt.Sprint(a.body["upstream"]) != "map[name:conference type:invalid_payload]" {
			t.Error(a.text)
		}
	})
}
