package sandbox

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"time"
)

// Config says whom a stand-in for event or conference believes, and where it keeps its rooms.
type Config struct {
	// Issuers of tokens, by the claim iss.
	Issuers map[string]Issuer
	// Audiences that rooms may belong to. Nobody may do anything in an audience that is not listed.
	Audiences map[string]Authorization
	// StateFile keeps rooms and log over a restart; empty: they live in memory only.
	StateFile string
	// Clock tells the time; nil: time.Now.
	Clock func() time.Time
	// Account is the service's own account id, label.audience, which the topics of its announcements begin with.
	Account string
	// Announcer gets what the service announces; nil: it announces nothing.
	Announcer Announcer
}

// Issuer is one whose ES256 tokens are accepted for the given audiences.
type Issuer struct {
	Audiences []string
	PublicKey *ecdsa.PublicKey
}

// AuthorizationKind says how a stand-in decides what a caller may do in an audience.
type AuthorizationKind string

// The kinds of authorization.
const (
	AuthorizationNone        AuthorizationKind = "none"        // everybody may do everything
	AuthorizationLocal       AuthorizationKind = "local"       // the trusted accounts may do everything, others nothing
	AuthorizationUnreachable AuthorizationKind = "unreachable" // asks a service that does not answer: 422 authorization_failed
)

// Authorization of one audience.
type Authorization struct {
	Kind AuthorizationKind
	// Trusted holds account ids, label.audience; for AuthorizationLocal.
	Trusted []string
}

func (c Config) validate() error {
	var mistakes []error
	if c.Announcer != nil && c.Account == "" {
		mistakes = append(mistakes, errors.New("there is no account to announce as"))
	}
	for name, issuer := range c.Issuers {
		if issuer.PublicKey == nil {
			mistakes = append(mistakes, fmt.Errorf("issuer %q has no public key", name))
		}
	}
	for name, authorization := range c.Audiences {
		switch authorization.Kind {
		case AuthorizationNone, AuthorizationLocal, AuthorizationUnreachable:
		default:
			mistakes = append(mistakes, fmt.Errorf("audience %q: unknown kind of authorization %q", name, authorization.Kind))
		}
	}
	return errors.Join(mistakes...)
}
