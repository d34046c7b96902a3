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
	// Audience is an audience in which the client may create rooms.
	Audience = "example.org"
	// unreachableAudience is an audience whose authorization service is unreachable.
	unreachableAudience = "down.example.org"

	startOfClock = 1_800_000_000
)

// StandIn is the sandbox's stand-in for a service, with a client of it.
type StandIn[C Client[N], N any] struct {
	Client C
	// URL, Transport and Token are what Client was made with.
	URL       string
	Transport http.RoundTripper
	// Now is the stand-in's clock in unix seconds. It changes only when a test changes it.
	Now atomic.Int64

	t          *testing.T
	service    Service[C, N]
	server     *httptest.Server
	inspection *httptest.Server // serves the same handler, also after server is closed
	subject    string           // the account label in tokens
	key        *ecdsa.PrivateKey
}

// Start returns a stand-in without rooms. It stops when the test ends.
func (s Service[C, N]) Start(t *testing.T) *StandIn[C, N] {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	standIn := &StandIn[C, N]{t: t, service: s, subject: "minigroups", key: key}
	standIn.Now.Store(startOfClock)
	handler, err := s.NewStandIn(sandbox.Config{
		Issuers: map[string]sandbox.Issuer{
			"svc.example.org": {Audiences: []string{"svc.example.org"}, PublicKey: &key.PublicKey},
		},
		Audiences: map[string]sandbox.Authorization{
			Audience:            {Kind: sandbox.AuthorizationLocal, Trusted: []string{"minigroups.svc.example.org"}},
			unreachableAudience: {Kind: sandbox.AuthorizationUnreachable},
		},
		Clock: func() time.Time { return time.Unix(standIn.Now.Load(), 0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	transport := rest.NewTransport()
	standIn.server, standIn.inspection = httptest.NewServer(handler), httptest.NewServer(handler)
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		standIn.server.Close()
		standIn.inspection.Close()
	})
	standIn.URL, standIn.Transport = standIn.server.URL, transport
	standIn.Client = s.NewClient(standIn.URL, standIn.Transport, standIn.Token)
	return standIn
}

// Token returns a token that the stand-in accepts.
func (s *StandIn[C, N]) Token() (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": "svc.example.org", "aud": "svc.example.org", "sub": s.subject,
	}).SignedString(s.key)
}

// NewRoom returns a request to create a room of a new class that starts now.
func (s *StandIn[C, N]) NewRoom() N {
	return s.service.NewRoom(Audience, uuid.New(), s.Now.Load())
}

// Room returns the room as the stand-in stores it. If there is none, the test fails.
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
	rooms, err := sandboxclient.Rooms(s.t.Context(), s.inspection.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	return rooms
}

// SetFaults replaces all faults of the stand-in.
func (s *StandIn[C, N]) SetFaults(faults ...sandbox.Fault) {
	s.t.Helper()
	if err := sandboxclient.SetFaults(s.t.Context(), s.inspection.URL, faults...); err != nil {
		s.t.Fatal(err)
	}
}

// MakeRoom creates a room with this time in unix seconds, where nil is unbounded. Unlike the client it can create rooms
// that have an end or no start.
func (s *StandIn[C, N]) MakeRoom(start, end *int64) uuid.UUID {
	s.t.Helper()
	var created struct {
		ID uuid.UUID `json:"id"`
	}
	client := rest.Client{Upstream: s.service.Name, URL: s.URL, Transport: s.Transport, Token: s.Token}
	if err := client.Do(s.Context(), rest.Call{
		Doing: "make room", Method: http.MethodPost, Path: "/api/v1/rooms", Reply: &created,
		Body: map[string]any{
			"audience": Audience, "classroom_id": uuid.New(), "kind": "Minigroup", "rtc_sharing_policy": "owned",
			"time": []*int64{start, end},
		},
	}); err != nil {
		s.t.Fatal(err)
	}
	return created.ID
}

// At returns the time this many seconds after Now, in unix seconds.
func (s *StandIn[C, N]) At(seconds int64) *int64 { return new(s.Now.Load() + seconds) }

// Context returns a context that bounds one call.
func (s *StandIn[C, N]) Context() context.Context { return bounded(s.t, callLimit) }

const callLimit = 20 * time.Second

func bounded(t *testing.T, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}
