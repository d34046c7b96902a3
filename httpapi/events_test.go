package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestEvents(t *testing.T) {
	paths := map[string]string{"event": classPath() + "/events", "whiteboard": classPath() + "/whiteboard"}
	const message = `{"type":"message","data":{"t":1}}`
	prepare := func(t *testing.T, event func(ctx context.Context, room uuid.UUID, what string) error) *world {
		w := newWorld(t)
		w.put(filled())
		w.events = event
		return w
	}

	t.Run("what is asked for is handed on once, into the room of the class", func(t *testing.T) {
		var got []string
		w := prepare(t, func(_ context.Context, room uuid.UUID, what string) error {
			if room != filled().EventRoomID {
				t.Errorf("room %s", room)
			}
			got = append(got, what)
			return nil
		})
		for _, c := range []struct{ path, body, want string }{
			{"event", message, `{"data":{"t":1},"type":"message"}`},
			{"event", `{"room_id":"other","data":null,"label":"l"}`, `{"data":null,"label":"l"}`},
			{"event", `{}`, `{}`},
			{"whiteboard", `{}`, "whiteboard of " + filled().ID.String()},
			{"whiteboard", `not looked at`, "whiteboard of " + filled().ID.String()},
		} {
			got = nil
			a := w.call(t, http.MethodPost, paths[c.path], c.body).wants(http.StatusCreated)
			if a.text != "{}\n" || len(got) != 1 || got[0] != c.want {
				t.Errorf("%s: answered %s, handed on %v", c.body, a.text, got)
			}
		}
		w.call(t, http.MethodPost, paths["whiteboard"], "", "Content-Type", "").wants(http.StatusCreated)
	})

	untouched := func(t *testing.T) *world {
		return prepare(t, func(context.Context, uuid.UUID, string) error {
			t.Error("event was asked")
			return nil
		})
	}
	t.Run("what is no event is not handed on", func(t *testing.T) {
		w := untouched(t)
		for _, body := range []string{`[]`, `"x"`, `1`, `null`, ``, `{`, `{"data":"\u0000"}`, `{"\ud800":1}`, `{"data":` + nested(32) + `}`} {
			w.call(t, http.MethodPost, paths["event"], body).wantsProblem(http.StatusBadRequest, minigroup.InvalidPayload)
		}
		w.call(t, http.MethodPost, paths["event"], message, "Content-Type", "text/plain").wantsProblem(http.StatusUnsupportedMediaType, minigroup.UnsupportedMediaType)
		w.call(t, http.MethodPost, paths["event"], `{"data":"`+strings.Repeat("x", maxBodyBytes)+`"}`).wantsProblem(http.StatusRequestEntityTooLarge, minigroup.PayloadTooLarge)
	})
	t.Run("who may not update the class may not", func(t *testing.T) {
		w := untouched(t)
		pupil := "Bearer " + w.tokenOf(t, "pupil", time.Now().Add(time.Hour))
		for _, path := range paths {
			w.call(t, http.MethodPost, path, message, "Authorization", pupil).wantsProblem(http.StatusForbidden, minigroup.AccessDenied)
		}
	})
	t.Run("a class that is not ready has no event room", func(t *testing.T) {
		w := untouched(t)
		for _, state := range []minigroup.State{minigroup.Creating, minigroup.Undoing, minigroup.Failed} {
			m := filled()
			m.State, m.Update, m.Failure = state, nil, &minigroup.Failure{Kind: minigroup.UpstreamRefused}
			w.put(m)
			for _, path := range paths {
				w.call(t, http.MethodPost, path, message).wantsProblem(http.StatusConflict, minigroup.NotReady)
			}
		}
		w.call(t, http.MethodPost, minigroups+"/"+uuid.NewString()+"/events", message).wantsProblem(http.StatusNotFound, minigroup.ClassNotFound)
	})

	for name, c := range map[string]struct {
		err    minigroup.UpstreamError
		status int
		kind   minigroup.Kind
		logged int
	}{
		"a refusal is told as one":               {minigroup.UpstreamError{Status: 422, Type: "payload_size_exceeded", Refused: true}, 422, minigroup.UpstreamRefused, 0},
		"a refusal without a word, too":          {minigroup.UpstreamError{Status: 422, Refused: true, Detail: "missing field `data`"}, 422, minigroup.UpstreamRefused, 0},
		"a closed room is a closed minigroup":    {minigroup.UpstreamError{Status: 404, Type: "room_closed", Refused: true}, 409, minigroup.Closed, 0},
		"what is not refused may be tried again": {minigroup.UpstreamError{Status: 422, Type: "authorization_failed"}, 503, minigroup.UpstreamUnavailable, 1},
		"an event whose reply is lost may exist": {minigroup.UpstreamError{MaybeDone: true, Err: errors.New("EOF from 10.0.0.1")}, 503, minigroup.UpstreamUnavailable, 1},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			w := prepare(t, func(context.Context, uuid.UUID, string) error {
				asked++
				err := c.err
				err.Upstream, err.Doing = "event", "create event"
				return &err
			})
			for _, path := range paths {
				asked = 0
				a := w.call(t, http.MethodPost, path, message).wantsProblem(c.status, c.kind)
				upstream, _ := a.body["upstream"].(map[string]any)
				if word, _ := upstream["type"].(string); upstream["name"] != "event" || word != c.err.Type {
					t.Errorf("upstream is %v", upstream)
				}
				if asked != 1 || strings.Contains(a.text, "10.0.0.1") || strings.Contains(a.text, "it may have taken effect") != c.err.MaybeDone {
					t.Errorf("asked %d times: %s", asked, a.text)
				}
			}
			if n := w.logs.FilterMessage("request to event failed").Len(); n != c.logged*len(paths) {
				t.Errorf("logged %d times", n)
			}
		})
	}
	t.Run("a caller who hangs up does not cut the request short", func(t *testing.T) {
		came, ended := make(chan struct{}), make(chan error, 1)
		w := prepare(t, func(ctx context.Context, _ uuid.UUID, _ string) error {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("the wait is not bounded")
			}
			close(came)
			<-t.Context().Done() // once the test's own caller is long gone
			ended <- ctx.Err()
			return nil
		})
		t.Cleanup(func() {
			if err := <-ended; err != nil {
				t.Errorf("it was cut short: %v", err)
			}
		})
		ctx, hangUp := context.WithCancel(t.Context())
		go func() {
			<-came
			hangUp()
		}()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+paths["event"], strings.NewReader(message))
		mustNot(t, err)
		req.Header.Set("Authorization", "Bearer "+w.token)
		req.Header.Set("Content-Type", "application/json")
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			t.Error("it was answered")
		}
	})
}
