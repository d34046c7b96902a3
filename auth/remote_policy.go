package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"minigroups/minigroup"
)

// maxCachedDecisions bounds the cache of one remote policy; beyond it the least recently used decision is evicted.
const maxCachedDecisions = 10_000

// TenantService is the authorization service of a tenant. It is safe for concurrent use.
type TenantService interface {
	// Allows sends one request and returns whether the account label.audience may do action to object. An error means that
	// the service did not decide.
	Allows(ctx context.Context, label, audience string, object []string, action string) (bool, error)
}

// remotePolicy asks the service of a tenant. It caches decisions, deduplicates concurrent equal requests, and bounds
// concurrent requests by a semaphore.
type remotePolicy struct {
	audience  string
	policy    Policy
	options   Options
	decisions *lru.Cache[string, decision]
	inFlight  singleflight.Group
	semaphore chan struct{}
}

type decision struct {
	allowed   bool
	expiresAt time.Time
}

type authorizationRequest struct {
	account Account
	object  []string
	action  string
}

// key is unique per request: quoting keeps the parts apart, whatever characters they contain.
func (r authorizationRequest) key() string {
	return fmt.Sprintf("%q %q %q %q", r.account.Label, r.account.Audience, r.object, r.action)
}

func newRemotePolicy(audience string, policy Policy, options Options) (*remotePolicy, error) {
	if policy.Service == nil || policy.Timeout <= 0 || policy.Attempts < 1 || options.Concurrency < 1 {
		return nil, fmt.Errorf("kind %s: needs a tenant service, a timeout, attempts and concurrency", PolicyHTTP)
	}
	decisions, err := lru.New[string, decision](maxCachedDecisions)
	if err != nil {
		return nil, err
	}
	return &remotePolicy{
		audience: audience, policy: policy, options: options,
		decisions: decisions, semaphore: make(chan struct{}, options.Concurrency),
	}, nil
}

// allows returns a cached decision, or requests one. A second caller joins an equal request in flight; a caller whose
// ctx ends leaves it running for the others.
func (p *remotePolicy) allows(ctx context.Context, r authorizationRequest) (bool, error) {
	key := r.key()
	if cached, ok := p.decisions.Get(key); ok && time.Now().Before(cached.expiresAt) {
		p.answered(true)
		return cached.allowed, nil
	}
	result := p.inFlight.DoChan(key, func() (any, error) {
		allowed, err := p.request(context.WithoutCancel(ctx), r)
		if err == nil {
			p.cache(key, allowed)
		}
		return allowed, err
	})
	select {
	case result := <-result:
		if result.Err != nil {
			return false, minigroup.Errorf(minigroup.AuthorizationFailed, "the authorization service gave no answer")
		}
		return result.Val.(bool), nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (p *remotePolicy) cache(key string, allowed bool) {
	lifetime := p.options.CacheDenied
	if allowed {
		lifetime = p.options.CacheAllowed
	}
	if lifetime > 0 {
		p.decisions.Add(key, decision{allowed: allowed, expiresAt: time.Now().Add(lifetime)})
	}
}

func (p *remotePolicy) answered(cached bool) {
	if p.options.Answered != nil {
		p.options.Answered(p.audience, cached)
	}
}

// request makes up to policy.Attempts attempts until the service decides.
func (p *remotePolicy) request(ctx context.Context, r authorizationRequest) (allowed bool, err error) {
	for range p.policy.Attempts {
		if allowed, err = p.attempt(ctx, r); err == nil {
			p.answered(false)
			return allowed, nil
		}
		if p.options.Failed != nil {
			p.options.Failed(ctx, p.audience, err)
		}
	}
	return false, err
}

func (p *remotePolicy) attempt(ctx context.Context, r authorizationRequest) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, p.policy.Timeout)
	defer cancel()
	select {
	case p.semaphore <- struct{}{}:
		defer func() { <-p.semaphore }()
	case <-ctx.Done():
		return false, errors.New("the maximum number of concurrent authorization requests is reached")
	}
	return p.policy.Service.Allows(ctx, r.account.Label, r.account.Audience, r.object, r.action)
}
