package jwks

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/MicahParks/jwkset"
)

const (
	// maxKeys bounds how many keys of a set are read, because a token without a key id is verified with each of them.
	// Issuers publish up to ten or so.
	maxKeys = 100
	// maxReasons and maxIDRunes bound what is reported of a set.
	maxReasons = 10
	maxIDRunes = 64
)

// key is a public key of a set.
type key struct {
	public any
	// id is its kid; "" if it has none.
	id string
	// algorithm is the only one that it may be used for.
	algorithm string
}

// keySet holds the keys of a set that can be used.
type keySet struct {
	keys []key
	// skipped is the number of its other keys, and reasons say of the first of them why.
	skipped int
	reasons []string
}

func (s *keySet) skip(n int, reason string) {
	s.skipped += n
	if len(s.reasons) < maxReasons {
		s.reasons = append(s.reasons, reason)
	}
}

// parseSet returns the keys of a set that it understands and that check accepts. It returns an error if there is none.
func parseSet(body []byte, check func(key any, algorithm string) error) (keySet, error) {
	// A map, because the names of members of a struct would match in any case.
	var members map[string]json.RawMessage
	var list []json.RawMessage
	if json.Unmarshal(body, &members) != nil || json.Unmarshal(members["keys"], &list) != nil {
		return keySet{}, errors.New("the reply is not a JSON Web Key Set")
	}
	if len(list) == 0 {
		return keySet{}, errors.New("the set has no keys")
	}
	var set keySet
	for i, raw := range list[:min(len(list), maxKeys)] {
		k, err := parseKey(raw)
		if err == nil {
			err = check(k.public, k.algorithm)
		}
		if err != nil {
			set.skip(1, fmt.Sprintf("%s: %.200v", describe(i, k.id), err))
			continue
		}
		set.keys = append(set.keys, k)
	}
	if more := len(list) - maxKeys; more > 0 {
		set.skip(more, fmt.Sprintf("key %d and all after it: only %d keys are read", maxKeys+1, maxKeys))
	}
	if len(set.keys) == 0 {
		return set, fmt.Errorf("the set has no key that can be used, of %d: %s",
			len(list), strings.Join(set.reasons, "; "))
	}
	return set, nil
}

// describe names a key in a report, by its position and its id.
func describe(index int, id string) string {
	if runes := []rune(id); len(runes) > maxIDRunes {
		id = string(runes[:maxIDRunes]) + "…"
	}
	if id == "" {
		return fmt.Sprintf("key %d", index+1)
	}
	return fmt.Sprintf("key %d (%q)", index+1, id)
}

// parseKey returns an error unless the key is one for signatures, of a type that tokens can be signed with. It ignores
// all members that it does not need, such as x5c. The id is returned also with an error, if it could be read.
func parseKey(raw []byte) (k key, err error) {
	var m members
	if json.Unmarshal(raw, &m) != nil || m == nil {
		return k, errors.New("it is not an object")
	}
	if k.id, err = m.text("kid"); err != nil {
		return k, err
	}
	if err := m.checkPurpose(); err != nil {
		return k, err
	}
	if k.public, err = m.public(); err != nil {
		return k, err
	}
	switch k.public.(type) {
	case *ecdsa.PublicKey:
		k.algorithm = "ES256"
	case *rsa.PublicKey:
		k.algorithm = "RS256"
	case ed25519.PublicKey:
		k.algorithm = "EdDSA"
	default:
		return k, errors.New("tokens cannot be signed with a key of its type (kty, crv)")
	}
	switch algorithm, err := m.text("alg"); {
	case err != nil:
		return k, err
	case algorithm != "" && algorithm != k.algorithm:
		return k, fmt.Errorf("its algorithm (alg) is %.20q", algorithm)
	}
	return k, nil
}

// members are the members of a key.
type members map[string]json.RawMessage

// text returns a member that is a string; "" if it is absent or null.
func (m members) text(name string) (text string, err error) {
	if raw := m[name]; raw != nil && json.Unmarshal(raw, &text) != nil {
		return "", fmt.Errorf("%s is not a string", name)
	}
	return text, nil
}

// checkPurpose returns an error if the key is not one for signatures.
func (m members) checkPurpose() error {
	switch use, err := m.text("use"); {
	case err != nil:
		return err
	case use != "" && use != "sig":
		return fmt.Errorf("its use is %.20q", use)
	}
	var operations []string
	if raw := m["key_ops"]; raw != nil && json.Unmarshal(raw, &operations) != nil {
		return errors.New("key_ops is not a list of strings")
	}
	// Some issuers publish the operations of the private key.
	verifies := slices.Contains(operations, "verify") || slices.Contains(operations, "sign")
	if len(operations) > 0 && !verifies {
		return errors.New("key_ops does not contain verify")
	}
	return nil
}

// public returns the public key, of any type that the library knows.
func (m members) public() (any, error) {
	text := map[string]string{}
	for _, name := range []string{"kty", "crv", "x", "y", "n", "e"} {
		value, err := m.text(name)
		if err != nil {
			return nil, err
		}
		text[name] = value
	}
	parsed, err := jwkset.NewJWKFromMarshal(jwkset.JWKMarshal{
		KTY: jwkset.KTY(text["kty"]), CRV: jwkset.CRV(text["crv"]),
		X: text["x"], Y: text["y"], N: text["n"], E: text["e"],
	}, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return nil, fmt.Errorf("its key material cannot be read: %w", err)
	}
	return parsed.Key(), nil
}
