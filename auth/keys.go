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

// Keys are the public keys of an issuer that rotates them. It is safe for concurrent use.
type Keys interface {
	// Lookup returns the keys for this algorithm that may have signed a token with this key id (kid); for an empty kid,
	// all keys for the algorithm. An error means that the keys are not available at the moment.
	Lookup(ctx context.Context, kid, algorithm string) ([]any, error)
}

// minSecretBytes is the minimum length of an HS256 secret, from RFC 7518.
const minSecretBytes = 32

// The accepted range of an RSA modulus. A longer one makes each verification expensive.
const minRSABits, maxRSABits = 2048, 8192

// CheckKey returns an error unless key has the type and size that algorithm requires. Checking each key before use
// prevents algorithm confusion, such as a public key used as an HS256 secret.
func CheckKey(key any, algorithm string) error {
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
		key, ok := key.(*rsa.PublicKey)
		if !ok || key.N.BitLen() < minRSABits || key.N.BitLen() > maxRSABits || key.E%2 == 0 {
			return fmt.Errorf("must be an RSA key of %d to %d bits with an odd exponent", minRSABits, maxRSABits)
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

// parsePublicKey parses a PEM block or, for ES256, the uncompressed point 04‖X‖Y without encoding.
func parsePublicKey(data []byte, algorithm string) (any, error) {
	if algorithm == ES256 && len(data) == 65 && data[0] == 4 {
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), data)
		if err != nil {
			return nil, errors.New("is not a point on P-256")
		}
		return key, nil
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New(`must be a PEM block "PUBLIC KEY"`)
	}
	return x509.ParsePKIXPublicKey(block.Bytes)
}

// fixedKey is the only key of an issuer. It matches every key id.
type fixedKey struct{ key any }

// Lookup implements Keys.
func (f fixedKey) Lookup(context.Context, string, string) ([]any, error) { return []any{f.key}, nil }
