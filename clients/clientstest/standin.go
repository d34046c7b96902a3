package clientstest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"minigroups/clients/rest"
	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
)

const (
	// Audience is the one whose rooms the client may make.
	Audience = "example.org"
	// unreachable is an audience whose authorization is down.
	unreachable = "down.example.org"

	startOfClock = 1_800_000_000
)

// StandIn is the sandbox's stand-in for a service and a client of it.
type StandIn[C Client[N], N any] struct {
	Client C
	// URL, Transport and Token are what Client was made with.
	URL       string
	Transport http.RoundTripper
	// Now is the stand-in's clock, in unix seconds. It stands still.
	Now atomic.Int64

	t         *testing.T
	service   Service[C, N]
	server    *httptest.Server
	inspected *httptest.Server // stays when server has ended
	subject   string           // whom tokens speak for
	key       *ecdsa.PrivateKey
}

// Start returns a stand-in without rooms. It ends with the test.
func (s Service[C, N]) Start(t *testing.T) *StandIn[C, N] {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	in := &StandIn[C, N]{t: t, service: s, subject: "minigroups", key: key}
	in.Now.Store(startOfClock)
	handler, err := s.NewStandIn(sandbox.Config{
		Issuers: map[string]sandbox.Issuer{"svc.example.org": {Audiences: []string{"svc.example.org"}, PublicKey: &key.PublicKey}},
		Audiences: map[string]sandbox.Authorization{
			Audience:    {Kind: sandbox.AuthorizationLocal, Trusted: []string{"minigroups.svc.example.org"}},
			unreachable: {Kind: sandbox.AuthorizationUnreachable},
		},
		Clock: func() time.Time { return time.Unix(in.Now.Load(), 0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	transport := rest.NewTransport()
	in.server, in.inspected = httptest.NewServer(handler), httptest.NewServer(handler)
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		in.server.Close()
		in.inspected.Close()
	})
	in.URL, in.Transport = in.server.URL, transport
	in.Client = s.NewClient(in.URL, in.Transport, in.Token)
	return in
}

// Token returns a token that the stand-in takes.
func (s *StandIn[C, N]) Token() (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": "svc.example.org", "aud": "svc.example.org", "sub": s.subject,
	}).SignedString(s.key)
}

// NewRoom is a room to create, of a class of its own, that starts now.
func (s *StandIn[C, N]) NewRoom() N {
	return s.service.NewRoom(Audience, uuid.New(), s.Now.Load())
}

// Room returns the room as the stand-in keeps it. Without one the test fails.
func (s *StandIn[C, N]) Room(id uuid.UUID) sandbox.Room {
	s.t.Helper()
	for _, room := range s.rooms() {
		if room.ID == id {
			return room
		}
	}
	s.t.Fatalf("there is no room %s", id)
	return sandbox.Room{}
}

func (s *StandIn[C, N]) rooms() []sandbox.Room {
	s.t.Helper()
	rooms, err := sandboxclient.Rooms(s.t.Context(), s.inspected.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	return rooms
}

// SetFaults replaces all faults.
func (s *StandIn[C, N]) SetFaults(faults ...sandbox.Fault) {
	s.t.Helper()
	if err := sandboxclient.SetFaults(s.t.Context(), s.inspected.URL, faults...); err != nil {
		s.t.Fatal(err)
	}
}

// Make makes a room of this time, in unix seconds, nil for unbounded, which the client may never do.
func (s *StandIn[C, N]) Make(start, end *int64) uuid.UUID {
	s.t.Helper()
	var made struct {
		ID uuid.UUID `json:"id"`
	}
	raw := rest.Client{Upstream: s.service.Name, URL: s.URL, Transport: s.Transport, Token: s.Token}
	if err := raw.Do(s.Context(), rest.Call{
		Doing: "make room", Method: http.MethodPost, Path: "/api/v1/rooms", Reply: &made,
		Body: map[string]any{"audience": Audience, "classroom_id": uuid.New(), "kind": "Minigroup", "rtc_sharing_policy": "owned", "time": []*int64{start, end}},
	}); err != nil {
		s.t.Fatal(err)
	}
	return made.ID
}

// At is the moment this many seconds after now by the stand-in's clock.
func (s *StandIn[C, N]) At(seconds int64) *int64 { return new(s.Now.Load() + seconds) }

// Context bounds one call.
func (s *StandIn[C, N]) Context() context.Context { return bounded(s.t, callLimit) }

const callLimit = 20 * time.Second

func bounded(t *testing.T, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}
