package harness

import (
	"path/filepath"
	"time"

	"minigroups/auth"
	"minigroups/config"
	"minigroups/stack"
)

// What the service is called, and the one tenant with its one account, which may do everything.
const (
	service  = "svc.example.org"
	issuer   = "iam.example.org"
	Audience = "example.org"
)

// Identify writes keys into a folder and returns the settings of a service that knows them, and a token for a day.
func Identify(dir string) (cfg config.Config, token string, err error) {
	private, public := filepath.Join(dir, "key.pem"), filepath.Join(dir, "key.pub.pem")
	keyPEM, err := stack.WriteKeys(private, public)
	if err != nil {
		return cfg, "", err
	}
	signer, err := auth.NewSigner(auth.Account{Label: "minigroups", Audience: service}, keyPEM)
	if err != nil {
		return cfg, "", err
	}
	cfg = config.Default()
	cfg.Account.PrivateKeyFile = private
	cfg.Authentication = map[string]config.Issuer{issuer: {Audiences: []string{Audience}, Algorithm: "ES256", PublicKeyFile: public}}
	cfg.Authorization = map[string]config.Audience{Audience: {Kind: "local", Trusted: []string{"dev." + Audience}}}
	token, err = signer.Issue(issuer, Audience, "dev", time.Now().Add(24*time.Hour))
	return cfg, token, err
}

// Trust are the flags by which the stand-ins know that service.
func TrustFlags(cfg config.Config) []string {
	return []string{
		"-issuer", service + "=" + service + "=" + cfg.Authentication[issuer].PublicKeyFile,
		"-trust", Audience + "=minigroups." + service,
	}
}
