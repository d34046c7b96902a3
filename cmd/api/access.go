package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"minigroups/auth"
	"minigroups/clients/authz"
	"minigroups/clients/jwks"
	"minigroups/config"
	"minigroups/telemetry"
)

// verifier knows the issuers of the configuration, and fetches their keys until ctx ends.
func verifier(ctx context.Context, configured map[string]config.Issuer, transport http.RoundTripper, metrics *accessMetrics, log *zap.Logger) (*auth.Verifier, error) {
	issuers := make([]auth.Issuer, 0, len(configured))
	for name, i := range configured {
		issuers = append(issuers, auth.Issuer{Name: name, Audiences: i.Audiences, Algorithm: i.Algorithm, AllowMissingExp: i.AllowMissingExp})
	}
	var group errgroup.Group // one of them may keep us waiting for its keys
	for n := range issuers {
		group.Go(func() error {
			issuer := &issuers[n]
			if err := giveKey(ctx, issuer, configured[issuer.Name], transport, metrics, log); err != nil {
				return fmt.Errorf("authentication.%s: %w", issuer.Name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	v, err := auth.NewVerifier(issuers)
	if err != nil {
		return nil, fmt.Errorf("authentication: %w", err)
	}
	return v, nil
}

func giveKey(ctx context.Context, issuer *auth.Issuer, i config.Issuer, transport http.RoundTripper, metrics *accessMetrics, log *zap.Logger) (err error) {
	switch {
	case i.JWKSURL != "":
		name := issuer.Name
		issuer.Keys, err = jwks.New(ctx, i.JWKSURL, transport, func(err error) {
			metrics.fetched(name, err)
			if err != nil {
				log.Warn("keys of an issuer could not be fetched", zap.String("issuer", name), zap.Error(err))
			}
		})
	case i.SecretFile != "":
		issuer.Secret, err = os.ReadFile(i.SecretFile)
	default:
		issuer.PublicKey, err = os.ReadFile(i.PublicKeyFile)
	}
	return err
}

// authorizer knows the audiences of the configuration. What it asks tenants is signed by signer.
func authorizer(cfg config.Config, signer *auth.Signer, transport http.RoundTripper, metrics *accessMetrics, log *zap.Logger) (*auth.Authorizer, error) {
	policies := make(map[string]auth.Policy, len(cfg.Authorization))
	for audience, a := range cfg.Authorization {
		policy := auth.Policy{Kind: auth.PolicyKind(a.Kind), Trusted: a.Trusted}
		for _, r := range a.Records {
			policy.Records = append(policy.Records, auth.Record{Subject: r.SubjectAccountID, Object: r.Object, Action: r.Action})
		}
		if policy.Kind == auth.PolicyHTTP {
			metrics.expect(audience)
			policy.Timeout, policy.Attempts = cmp.Or(a.Timeout, config.DefaultTimeout), cmp.Or(a.MaxAttempts, config.DefaultMaxAttempts)
			policy.Service = authz.Client{
				URI: a.URI, Transport: transport,
				Namespace: cmp.Or(cfg.Access.Namespace, auth.Account{Label: cfg.Account.Label, Audience: cfg.Account.Audience}.String()),
				Token:     func() (string, error) { return signer.TokenFor(audience) },
			}
		}
		policies[audience] = policy
	}
	authorizer, err := auth.NewAuthorizer(policies, auth.Options{
		Objects:      cfg.Access.Objects,
		CacheAllowed: cfg.Access.CacheAllowed, CacheDenied: cfg.Access.CacheDenied,
		Concurrency: cfg.Access.Concurrency,
		Answered:    metrics.answered,
		Failed: func(ctx context.Context, audience string, err error) {
			metrics.unanswered(audience)
			log.Warn("an authorization service gave no answer", append(telemetry.Fields(ctx), zap.String("audience", audience), zap.Error(err))...)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("authorization: %w", err)
	}
	return authorizer, nil
}
