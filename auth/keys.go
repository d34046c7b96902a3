package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// The algorithms that tokens may be signed with.
const (
	ES256 = "ES256" // ECDSA on P-256
	HS256 = "HS256" // HMAC with a shared secret
	RS256 = "RS256" // RSA, PKCS #1 v1.5
	EdDSA = "EdDSA" // Ed25519
)

// Keys are the public keys of an issuer that may change while we run. It is safe for concurrent use.
type Keys interface {
	// Lookup returns the keys of this name (kid) that may sign with this algorithm, all those for the algorithm where the
	// token names none. An error means that they cannot be had at the moment.
	Lookup(ctx context.Context, kid, algorithm string) ([]any, error)
}

// minSecretBytes is what RFC 7518 demands of a secret for HS256.
const minSecretBytes = 32

// What is taken for the modulus of an RSA key. A longer one makes every token expensive.
const minRSABits, maxRSABits = 2048, 8192

// fits returns an error where key cannot verify what was signed with algorithm. Nothing is verified with a key that does
// not: a public key is never taken for a secret.
func fits(key any, algorithm string) error {
	switch algorithm {
	case ES256:
		if key, ok := key.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
			return errors.New("must be an EC key on P-256")
		}
	case HS256:
		if secret, ok := key.([]byte); !ok || len(secret) < minSecretBytes {
			return fmt.Errorf("must have at least %d bytes", minSecretBytes)
		}
	case RS256:
		if key, ok := key.(*rsa.PublicKey); !ok || key.N.BitLen() < minRSABits || key.N.BitLen() > maxRSABits {
			return fmt.Errorf("must be an RSA key of %d to %d bits", minRSABits, maxRSABits)
		}
	case EdDSA:
		if key, ok := key.(ed25519.PublicKey); !ok || len(key) != ed25519.PublicKeySize {
			return errors.New("must be an Ed25519 key")
		}
	default:
		return fmt.Errorf("algorithm %q: must be one of %s, %s, %s and %s", algorithm, ES256, HS256, RS256, EdDSA)
	}
	return nil
}

// parsePublicKey reads a PEM block or, for ES256, the bare uncompressed point 04‖X‖Y.
func parsePublicKey(data []byte, algorithm string) (any, error) {
	if algorithm == ES256 && len(data) == 65 && data[0] == 4 {
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), data)
		if err != nil {
			return nil, errors.New("is no point on P-256")
		}
		return key, nil
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New(`must be a PEM block "PUBLIC KEY"`)
	}
	return x509.ParsePKIXPublicKey(block.Bytes)
}

// fixedKey is the one key of an issuer. Which name its tokens give it does not matter.
type fixedKey struct{ key any }

// Lookup makes it Keys.
func (f fixedKey) Lookup(context.Context, string, string) ([]any, error) { return []any{f.key}, nil }
