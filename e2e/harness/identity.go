package harness

import (
	"path/filepath"
	"time"

	"minigroups/auth"
	"minigroups/config"
	"minigroups/stack"
)

// The audience of the service, and the one tenant with its one account, which has every permission.
const (
	service  = "svc.example.org"
	issuer   = "iam.example.org"
	Audience = "example.org"
)

// Identify writes keys into a folder. It returns the configuration of a service that uses them, and a token that is
// valid for a day.
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
	cfg.Authentication = map[string]config.Issuer{
		issuer: {Audiences: []string{Audience}, Algorithm: "ES256", PublicKeyFile: public},
	}
	cfg.Authorization = map[string]config.Audience{
		Audience: {Kind: "local", Trusted: []string{"dev." + Audience}},
	}
	token, err = signer.Issue(issuer, Audience, "dev", time.Now().Add(24*time.Hour))
	return cfg, token, err
}

// TrustFlags returns the flags of the program sandbox with which the stand-ins accept the service.
func TrustFlags(cfg config.Config) []string {
	return []string{
		"-issuer", service + "=" + service + "=" + cfg.Authentication[issuer].PublicKeyFile,
		"-trust", Audience + "=minigroups." + service,
	}
}
