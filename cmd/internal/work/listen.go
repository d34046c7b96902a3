package work

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"

	"go.uber.org/zap"

	"minigroups/auth"
	"minigroups/config"
	"minigroups/mqtt"
	"minigroups/storage"
)

// listenTo is how the worker listens at the broker that is configured.
func listenTo(cfg config.Config, signer *auth.Signer, store *storage.Store, observer mqtt.Observer, suffix string, log *zap.Logger) (mqtt.Options, error) {
	a := cfg.MQTT
	broker, err := url.Parse(a.Broker)
	if err != nil {
		return mqtt.Options{}, fmt.Errorf("mqtt.broker: %w", err)
	}
	trusted, err := authorities(a.CAFile)
	if err != nil {
		return mqtt.Options{}, fmt.Errorf("mqtt.ca_file: %w", err)
	}
	client := a.ClientID
	if client == "" {
		if client, err = os.Hostname(); err != nil {
			return mqtt.Options{}, fmt.Errorf("mqtt.client_id: the host has no name: %w", err)
		}
	}
	return mqtt.Options{
		Broker: broker, TLS: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12, ServerName: broker.Hostname()},
		ClientID: client + suffix, Group: a.Group, Session: a.Session,
		Account: auth.Account{Label: cfg.Account.Label, Audience: cfg.Account.Audience}.String(),
		Event:   a.EventAccount, Conference: a.ConferenceAccount, Audiences: a.Audiences,
		Token: signer.Token, Ledger: store, Observer: observer, Log: log,
	}, nil
}

// authorities reads whom a broker's certificate may be signed by; nil, those of the system, without a file.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // nil are those of the system
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}
