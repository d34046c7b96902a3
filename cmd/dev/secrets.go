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

// The files in the directory secrets.
const (
	serviceKey       = "service.pem"
	servicePublicKey = "service.pub.pem"
	issuerKey        = "issuer.pem"
	issuerPublicKey  = "issuer.pub.pem"
	janusSecretFile  = "janus-admin-secret" //nolint:gosec // the name of a file
	janusKeyFile     = "janus-admin-key"
	roomKeyFile      = "janus-room-key"
)

// secret returns the path of a file in the directory secrets.
func (ws workspace) secret(name string) string { return ws.path("secrets", name) }

// loadOrCreateSecret returns a secret and stores it in a file: value if it is not empty, else the content of the file,
// else a new one.
func (ws workspace) loadOrCreateSecret(name, value string) (string, error) {
	path := ws.secret(name)
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

// ensureKey generates a private key on P-256 unless the file exists.
func (ws workspace) ensureKey(name string) error {
	path := ws.secret(name)
	if _, err := os.Stat(path); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("create key %s: %w", name, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("create key %s: %w", name, err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("create key %s: %w", name, err)
	}
	return nil
}

// writePublicKey writes the public key of the private key in file.
func (ws workspace) writePublicKey(file, public string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return fmt.Errorf("read key %s: it is not a PEM file", file)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("read key %s: it has no PKCS#8 key", file)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return fmt.Errorf("read key %s: it is not an EC key on P-256", file)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("write public key of %s: %w", file, err)
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	if err := os.WriteFile(ws.secret(public), out, 0o644); err != nil {
		return fmt.Errorf("write public key of %s: %w", file, err)
	}
	return nil
}
