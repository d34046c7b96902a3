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

	t.Run("a request is forwarded once, to the room of the class", func(t *testing.T) {
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
			{"whiteboard", `ignored`, "whiteboard of " + filled().ID.String()},
		} {
			got = nil
			a := w.call(t, http.MethodPost, paths[c.path], c.body).wantStatus(http.StatusCreated)
			if a.text != "{}\n" || len(got) != 1 || got[0] != c.want {
				t.Errorf("%s: replied %s, forwarded %v", c.body, a.text, got)
			}
		}
		w.call(t, http.MethodPost, paths["whiteboard"], "", "Content-Type", "").wantStatus(http.StatusCreated)
	})

	unused := func(t *testing.T) *world {
		return prepare(t, func(context.Context, uuid.UUID, string) error {
			t.Error("a request was forwarded")
			return nil
		})
	}
	t.Run("an invalid event is not forwarded", func(t *testing.T) {
		w := unused(t)
		for _, body := range []string{
			`[]`, `"x"`, `1`, `null`, ``, `{`, `{"data":"\u0000"}`, `{"\ud800":1}`, `{"data":` + nested(32) + `}`,
		} {
			w.call(t, http.MethodPost, paths["event"], body).wantProblem(http.StatusBadRequest, minigroup.InvalidPayload)
		}
		w.call(t, http.MethodPost, paths["event"], message, "Content-Type", "text/plain").
			wantProblem(http.StatusUnsupportedMediaType, minigroup.UnsupportedMediaType)
		w.call(t, http.MethodPost, paths["event"], `{"data":"`+strings.Repeat("x", maxBodyBytes)+`"}`).
			wantProblem(http.StatusRequestEntityTooLarge, minigroup.PayloadTooLarge)
	})
	t.Run("an account without a right to the class creates nothing", func(t *testing.T) {
		w := unused(t)
		pupil := "Bearer " + w.tokenOf(t, "pupil", time.Now().Add(time.Hour))
		for _, path := range paths {
			w.call(t, http.MethodPost, path, message, "Authorization", pupil).
				wantProblem(http.StatusNotFound, minigroup.ClassNotFound)
		}
	})
	t.Run("a class that is not ready has no event room", func(t *testing.T) {
		w := unused(t)
		for _, state := range []minigroup.State{minigroup.Creating, minigroup.Undoing, minigroup.Failed} {
			m := filled()
			m.State, m.Update, m.Failure = state, nil, &minigroup.Failure{Kind: minigroup.UpstreamRefused}
			w.put(m)
			for _, path := range paths {
				r := w.call(t, http.MethodPost, path, message).wantProblem(http.StatusConflict, minigroup.NotReady)
				if r.body["is_transient"] != (state != minigroup.Failed) {
					t.Errorf("%s: %s", state, r.text)
				}
			}
		}
		w.call(t, http.MethodPost, minigroups+"/"+uuid.NewString()+"/events", message).
			wantProblem(http.StatusNotFound, minigroup.ClassNotFound)
	})

	for name, c := range map[string]struct {
		err    minigroup.UpstreamError
		status int
		kind   minigroup.Kind
		logged int
	}{
		"a refusal is upstream_refused": {
			err: minigroup.UpstreamError{Status: 422, Type: "payload_size_exceeded", Refused: true}, status: 422,
			kind: minigroup.UpstreamRefused,
		},
		"a refusal without a type is upstream_refused": {
			err: minigroup.UpstreamError{Status: 422, Refused: true, Detail: "missing field `data`"}, status: 422,
			kind: minigroup.UpstreamRefused,
		},
		"a closed room is minigroup_closed": {
			err: minigroup.UpstreamError{Status: 404, Type: "room_closed", Refused: true}, status: 409, kind: minigroup.Closed,
		},
		"any other error is transient": {
			err: minigroup.UpstreamError{Status: 422, Type: "authorization_failed"}, status: 503,
			kind: minigroup.UpstreamUnavailable, logged: 1,
		},
		"an event whose reply is lost may exist": {
			err: minigroup.UpstreamError{MaybeDone: true, Err: errors.New("EOF from 10.0.0.1")}, status: 503,
			kind: minigroup.UpstreamUnavailable, logged: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			requests := 0
			w := prepare(t, func(context.Context, uuid.UUID, string) error {
				requests++
				err := c.err
				err.Upstream, err.Doing = "event", "create event"
				return &err
			})
			for _, path := range paths {
				requests = 0
				a := w.call(t, http.MethodPost, path, message).wantProblem(c.status, c.kind)
				upstream, _ := a.body["upstream"].(map[string]any)
				if errorType, _ := upstream["type"].(string); upstream["name"] != "event" || errorType != c.err.Type {
					t.Errorf("upstream is %v", upstream)
				}
				if requests != 1 || strings.Contains(a.text, "10.0.0.1") ||
					strings.Contains(a.text, "it may have taken effect") != c.err.MaybeDone {
					t.Errorf("%d requests: %s", requests, a.text)
				}
			}
			if n := w.logs.FilterMessage("request to event failed").Len(); n != c.logged*len(paths) {
				t.Errorf("logged %d times", n)
			}
		})
	}
	t.Run("a cancelled request does not cancel the request to event", func(t *testing.T) {
		received, result := make(chan struct{}), make(chan error, 1)
		w := prepare(t, func(ctx context.Context, _ uuid.UUID, _ string) error {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("the context has no deadline")
			}
			close(received)
			<-t.Context().Done() // after the caller's request has ended
			result <- ctx.Err()
			return nil
		})
		t.Cleanup(func() {
			if err := <-result; err != nil {
				t.Errorf("it was cancelled: %v", err)
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-received
			cancel()
		}()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+paths["event"], strings.NewReader(message))
		noError(t, err)
		req.Header.Set("Authorization", "Bearer "+w.token)
		req.Header.Set("Content-Type", "application/json")
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			t.Error("it received a response")
		}
	})
}
