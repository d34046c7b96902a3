package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
)

// The files under secrets.
const (
	serviceKey       = "service.pem"
	servicePublicKey = "service.pub.pem"
	issuerKey        = "issuer.pem"
	issuerPublicKey  = "issuer.pub.pem"
	janusSecretFile  = "janus-admin-secret" //nolint:gosec // the name of a file
	janusKeyFile     = "janus-admin-key"
	roomKeyFile      = "janus-room-key"
)

// secret returns the path of a file under secrets.
func (at place) secret(name string) string { return at.path("secrets", name) }

// keepSecret returns the secret of a file: value, which is written there, or
// where that is empty what stands there, or where there is no file a new one.
func (at place) keepSecret(name, value string) (string, error) {
	path := at.secret(name)
	if value == "" {
		text, err := os.ReadFile(path)
		if err == nil {
			return strings.TrimSpace(string(text)), nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("read secret %s: %w", name, err)
		}
		value = rand.Text()
	}
	if err := os.WriteFile(path, []byte(value+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write secret %s: %w", name, err)
	}
	return value, nil
}

// keepKey makes a private key on P-256 where there is none.
func (at place) keepKey(name string) error {
	path := at.secret(name)
	if _, err := os.Stat(path); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make key %s: %w", name, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("make key %s: %w", name, err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("make key %s: %w", name, err)
	}
	return nil
}

// publish writes the public half of the private key in file.
func (at place) publish(file, public string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return fmt.Errorf("read key %s: it is no PEM file", file)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("read key %s: it holds no PKCS#8 key", file)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return fmt.Errorf("read key %s: it is not an EC key on P-256", file)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("publish key %s: %w", file, err)
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	if err := os.WriteFile(at.secret(public), out, 0o644); err != nil {
		return fmt.Errorf("publish key %s: %w", file, err)
	}
	return nil
}
