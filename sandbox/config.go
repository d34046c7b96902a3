package sandbox

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"time"
)

// Config configures a stand-in for event or conference.
type Config struct {
	// Issuers of tokens, by the claim iss.
	Issuers map[string]Issuer
	// Audiences that rooms may belong to. Requests for any other audience are denied.
	Audiences map[string]Authorization
	// StateFile keeps rooms and log over a restart; if empty they exist in memory only.
	StateFile string
	// Clock returns the current time; nil is time.Now.
	Clock func() time.Time
	// Account is the service's own account id, label.audience. It is part of the topics of its room events.
	Account string
	// Publisher publishes the service's room events; nil publishes none.
	Publisher Publisher
	// Connections is the size of the service's database connection pool, per process; 0 is unlimited. Connection says
	// what needs one.
	Connections int
	// AcquireTimeout is how long a request waits for a connection before it is refused; 0 is 5 s.
	AcquireTimeout time.Duration
	// ServiceTime is how long a request holds its connections if it does not wait for one; 0 is 1 ms.
	ServiceTime time.Duration
}

// Issuer is an issuer of ES256 tokens and the audiences for which its tokens are accepted.
type Issuer struct {
	Audiences []string
	PublicKey *ecdsa.PublicKey
}

// AuthorizationKind says how a stand-in decides what a caller may do in an audience.
type AuthorizationKind string

// The kinds of authorization.
const (
	AuthorizationNone        AuthorizationKind = "none"        // allows every account everything
	AuthorizationLocal       AuthorizationKind = "local"       // allows the trusted accounts everything, others nothing
	AuthorizationUnreachable AuthorizationKind = "unreachable" // refuses all with 422 authorization_failed
)

// Authorization of one audience.
type Authorization struct {
	Kind AuthorizationKind
	// Trusted holds account ids, label.audience; for AuthorizationLocal.
	Trusted []string
}

func (c Config) validate() error {
	var mistakes []error
	if c.Publisher != nil && c.Account == "" {
		mistakes = append(mistakes, errors.New("there is no account to publish as"))
	}
	if c.Connections < 0 || c.AcquireTimeout < 0 || c.ServiceTime < 0 {
		mistakes = append(mistakes, errors.New("connections, acquire timeout and service time must not be negative"))
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
