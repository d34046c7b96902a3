package auth

import (
	"crypto/sha256"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// maxCachedSignatures bounds the cache; beyond it the least recently used token is evicted.
	maxCachedSignatures = 10_000
	// signatureLifetime is how long a verified signature is not verified again. A key that its issuer withdraws stays
	// valid for at most this long.
	signatureLifetime = time.Minute
)

// signatureCache holds the claims of tokens with a verified signature, because verifying one costs more than the rest
// of a read. It caches no verdict about the claims: Verify checks expiry and the other claims on each call. Its keys
// are hashes, so it holds no tokens.
type signatureCache struct {
	verified *lru.Cache[[sha256.Size]byte, signedClaims]
}

// signedClaims are the claims of a token with a verified signature.
type signedClaims struct {
	claims
	signedBy  trustedIssuer
	audience  string    // the one of its audiences that signedBy may issue tokens for
	expiresAt time.Time // of the cache entry
}

func newSignatureCache() signatureCache {
	verified, err := lru.New[[sha256.Size]byte, signedClaims](maxCachedSignatures)
	if err != nil {
		panic(err) // only returned for a size that is not positive
	}
	return signatureCache{verified: verified}
}

// get returns the claims of a token whose signature was verified less than signatureLifetime before now. Otherwise it
// calls verify and caches what that returns, unless it fails.
func (c signatureCache) get(token string, now time.Time, verify func() (signedClaims, error)) (signedClaims, error) {
	hash := sha256.Sum256([]byte(token))
	if cached, ok := c.verified.Get(hash); ok && now.Before(cached.expiresAt) {
		return cached, nil
	}
	verified, err := verify()
	if err == nil {
		verified.expiresAt = now.Add(signatureLifetime)
		c.verified.Add(hash, verified)
	}
	return verified, err
}
