package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"minigroups/minigroup"
)

// PolicyKind selects how access to the minigroups of an audience is decided.
type PolicyKind string

// The kinds of policies.
const (
	// PolicyNone allows every account everything.
	PolicyNone PolicyKind = "none"
	// PolicyLocal allows the trusted accounts everything and other accounts nothing.
	PolicyLocal PolicyKind = "local"
	// PolicyLocalWhitelist allows an account exactly what a record lists.
	PolicyLocalWhitelist PolicyKind = "localwhitelist"
	// PolicyHTTP allows the trusted accounts everything and asks the tenant's service about other accounts.
	PolicyHTTP PolicyKind = "http"
)

// Policy decides access to the minigroups of one audience.
type Policy struct {
	Kind PolicyKind
	// Trusted lists account ids; used by PolicyLocal and PolicyHTTP.
	Trusted []string
	// Records are used by PolicyLocalWhitelist.
	Records []Record
	// Service decides for PolicyHTTP.
	Service TenantService
	// Timeout bounds each attempt to reach Service, the wait for the semaphore included. Attempts is the maximum number of
	// attempts per request, at least 1. Both are required by PolicyHTTP.
	Timeout  time.Duration
	Attempts int
}

// Record allows one account one action on one object.
type Record struct {
	// Subject is the id of the account.
	Subject string
	// Object is a path such as classrooms and an id.
	Object []string
	Action string
}

// Options apply to all audiences.
type Options struct {
	// Objects is the first element of every object: classrooms.
	Objects string
	// CacheAllowed and CacheDenied are how long a decision of a tenant service is cached; 0 disables the cache.
	CacheAllowed, CacheDenied time.Duration
	// Concurrency is the maximum number of concurrent requests to one tenant service.
	Concurrency int
	// Answered, if set, is called for each decision: of the tenant service, or of the cache.
	Answered func(audience string, cached bool)
	// Failed, if set, is called for each attempt that returned no decision.
	Failed func(ctx context.Context, audience string, err error)
}

// Authorizer decides which account may do what. It is safe for concurrent use.
type Authorizer struct {
	objects string
	rules   map[string]rule
}

// rule is a parsed Policy. It compares accounts part by part, because label "a.b" of audience "c" and label "a" of
// audience "b.c" have the same account id.
type rule struct {
	allowAll bool
	trusted  []Account
	records  []record
	remote   *remotePolicy // nil unless the kind is PolicyHTTP
}

type record struct {
	subject Account
	object  []string
	action  string
}

// NewAuthorizer takes one policy per audience of minigroups (not per audience of callers). It returns one error for all
// invalid policies: unknown kinds, missing tenant services and settings of PolicyHTTP, malformed account ids.
func NewAuthorizer(policies map[string]Policy, options Options) (*Authorizer, error) {
	a := &Authorizer{objects: options.Objects, rules: make(map[string]rule, len(policies))}
	var errs []error
	for audience, policy := range policies {
		r, err := policy.rule(audience, options)
		if err != nil {
			errs = append(errs, fmt.Errorf("authorization for audience %q: %w", audience, err))
		}
		a.rules[audience] = r
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return a, nil
}

func (p Policy) rule(audience string, options Options) (rule, error) {
	var (
		r    rule
		errs []error
	)
	account := func(id string) Account {
		account, err := ParseAccount(id)
		if err != nil {
			errs = append(errs, err)
		}
		return account
	}
	switch p.Kind {
	case PolicyNone:
		r.allowAll = true
	case PolicyLocal, PolicyHTTP:
		for _, id := range p.Trusted {
			r.trusted = append(r.trusted, account(id))
		}
	case PolicyLocalWhitelist:
		for _, allowed := range p.Records {
			r.records = append(r.records, record{account(allowed.Subject), allowed.Object, allowed.Action})
		}
	default:
		return rule{}, fmt.Errorf("kind %q: must be %s, %s, %s or %s",
			p.Kind, PolicyNone, PolicyLocal, PolicyLocalWhitelist, PolicyHTTP)
	}
	if p.Kind == PolicyHTTP {
		var err error
		r.remote, err = newRemotePolicy(audience, p, options)
		errs = append(errs, err)
	}
	return r, errors.Join(errs...)
}

// Authorize returns nil if account may do action in this audience: on its minigroups in general or, with an id, on
// that minigroup. Otherwise it returns a *minigroup.Error: of kind AccessDenied, also for an audience without a
// policy; or of kind AuthorizationFailed if the tenant service made no decision. Any other error is ctx.Err().
func (a *Authorizer) Authorize(ctx context.Context, account Account, audience, action string, id ...string) error {
	object := append([]string{a.objects}, id...)
	r := a.rules[audience]
	if r.allowAll || slices.Contains(r.trusted, account) || r.listed(account, object, action) {
		return nil
	}
	if r.remote != nil {
		request := authorizationRequest{account: account, object: object, action: action}
		allowed, err := r.remote.allows(ctx, request)
		if allowed || err != nil {
			return err
		}
	}
	// The text names nothing of a minigroup that the caller may know only by its id.
	return minigroup.Errorf(minigroup.AccessDenied, "%s may not %s %s", account, action, a.objects)
}

func (r rule) listed(account Account, object []string, action string) bool {
	return slices.ContainsFunc(r.records, func(allowed record) bool {
		return allowed.subject == account && slices.Equal(allowed.object, object) && allowed.action == action
	})
}
