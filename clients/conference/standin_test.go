package conference_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"minigroups/clients/conference"
	"minigroups/clients/rest"
	"minigroups/minigroup"
	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
)

const audience = "example.org"

// standIn is the sandbox's conference and a client of it.
type standIn struct {
	*conference.Client
	t         *testing.T
	server    *httptest.Server
	inspected *httptest.Server // stays when server has ended
	raw       rest.Client      // for what the client cannot ask
	now       atomic.Int64     // the stand-in's clock, unix seconds
	subject   string           // whom tokens speak for
	key       *ecdsa.PrivateKey
}

func startStandIn(t *testing.T) *standIn {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &standIn{t: t, subject: "minigroups", key: key}
	s.now.Store(1_800_000_000)
	handler, err := sandbox.NewConference(sandbox.Config{
		Issuers: map[string]sandbox.Issuer{"svc.example.org": {Audiences: []string{"svc.example.org"}, PublicKey: &key.PublicKey}},
		Audiences: map[string]sandbox.Authorization{
			audience:           {Kind: sandbox.AuthorizationLocal, Trusted: []string{"minigroups.svc.example.org"}},
			"down.example.org": {Kind: sandbox.AuthorizationUnreachable},
		},
		Clock: func() time.Time { return time.Unix(s.now.Load(), 0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	transport := rest.NewTransport()
	s.server, s.inspected = httptest.NewServer(handler), httptest.NewServer(handler)
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		s.server.Close()
		s.inspected.Close()
	})
	s.Client = conference.New(s.server.URL, transport, s.token)
	s.raw = rest.Client{Upstream: "conference", URL: s.server.URL, Transport: transport, Token: s.token}
	return s
}

func (s *standIn) token() (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": "svc.example.org", "aud": "svc.example.org", "sub": s.subject,
	}).SignedString(s.key)
}

// room returns the room as the stand-in keeps it.
func (s *standIn) room(id uuid.UUID) sandbox.Room {
	s.t.Helper()
	for _, room := range s.rooms() {
		if room.ID == id {
			return room
		}
	}
	s.t.Fatalf("there is no room %s", id)
	return sandbox.Room{}
}

func (s *standIn) rooms() []sandbox.Room {
	s.t.Helper()
	rooms, err := sandboxclient.Rooms(s.t.Context(), s.inspected.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	return rooms
}

func (s *standIn) setFaults(faults ...sandbox.Fault) {
	s.t.Helper()
	if err := sandboxclient.SetFaults(s.t.Context(), s.inspected.URL, faults...); err != nil {
		s.t.Fatal(err)
	}
}

// make makes a room of this time, which the client may never do.
func (s *standIn) make(start, end *int64) uuid.UUID {
	s.t.Helper()
	var made struct {
		ID uuid.UUID `json:"id"`
	}
	if err := s.raw.Do(s.context(), rest.Call{
		Doing: "make room", Method: http.MethodPost, Path: "/api/v1/rooms", Reply: &made,
		Body: map[string]any{"audience": audience, "classroom_id": uuid.New(), "kind": "Minigroup", "rtc_sharing_policy": "owned", "time": []*int64{start, end}},
	}); err != nil {
		s.t.Fatal(err)
	}
	return made.ID
}

// at is the moment this many seconds after now by the stand-in's clock.
func (s *standIn) at(seconds int64) *int64 { return new(s.now.Load() + seconds) }

// context bounds one call.
func (s *standIn) context() context.Context { return bounded(s.t, 20*time.Second) }

func bounded(t *testing.T, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// failure is what an error says; nil where there is none.
func failure(t *testing.T, err error) *minigroup.UpstreamError {
	t.Helper()
	if err == nil {
		return nil
	}
	var failed *minigroup.UpstreamError
	if !errors.As(err, &failed) || failed.Upstream != "conference" || failed.Doing == "" {
		t.Fatalf("a %T: %v", err, err)
	}
	return failed
}

// verdict sums an error up.
func verdict(err *minigroup.UpstreamError) string {
	switch {
	case err == nil:
		return "done"
	case err.Refused && err.MaybeDone:
		return "refused but maybe done"
	case err.Refused:
		return "refused"
	case err.MaybeDone:
		return "maybe done"
	default:
		return "not done"
	}
}

func sameTime(got [2]*int64, start, end *int64) bool {
	return minigroup.Window{Start: got[0], End: got[1]}.Equal(minigroup.Window{Start: start, End: end})
}
