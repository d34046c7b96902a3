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

// Access has the account whose tokens the API accepts and which every audience trusts.
type Access struct {
	Issuer, Audience, Account string
	PublicKey                 []byte // PEM
	Audiences                 []string
	// Log receives one line per request, as in the product.
	Log *zap.Logger
}

// Handler returns the product's API with a POST that calls the rival.
func Handler(c Creator, access Access) (http.Handler, error) {
	return handler(sagas{creator: c}, nil, access)
}

// Reads returns the product's API with a GET that calls reader.
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

// sagas makes a Creator an httpapi.Sagas. Only Create may be called.
type sagas struct {
	httpapi.Sagas
	creator Creator
}

// Create returns when the rival has created the minigroup.
func (s sagas) Create(
	ctx context.Context, r minigroup.CreateRequest, wait time.Duration,
) (minigroup.Minigroup, minigroup.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	rooms, err := s.creator.Create(ctx, r.Draft)
	if err != nil {
		return minigroup.Minigroup{}, 0, err
	}
	return minigroup.Minigroup{
		Draft: r.Draft, ID: r.ID, Fingerprint: r.Fingerprint, State: minigroup.Ready, CreatedAt: time.Now(),
		EventRoomID: rooms.EventRoom, ConferenceRoomID: rooms.ConferenceRoom,
	}, minigroup.OutcomeDone, nil
}
