package sagaworker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"go.uber.org/zap"

	"minigroups/auth"
	"minigroups/config"
	"minigroups/mqtt"
	"minigroups/storage"
)

// mqttOptions translates the configuration of the broker. Errors name the setting.
func mqttOptions(
	cfg config.Config, signer *auth.Signer, store *storage.Store, observer mqtt.Observer, labelSuffix string,
	log *zap.Logger,
) (mqtt.Options, error) {
	broker, err := url.Parse(cfg.MQTT.Broker)
	if err != nil {
		return mqtt.Options{}, fmt.Errorf("mqtt.broker: %w", err)
	}
	roots, err := certificates(cfg.MQTT.CAFile)
	if err != nil {
		return mqtt.Options{}, fmt.Errorf("mqtt.ca_file: %w", err)
	}
	label, err := agentLabel(cfg.MQTT.ClientID)
	if err != nil {
		return mqtt.Options{}, err
	}
	return mqtt.Options{
		Broker:     broker,
		TLS:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, ServerName: broker.Hostname()},
		Protocol:   mqtt.Protocol(cfg.MQTT.Protocol),
		Label:      label + labelSuffix,
		Group:      cfg.MQTT.Group,
		Session:    cfg.MQTT.Session,
		Account:    auth.Account{Label: cfg.Account.Label, Audience: cfg.Account.Audience}.String(),
		Event:      cfg.MQTT.EventAccount,
		Conference: cfg.MQTT.ConferenceAccount,
		Audiences:  cfg.MQTT.Audiences,
		Token:      signer.Token,
		Ledger:     store,
		Observer:   observer,
		Log:        log,
	}, nil
}

// agentLabel returns the label of the client id. Without a client id it is the host name, which may have dots and a
// label may not.
func agentLabel(clientID string) (string, error) {
	if clientID != "" {
		label, _, _ := strings.Cut(clientID, ".")
		return label, nil
	}
	host, err := os.Hostname()
	if err == nil && host == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", fmt.Errorf("mqtt.client_id is not set and the host name is unknown: %w", err)
	}
	return strings.ReplaceAll(host, ".", "-"), nil
}

// certificates reads the certificates that the broker's certificate is verified with. Without a file it returns nil,
// which means those of the system.
func certificates(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // nil means the system's certificates
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
