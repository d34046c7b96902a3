package janus_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/clients/janus"
	"minigroups/clients/rest"
	"minigroups/minigroup"
	"minigroups/sandbox"
	"minigroups/stack"
)

var config = janus.Config{AdminSecret: "admin-secret", AdminKey: "admin-key", RoomKey: "room-key"}

const description = "minigroup:3f1c9f2e-6a52-4b7e-9b53-0d3f0a7a1c11"

// Both gateways have to pass the same tests: the real one keeps the stand-in honest.
var gateways = []struct {
	name  string
	start func(*testing.T) minigroup.Backend
}{
	{"the gateway", startGateway},
	{"its stand-in", func(t *testing.T) minigroup.Backend { return startStandIn(t).backend }},
}

func startGateway(t *testing.T) minigroup.Backend {
	t.Helper()
	gateway, backend := startProcess(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		if err := gateway.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return backend
}

func startProcess(t *testing.T) (*stack.Janus, minigroup.Backend) {
	t.Helper()
	port, adminPort := freePort(t), freePort(t)
	dir := t.TempDir()
	gateway, err := stack.StartJanus(bounded(t, time.Minute), stack.JanusOptions{
		Dir: filepath.Join(dir, "etc"), Port: port, AdminPort: adminPort,
		AdminSecret: config.AdminSecret, AdminKey: config.AdminKey, Log: filepath.Join(dir, "janus.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return gateway, minigroup.Backend{ID: "janus-1", AdminURL: gateway.AdminURL()}
}

func freePort(t *testing.T) int {
	t.Helper()
	port, err := stack.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

type standIn struct {
	backend minigroup.Backend
	url     string // of its switches
}

func startStandIn(t *testing.T) standIn {
	t.Helper()
	server := httptest.NewServer(sandbox.NewJanus(sandbox.JanusConfig{AdminSecret: config.AdminSecret, AdminKey: config.AdminKey}).Admin())
	t.Cleanup(server.Close)
	return standIn{minigroup.Backend{ID: "janus-1", AdminURL: server.URL + "/admin"}, server.URL}
}

func newClient(t *testing.T, config janus.Config) *janus.Client {
	t.Helper()
	transport := rest.NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	return janus.New(config, transport)
}

func bounded(t *testing.T, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// room is a room as the gateway lists it.
type room struct {
	Room          string `json:"room"`
	Description   string `json:"description"`
	IsPrivate     bool   `json:"is_private"`
	MaxPublishers int64  `json:"max_publishers"`
}

func list(t *testing.T, backend minigroup.Backend) []room {
	t.Helper()
	var reply struct{ List []room }
	ask(t, backend, map[string]any{"request": "list", "admin_key": config.AdminKey}, &reply)
	return reply.List
}

// ask sends the plugin a request without the client.
func ask(t *testing.T, backend minigroup.Backend, request map[string]any, response any) {
	t.Helper()
	var reply struct{ Response json.RawMessage }
	c := rest.Client{Upstream: "janus", URL: backend.AdminURL, Transport: http.DefaultTransport}
	err := c.Do(bounded(t, 10*time.Second), rest.Call{
		Doing: "ask", Method: http.MethodPost, Reply: &reply,
		Body: map[string]any{
			"janus": "message_plugin", "plugin": "janus.plugin.videoroom", "transaction": "t",
			"admin_secret": config.AdminSecret, "request": request,
		},
	})
	if err == nil {
		err = json.Unmarshal(reply.Response, response)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// failure is what an error says. It never says a secret.
func failure(t *testing.T, err error) *minigroup.UpstreamError {
	t.Helper()
	if err == nil {
		return nil
	}
	var failed *minigroup.UpstreamError
	if !errors.As(err, &failed) || failed.Upstream != "janus" || !strings.Contains(failed.Doing, "janus-1") {
		t.Fatalf("a %T: %v", err, err)
	}
	for _, secret := range []string{config.AdminSecret, config.AdminKey, config.RoomKey} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("a secret is told: %v", err)
		}
	}
	return failed
}

func verdict(err *minigroup.UpstreamError) string {
	switch {
	case err == nil:
		return "done"
	case err.Refused && !err.MaybeDone:
		return "refused"
	case err.MaybeDone && !err.Refused:
		return "maybe done"
	case !err.MaybeDone:
		return "not done"
	default:
		return "refused but maybe done"
	}
}

func TestReserveAndRelease(t *testing.T) {
	for _, gateway := range gateways {
		t.Run(gateway.name, func(t *testing.T) { testReserveAndRelease(t, gateway.start(t)) })
	}
}

func testReserveAndRelease(t *testing.T, backend minigroup.Backend) {
	client, stranger := newClient(t, config), newClient(t, janus.Config{AdminSecret: config.AdminSecret, AdminKey: config.AdminKey, RoomKey: "another"})
	reserve := func(t *testing.T, c *janus.Client, id uuid.UUID, slots int32, description string) *minigroup.UpstreamError {
		t.Helper()
		return failure(t, c.Reserve(bounded(t, 10*time.Second), backend, id, slots, description))
	}
	release := func(t *testing.T, c *janus.Client, id uuid.UUID) *minigroup.UpstreamError {
		t.Helper()
		return failure(t, c.Release(bounded(t, 10*time.Second), backend, id))
	}
	// listed wants this room alone, or none, and leaves none.
	listed := func(t *testing.T, want ...room) {
		t.Helper()
		rooms := list(t, backend)
		if len(rooms) != len(want) || len(want) == 1 && rooms[0] != want[0] {
			t.Errorf("%+v, want %+v", rooms, want)
		}
	}

	t.Run("a reservation is a private room, and gone when released", func(t *testing.T) {
		id := uuid.New()
		if failed := reserve(t, client, id, 8, description); failed != nil {
			t.Fatal(failed)
		}
		listed(t, room{id.String(), description, true, 8})
		if failed := release(t, client, id); failed != nil {
			t.Fatal(failed)
		}
		listed(t)
	})

	t.Run("reserving again changes the reservation", func(t *testing.T) {
		id := uuid.New()
		for _, slots := range []int32{5, 5, 7, 3} {
			text := fmt.Sprintf("minigroup:%d", slots)
			if failed := reserve(t, client, id, slots, text); failed != nil {
				t.Fatal(failed)
			}
			listed(t, room{id.String(), text, true, int64(slots)})
		}
		if failed := release(t, client, id); failed != nil {
			t.Fatal(failed)
		}
	})

	t.Run("releasing what is not there succeeds", func(t *testing.T) {
		if failed := release(t, client, uuid.New()); failed != nil {
			t.Fatal(failed)
		}
	})

	t.Run("as many slots as there can be", func(t *testing.T) {
		id := uuid.New()
		for range 2 {
			if failed := reserve(t, client, id, math.MaxInt32, strings.Repeat("d", 200)); failed != nil {
				t.Fatal(failed)
			}
			listed(t, room{id.String(), strings.Repeat("d", 200), true, math.MaxInt32})
		}
		if failed := release(t, client, id); failed != nil {
			t.Fatal(failed)
		}
	})

	t.Run("what the gateway would bend is refused", func(t *testing.T) {
		for _, failed := range []*minigroup.UpstreamError{
			reserve(t, client, uuid.New(), 0, description),
			reserve(t, client, uuid.New(), -1, description),
			reserve(t, client, uuid.New(), 1, strings.Repeat("d", 201)),
		} {
			if verdict(failed) != "refused" {
				t.Errorf("%+v", failed)
			}
		}
		listed(t)
	})

	t.Run("somebody else's room is left alone", func(t *testing.T) {
		id := uuid.New()
		if failed := reserve(t, stranger, id, 4, "theirs"); failed != nil {
			t.Fatal(failed)
		}
		for _, failed := range []*minigroup.UpstreamError{reserve(t, client, id, 8, description), release(t, client, id)} {
			if verdict(failed) != "refused" || failed.Type != "433" || failed.Status != 200 {
				t.Errorf("%+v", failed)
			}
		}
		listed(t, room{id.String(), "theirs", true, 4})
		if failed := release(t, stranger, id); failed != nil {
			t.Fatal(failed)
		}
	})

	t.Run("the secret of a room is the HMAC of its id", func(t *testing.T) {
		id := uuid.New()
		if failed := reserve(t, client, id, 8, description); failed != nil {
			t.Fatal(failed)
		}
		mac := hmac.New(sha256.New, []byte(config.RoomKey))
		mac.Write([]byte(id.String()))
		var reply struct{ VideoRoom string }
		ask(t, backend, map[string]any{"request": "destroy", "room": id.String(), "secret": hex.EncodeToString(mac.Sum(nil))}, &reply)
		if reply.VideoRoom != "destroyed" {
			t.Errorf("%+v", reply)
		}
	})

	t.Run("wrong secrets are refused", func(t *testing.T) {
		for _, test := range []struct {
			config janus.Config
			want   string
		}{
			{janus.Config{AdminSecret: "wrong", AdminKey: config.AdminKey, RoomKey: config.RoomKey}, "403"},
			{janus.Config{AdminSecret: config.AdminSecret, AdminKey: "wrong", RoomKey: config.RoomKey}, "433"},
		} {
			if failed := reserve(t, newClient(t, test.config), uuid.New(), 8, description); verdict(failed) != "refused" || failed.Type != test.want {
				t.Errorf("%+v", failed)
			}
		}
		listed(t)
	})

	t.Run("an address that is no Admin API leaves open what was done", func(t *testing.T) {
		wrong := backend
		wrong.AdminURL = strings.TrimSuffix(wrong.AdminURL, "/admin") + "/nowhere"
		failed := failure(t, client.Reserve(bounded(t, 10*time.Second), wrong, uuid.New(), 8, description))
		if verdict(failed) != "maybe done" || failed.Status != 404 {
			t.Errorf("%+v", failed)
		}
		listed(t)
	})
}

func TestReserveOnAGatewayThatDies(t *testing.T) {
	client := newClient(t, config)
	process, backend := startProcess(t)
	t.Cleanup(func() { _ = process.Kill() })
	id := uuid.New()
	if err := client.Reserve(bounded(t, 10*time.Second), backend, id, 8, description); err != nil {
		t.Fatal(err)
	}

	if err := process.Freeze(); err != nil {
		t.Fatal(err)
	}
	failed := failure(t, client.Reserve(bounded(t, 100*time.Millisecond), backend, id, 8, description))
	if verdict(failed) != "maybe done" || !errors.Is(failed, context.DeadlineExceeded) {
		t.Errorf("a gateway that is silent: %+v", failed)
	}

	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-process.Done()

	failed = failure(t, client.Reserve(bounded(t, 10*time.Second), backend, id, 8, description))
	if verdict(failed) != "not done" {
		t.Errorf("a gateway that is gone: %+v", failed)
	}
}

func TestAnswers(t *testing.T) {
	for _, test := range []struct{ name, answer, want, typ string }{
		{"a secret in a reason", `{"janus":"error","error":{"code":454,"reason":"JSON error: near 'admin-secret admin-key'"}}`, "refused", "454"},
		{"an unknown request", `{"janus":"error","transaction":"$t","error":{"code":457,"reason":"Unhandled request"}}`, "refused", "457"},
		{"an unknown plugin", `{"janus":"error","transaction":"$t","error":{"code":460,"reason":"No such plugin"}}`, "refused", "460"},
		{"an unknown error of the core", `{"janus":"error","transaction":"$t","error":{"code":490,"reason":"Unknown"}}`, "maybe done", "490"},
		{"a gateway that takes nobody", `{"janus":"error","transaction":"$t","error":{"code":472,"reason":"Not accepting"}}`, "maybe done", "472"},
		{"an unknown error of the plugin", `{"janus":"success","transaction":"$t","response":{"videoroom":"event","error_code":499,"error":"Unknown"}}`, "maybe done", "499"},
		{"a missing element", `{"janus":"success","transaction":"$t","response":{"videoroom":"event","error_code":429,"error":"Missing"}}`, "refused", "429"},
		{"a wrong element", `{"janus":"success","transaction":"$t","response":{"videoroom":"event","error_code":430,"error":"Invalid"}}`, "refused", "430"},
		{"an unknown word to the plugin", `{"janus":"success","transaction":"$t","response":{"videoroom":"event","error_code":423,"error":"Unknown request"}}`, "refused", "423"},
		{"another transaction", `{"janus":"success","transaction":"x","response":{"videoroom":"created"}}`, "maybe done", ""},
		{"another word", `{"janus":"success","transaction":"$t","response":{"videoroom":"event"}}`, "maybe done", ""},
		{"no word", `{"janus":"success","transaction":"$t"}`, "maybe done", ""},
		{"an acknowledgement", `{"janus":"ack","transaction":"$t","response":{"videoroom":"created"}}`, "maybe done", ""},
		{"an empty object", `{}`, "maybe done", ""},
		{"a page", `<html>`, "maybe done", ""},
	} {
		t.Run(test.name+" is "+test.want, func(t *testing.T) {
			failed := reserveFrom(t, func(w http.ResponseWriter, transaction, _ string) {
				_, _ = io.WriteString(w, strings.ReplaceAll(test.answer, "$t", transaction))
			})
			if verdict(failed) != test.want || failed.Type != test.typ || failed.Status != 200 {
				t.Errorf("%+v", failed)
			}
		})
	}

	for _, status := range []int{201, 302, 400, 403, 404, 500, 502} {
		t.Run(fmt.Sprintf("status %d leaves open what was done and tells no secret", status), func(t *testing.T) {
			failed := reserveFrom(t, func(w http.ResponseWriter, _, request string) {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, "sent: "+request)
			})
			if verdict(failed) != "maybe done" || failed.Status != status {
				t.Errorf("%+v", failed)
			}
		})
	}

	t.Run("a room that comes and goes is made three times, not for ever", func(t *testing.T) {
		var requests []string
		failed := reserveFrom(t, func(w http.ResponseWriter, transaction, request string) {
			code := 426
			if strings.Contains(request, `"request":"create"`) {
				code = 427
			}
			requests = append(requests, request)
			_, _ = fmt.Fprintf(w, `{"janus":"success","transaction":%q,"response":{"videoroom":"event","error_code":%d}}`, transaction, code)
		})
		if len(requests) != 6 || verdict(failed) != "maybe done" || failed.Type != "426" {
			t.Errorf("%d requests, %+v", len(requests), failed)
		}
	})

	t.Run("a gateway that goes between create and edit may still have the room", func(t *testing.T) {
		var server *httptest.Server
		server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var envelope struct{ Transaction string }
			if err := json.NewDecoder(r.Body).Decode(&envelope); err != nil {
				t.Error(err)
			}
			_ = server.Listener.Close()
			w.Header().Set("Connection", "close")
			_, _ = fmt.Fprintf(w, `{"janus":"success","transaction":%q,"response":{"videoroom":"event","error_code":427}}`, envelope.Transaction)
		}))
		defer server.Close()
		failed := failure(t, newClient(t, config).Reserve(bounded(t, 10*time.Second), minigroup.Backend{ID: "janus-1", AdminURL: server.URL}, uuid.New(), 8, description))
		if verdict(failed) != "maybe done" || !errors.Is(failed, syscall.ECONNREFUSED) {
			t.Errorf("%+v", failed)
		}
	})

	t.Run("a room that went is made again", func(t *testing.T) {
		codes := []int{427, 426, 0}
		failed := reserveFrom(t, func(w http.ResponseWriter, transaction, _ string) {
			_, _ = fmt.Fprintf(w, `{"janus":"success","transaction":%q,"response":{"videoroom":"created","error_code":%d}}`, transaction, codes[0])
			codes = codes[1:]
		})
		if failed != nil || len(codes) != 0 {
			t.Errorf("%v left, %+v", codes, failed)
		}
	})
}

// reserveFrom reserves on a gateway that answers like this.
func reserveFrom(t *testing.T, answer func(w http.ResponseWriter, transaction, request string)) *minigroup.UpstreamError {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, err := io.ReadAll(r.Body)
		var envelope struct{ Transaction string }
		if err == nil {
			err = json.Unmarshal(request, &envelope)
		}
		if err != nil || envelope.Transaction == "" {
			t.Errorf("%s: %v", request, err)
		}
		answer(w, envelope.Transaction, string(request))
	}))
	defer server.Close()
	client := newClient(t, config)
	return failure(t, client.Reserve(bounded(t, 10*time.Second), minigroup.Backend{ID: "janus-1", AdminURL: server.URL}, uuid.New(), 8, description))
}
