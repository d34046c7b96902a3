package auth

import (
	"crypto/sha256"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// maxGenuine bounds the tokens that are remembered; the one that was not seen for longest makes room.
	maxGenuine = 10_000
	// genuineFor is how long a signature is not looked at again: a key that its issuer withdraws counts for so much longer.
	genuineFor = time.Minute
)

// genuine remembers tokens whose signature was good, for looking at one costs more than all the rest of a read. Whether they
// are valid at a moment is asked each time. It holds their hashes, not the tokens.
type genuine struct {
	seen *lru.Cache[[sha256.Size]byte, signed]
}

// signed are claims with a good signature.
type signed struct {
	claims
	by    trustedIssuer
	until time.Time
}

func newGenuine() genuine {
	seen, err := lru.New[[sha256.Size]byte, signed](maxGenuine)
	if err != nil {
		panic(err) // of a size that is not positive
	}
	return genuine{seen}
}

// of returns the claims of a token that was found genuine less than a minute before now, or finds them by look.
func (g genuine) of(token string, now time.Time, look func() (signed, error)) (signed, error) {
	hash := sha256.Sum256([]byte(token))
	if known, ok := g.seen.Get(hash); ok && now.Before(known.until) {
		return known, nil
	}
	found, err := look()
	if err == nil {
		found.until = now.Add(genuineFor)
		g.seen.Add(hash, found)
	}
	return found, err
}
