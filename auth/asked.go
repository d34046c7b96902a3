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

// maxAnswers is how many answers of one tenant are remembered; beyond it the one used longest ago is forgotten.
const maxAnswers = 10_000

// Tenant is a tenant's own service that knows who may do what there. It is safe for concurrent use.
type Tenant interface {
	// Allows asks once whether the account label.audience may do action to object. An error means that there is no answer.
	Allows(ctx context.Context, label, audience string, object []string, action string) (bool, error)
}

// asked is a tenant whose answers are remembered, and who is asked the same thing by one of ours at a time.
type asked struct {
	audience string
	policy   Policy
	options  Options
	answers  *lru.Cache[string, answer]
	flights  singleflight.Group
	turns    chan struct{}
}

type answer struct {
	allowed bool
	until   time.Time
}

type question struct {
	account Account
	object  []string
	action  string
}

// key tells questions apart whatever characters they hold.
func (q question) key() string {
	return fmt.Sprintf("%q %q %q %q", q.account.Label, q.account.Audience, q.object, q.action)
}

func newAsked(audience string, policy Policy, options Options) (*asked, error) {
	if policy.Tenant == nil || policy.Timeout <= 0 || policy.Attempts < 1 || options.Concurrency < 1 {
		return nil, fmt.Errorf("kind %s: needs a tenant, a timeout, attempts and concurrency", PolicyHTTP)
	}
	answers, err := lru.New[string, answer](maxAnswers)
	if err != nil {
		return nil, err
	}
	return &asked{audience: audience, policy: policy, options: options, answers: answers, turns: make(chan struct{}, options.Concurrency)}, nil
}

// allows answers from memory or asks. Whoever asks the same thing meanwhile gets the same answer; one who leaves, as ctx
// ends, does not end it for the others.
func (a *asked) allows(ctx context.Context, q question) (bool, error) {
	key := q.key()
	if known, ok := a.answers.Get(key); ok && time.Now().Before(known.until) {
		a.answered(true)
		return known.allowed, nil
	}
	flight := a.flights.DoChan(key, func() (any, error) {
		allowed, err := a.ask(context.WithoutCancel(ctx), q)
		if err == nil {
			a.remember(key, allowed)
		}
		return allowed, err
	})
	select {
	case result := <-flight:
		if result.Err != nil {
			return false, minigroup.Errorf(minigroup.AuthorizationFailed, "the authorization service of audience %s gave no answer", a.audience)
		}
		return result.Val.(bool), nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (a *asked) remember(key string, allowed bool) {
	lifetime := a.options.RememberDenied
	if allowed {
		lifetime = a.options.RememberAllowed
	}
	if lifetime > 0 {
		a.answers.Add(key, answer{allowed, time.Now().Add(lifetime)})
	}
}

func (a *asked) answered(remembered bool) {
	if a.options.Answered != nil {
		a.options.Answered(a.audience, remembered)
	}
}

// ask asks until there is an answer, at most as often as the policy says.
func (a *asked) ask(ctx context.Context, q question) (allowed bool, err error) {
	for range a.policy.Attempts {
		if allowed, err = a.askOnce(ctx, q); err == nil {
			a.answered(false)
			return allowed, nil
		}
		if a.options.Failed != nil {
			a.options.Failed(ctx, a.audience, err)
		}
	}
	return false, err
}

func (a *asked) askOnce(ctx context.Context, q question) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, a.policy.Timeout)
	defer cancel()
	select {
	case a.turns <- struct{}{}:
		defer func() { <-a.turns }()
	case <-ctx.Done():
		return false, errors.New("as many questions as allowed are still without an answer")
	}
	return a.policy.Tenant.Allows(ctx, q.account.Label, q.account.Audience, q.object, q.action)
}
