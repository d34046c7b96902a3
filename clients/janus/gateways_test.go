package janus_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
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

// describedClass is the class of the rooms with the description.
var describedClass = uuid.MustParse("3f1c9f2e-6a52-4b7e-9b53-0d3f0a7a1c11")

const description = "minigroup:3f1c9f2e-6a52-4b7e-9b53-0d3f0a7a1c11"

// gateways are a real gateway and its stand-in. Both must pass the same tests, so that the stand-in stays true to the
// gateway.
var gateways = []struct {
	name  string
	start func(*testing.T) minigroup.Backend
	// startNumeric starts one whose ids of rooms are numbers.
	startNumeric func(*testing.T) minigroup.Backend
}{
	{
		name:         "a gateway",
		start:        func(t *testing.T) minigroup.Backend { return startGateway(t, false) },
		startNumeric: func(t *testing.T) minigroup.Backend { return startGateway(t, true) },
	},
	{
		name:         "its stand-in",
		start:        func(t *testing.T) minigroup.Backend { return startStandIn(t).backend },
		startNumeric: func(t *testing.T) minigroup.Backend { return startStandInWith(t, true).backend },
	},
}

func startGateway(t *testing.T, numericIDs bool) minigroup.Backend {
	t.Helper()
	gateway, backend := startProcessWith(t, numericIDs)
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
	return startProcessWith(t, false)
}

func startProcessWith(t *testing.T, numericIDs bool) (*stack.Janus, minigroup.Backend) {
	t.Helper()
	port, adminPort := freePort(t), freePort(t)
	dir := t.TempDir()
	gateway, err := stack.StartJanus(bounded(t, time.Minute), stack.JanusOptions{
		Dir: filepath.Join(dir, "etc"), Port: port, AdminPort: adminPort,
		AdminSecret: config.AdminSecret, AdminKey: config.AdminKey, NumericIDs: numericIDs,
		Log: filepath.Join(dir, "janus.log"),
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
	url     string // for faults
}

func startStandIn(t *testing.T) standIn {
	t.Helper()
	return startStandInWith(t, false)
}

func startStandInWith(t *testing.T, numericIDs bool) standIn {
	t.Helper()
	gateway := sandbox.NewJanus(sandbox.JanusConfig{
		AdminSecret: config.AdminSecret, AdminKey: config.AdminKey, NumericIDs: numericIDs,
	})
	server := httptest.NewServer(gateway.Admin())
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

// room is an entry of the gateway's list.
type room struct {
	Room          string `json:"room"`
	Description   string `json:"description"`
	IsPrivate     bool   `json:"is_private"`
	MaxPublishers int64  `json:"max_publishers"`
}

func privateRoom(id uuid.UUID, description string, slots int64) room {
	return room{Room: id.String(), Description: description, IsPrivate: true, MaxPublishers: slots}
}

func list(t *testing.T, backend minigroup.Backend) []room {
	t.Helper()
	var reply struct{ List []room }
	send(t, backend, map[string]any{"request": "list", "admin_key": config.AdminKey}, &reply)
	return reply.List
}

// send sends a request to the plugin without the client, and decodes the plugin's reply into response.
func send(t *testing.T, backend minigroup.Backend, request map[string]any, response any) {
	t.Helper()
	var reply struct{ Response json.RawMessage }
	c := rest.Client{Upstream: "janus", URL: backend.AdminURL, Transport: http.DefaultTransport}
	err := c.Do(bounded(t, 10*time.Second), rest.Call{
		Doing: "send", Method: http.MethodPost, Reply: &reply,
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

// failure returns the error of the client, nil if there is none. It fails the test if the error contains a secret.
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
			t.Errorf("the error contains a secret: %v", err)
		}
	}
	return failed
}
