package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"minigroups/minigroup"
)

// PolicyKind says how it is decided who may do something in an audience.
type PolicyKind string

// The kinds of policies.
const (
	// PolicyNone lets every account do everything.
	PolicyNone PolicyKind = "none"
	// PolicyLocal lets the trusted accounts do everything and everybody else nothing.
	PolicyLocal PolicyKind = "local"
	// PolicyLocalWhitelist lets accounts do what a record says, word for word, and nothing else.
	PolicyLocalWhitelist PolicyKind = "localwhitelist"
	// PolicyHTTP lets the trusted accounts do everything, and asks the tenant's own service about everybody else.
	PolicyHTTP PolicyKind = "http"
)

// Policy says who may do something with the minigroups of one audience.
type Policy struct {
	Kind PolicyKind
	// Trusted are account ids; for PolicyLocal and PolicyHTTP.
	Trusted []string
	// Records are for PolicyLocalWhitelist.
	Records []Record
	// Tenant is who is asked; for PolicyHTTP.
	Tenant Tenant
	// Timeout bounds each of at most Attempts questions to it, the wait for its turn included.
	Timeout  time.Duration
	Attempts int
}

// Record allows one thing.
type Record struct {
	// Subject is the account id of who may.
	Subject string
	// Object is to what, such as classrooms and an id.
	Object []string
	Action string
}

// Options are what holds for all audiences.
type Options struct {
	// Objects is the first element of every object: classrooms.
	Objects string
	// CacheAllowed and CacheDenied are how long an answer of a tenant is used again; 0: not at all.
	RememberAllowed, RememberDenied time.Duration
	// Concurrency bounds the questions that one tenant is asked at a time.
	Concurrency int
	// Answered is told of every question that was answered, by the tenant or from what is remembered; nil: nobody is.
	Answered func(audience string, remembered bool)
	// Failed is told of every question that a tenant did not answer; nil: nobody is.
	Failed func(ctx context.Context, audience string, err error)
}

// Authorizer decides who may do what. It is safe for concurrent use.
type Authorizer struct {
	objects string
	rules   map[string]rule
}

// rule decides within one audience. Accounts are compared part by part: label "a.b" of audience "c" and label "a" of
// audience "b.c" are written alike.
type rule struct {
	everybody bool
	trusted   []Account
	records   []record
	tenant    *asked // nil: nobody is asked
}

type record struct {
	subject Account
	object  []string
	action  string
}

// NewAuthorizer makes an authorizer from a policy per audience (of the minigroups, not of the caller). It returns an
// error that lists every policy of an unknown kind or without a tenant to ask, and every account that is no account id.
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
		r.everybody = true
	case PolicyLocal, PolicyHTTP:
		for _, id := range p.Trusted {
			r.trusted = append(r.trusted, account(id))
		}
	case PolicyLocalWhitelist:
		for _, allowed := range p.Records {
			r.records = append(r.records, record{account(allowed.Subject), allowed.Object, allowed.Action})
		}
	default:
		return rule{}, fmt.Errorf("kind %q: must be %s, %s, %s or %s", p.Kind, PolicyNone, PolicyLocal, PolicyLocalWhitelist, PolicyHTTP)
	}
	if p.Kind == PolicyHTTP {
		var err error
		r.tenant, err = newAsked(audience, p, options)
		errs = append(errs, err)
	}
	return r, errors.Join(errs...)
}

// Authorize returns nil where account may do action in this audience: to its minigroups in general, or to the one of this
// id. Otherwise it returns a *minigroup.Error: of kind AccessDenied, also in an audience without a policy, where nobody may
// do anything; or AuthorizationFailed where the tenant gave no answer. Any other error is that of ctx.
func (a *Authorizer) Authorize(ctx context.Context, account Account, audience, action string, id ...string) error {
	object := append([]string{a.objects}, id...)
	r := a.rules[audience]
	if r.everybody || slices.Contains(r.trusted, account) || r.listed(account, object, action) {
		return nil
	}
	if r.tenant != nil {
		allowed, err := r.tenant.allows(ctx, question{account, object, action})
		if allowed || err != nil {
			return err
		}
	}
	return minigroup.Errorf(minigroup.AccessDenied, "%s may not %s %s of audience %s", account, action, strings.Join(object, "/"), audience)
}

func (r rule) listed(account Account, object []string, action string) bool {
	return slices.ContainsFunc(r.records, func(allowed record) bool {
		return allowed.subject == account && slices.Equal(allowed.object, object) && allowed.action == action
	})
}
