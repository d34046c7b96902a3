package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"

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
)

// Policy says who may do something with the minigroups of one audience.
type Policy struct {
	Kind PolicyKind
	// Trusted are account ids; only for PolicyLocal.
	Trusted []string
}

// Authorizer decides who may do what. It is safe for concurrent use.
type Authorizer struct {
	rules map[string]rule
}

// rule decides within one audience. Trusted accounts are compared part by part: label "a.b" of audience "c" and label
// "a" of audience "b.c" are written alike.
type rule struct {
	everybody bool
	trusted   []Account
}

// NewAuthorizer makes an authorizer from a policy per audience (of the minigroups, not of the caller). It returns an
// error that lists every policy of an unknown kind and every trusted account that is no account id.
func NewAuthorizer(policies map[string]Policy) (*Authorizer, error) {
	a := &Authorizer{rules: make(map[string]rule, len(policies))}
	var errs []error
	for audience, policy := range policies {
		r, err := policy.rule()
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

func (p Policy) rule() (rule, error) {
	switch p.Kind {
	case PolicyNone:
		return rule{everybody: true}, nil
	case PolicyLocal:
		var (
			r    rule
			errs []error
		)
		for _, id := range p.Trusted {
			account, err := ParseAccount(id)
			if err != nil {
				errs = append(errs, err)
			}
			r.trusted = append(r.trusted, account)
		}
		return r, errors.Join(errs...)
	default:
		return rule{}, fmt.Errorf("kind %q: must be %s or %s", p.Kind, PolicyNone, PolicyLocal)
	}
}

// Authorize returns nil where account may do action to object (a path, such as classrooms and an id) in this audience,
// and a *minigroup.Error of kind AccessDenied otherwise: in an audience without a policy nobody may do anything.
func (a *Authorizer) Authorize(account Account, audience string, object []string, action string) error {
	if r := a.rules[audience]; r.everybody || slices.Contains(r.trusted, account) {
		return nil
	}
	return minigroup.Errorf(minigroup.AccessDenied, "%s may not %s %s of audience %s", account, action, strings.Join(object, "/"), audience)
}
