package rivals

import (
	"context"
	"net/http"
	"time"

	"go.uber.org/zap"

	"minigroups/auth"
	"minigroups/httpapi"
	"minigroups/minigroup"
	"minigroups/telemetry"
)

// Access says whose tokens are taken: one account, trusted by every audience.
type Access struct {
	Issuer, Audience, Account string
	PublicKey                 []byte // PEM
	Audiences                 []string
	// Log gets a line per request, as the product's does.
	Log *zap.Logger
}

// Handler is the product's API, whose POST has the rival create.
func Handler(c Creator, access Access) (http.Handler, error) {
	return handler(sagas{creator: c}, nil, access)
}

// Reads is the product's API, whose GET asks reader.
func Reads(reader httpapi.Minigroups, access Access) (http.Handler, error) {
	return handler(nil, reader, access)
}

func handler(s httpapi.Sagas, reader httpapi.Minigroups, access Access) (http.Handler, error) {
	verifier, err := auth.NewVerifier([]auth.Issuer{
		{Name: access.Issuer, Audiences: []string{access.Audience}, Algorithm: "ES256", PublicKey: access.PublicKey},
	})
	if err != nil {
		return nil, err
	}
	policies := map[string]auth.Policy{}
	for _, audience := range access.Audiences {
		policies[audience] = auth.Policy{Kind: auth.PolicyLocal, Trusted: []string{access.Account}}
	}
	authorizer, err := auth.NewAuthorizer(policies, auth.Options{Objects: "classrooms", Concurrency: 1})
	if err != nil {
		return nil, err
	}
	return httpapi.New(httpapi.Deps{
		Sagas: s, Minigroups: reader, Verifier: verifier, Authorizer: authorizer,
		Wait: 15 * time.Second, MaxWait: time.Minute, BodyTimeout: 10 * time.Second, AllowedOrigins: []string{"*"},
		Requests: telemetry.NewRequests(nil), Log: access.Log,
	}), nil
}

// sagas is a Creator as the API wants it. It only creates: the rest of the interface is not there to be called.
type sagas struct {
	httpapi.Sagas
	creator Creator
}

// Create answers when the rival has created.
func (s sagas) Create(ctx context.Context, r minigroup.CreateRequest, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	made, err := s.creator.Create(ctx, r.Draft)
	if err != nil {
		return minigroup.Minigroup{}, 0, err
	}
	return minigroup.Minigroup{
		Draft: r.Draft, ID: r.ID, Fingerprint: r.Fingerprint, State: minigroup.Ready, CreatedAt: time.Now(),
		EventRoomID: made.EventRoom, ConferenceRoomID: made.ConferenceRoom,
	}, minigroup.OutcomeDone, nil
}
