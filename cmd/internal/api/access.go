package api

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

// newVerifier makes a verifier for the configured issuers. Keys behind a URL are fetched now, and refreshed until ctx
// ends; an issuer whose URL does not answer is no error. Errors name the setting.
func newVerifier(
	ctx context.Context, configured map[string]config.Issuer, transport http.RoundTripper, metrics *accessMetrics,
	log *zap.Logger,
) (*auth.Verifier, error) {
	issuers := make([]auth.Issuer, 0, len(configured))
	for name, i := range configured {
		issuers = append(issuers, auth.Issuer{
			Name: name, Audiences: i.Audiences, Algorithm: i.Algorithm, AllowMissingExp: i.AllowMissingExp,
		})
	}
	var group errgroup.Group // in parallel, because a URL may take seconds to answer
	for n := range issuers {
		group.Go(func() error {
			issuer := &issuers[n]
			if err := loadKey(ctx, issuer, configured[issuer.Name], transport, metrics, log); err != nil {
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

// loadKey gives an issuer its key: from a file, or as a key set behind a URL.
func loadKey(
	ctx context.Context, issuer *auth.Issuer, cfg config.Issuer, transport http.RoundTripper, metrics *accessMetrics,
	log *zap.Logger,
) (err error) {
	switch {
	case cfg.JWKSURL != "":
		log, name := log.With(zap.String("issuer", issuer.Name)), issuer.Name
		issuer.Keys, err = jwks.New(ctx, jwks.Options{
			URL: cfg.JWKSURL, Transport: transport, Check: auth.CheckKey,
			OnFetched: func(f jwks.Fetch) {
				metrics.keysFetched(name, f)
				if f.Err != nil {
					log.Warn("fetching the keys of an issuer failed", zap.Error(f.Err))
				} else if f.Changed && f.Skipped > 0 {
					log.Info("some keys of an issuer are not used", zap.Int("skipped", f.Skipped), zap.Strings("reasons", f.Reasons))
				}
			},
		})
	case cfg.SecretFile != "":
		issuer.Secret, err = os.ReadFile(cfg.SecretFile)
	default:
		issuer.PublicKey, err = os.ReadFile(cfg.PublicKeyFile)
	}
	return err
}

// newAuthorizer makes an authorizer for the configured audiences. Requests to the authorization services of tenants
// carry a token of signer.
func newAuthorizer(
	cfg config.Config, signer *auth.Signer, transport http.RoundTripper, metrics *accessMetrics, log *zap.Logger,
) (*auth.Authorizer, error) {
	account := auth.Account{Label: cfg.Account.Label, Audience: cfg.Account.Audience}
	policies := make(map[string]auth.Policy, len(cfg.Authorization))
	for audience, a := range cfg.Authorization {
		policy := auth.Policy{Kind: auth.PolicyKind(a.Kind), Trusted: a.Trusted}
		for _, r := range a.Records {
			policy.Records = append(policy.Records, auth.Record{
				Subject: r.SubjectAccountID, Object: r.Object, Action: r.Action,
			})
		}
		if policy.Kind == auth.PolicyHTTP {
			metrics.addAudience(audience)
			policy.Timeout = cmp.Or(a.Timeout, config.DefaultTimeout)
			policy.Attempts = cmp.Or(a.MaxAttempts, config.DefaultMaxAttempts)
			policy.Service = authz.Client{
				URI: a.URI, Transport: transport,
				Namespace: cmp.Or(cfg.Access.Namespace, account.String()),
				Token:     func() (string, error) { return signer.TokenFor(audience) },
			}
		}
		policies[audience] = policy
	}
	authorizer, err := auth.NewAuthorizer(policies, auth.Options{
		Objects:      cfg.Access.Objects,
		CacheAllowed: cfg.Access.CacheAllowed,
		CacheDenied:  cfg.Access.CacheDenied,
		Concurrency:  cfg.Access.Concurrency,
		Answered:     metrics.answered,
		Failed: func(ctx context.Context, audience string, err error) {
			metrics.failed(audience)
			log.Warn("an authorization service did not answer",
				append(telemetry.Fields(ctx), zap.String("audience", audience), zap.Error(err))...)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("authorization: %w", err)
	}
	return authorizer, nil
}
