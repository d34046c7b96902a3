package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/golang-jwt/jwt/v5"
)

// claims are what a token says. The library's own would take an array for aud, a fraction for exp, a member that is there
// twice, and ISS for iss.
type claims struct {
	jwt.Claims // nil: the library is not asked to judge them

	issuer, audience, subject string
	expires, notBefore        *uint64 // unix seconds
}

// UnmarshalJSON demands that iss, aud and sub are strings, exp and nbf natural numbers, and each is there at most once.
func (c *claims) UnmarshalJSON(data []byte) error {
	found, err := members(data)
	if err != nil {
		return err
	}
	for name, into := range map[string]any{
		"iss": &c.issuer, "aud": &c.audience, "sub": &c.subject, "exp": &c.expires, "nbf": &c.notBefore,
	} {
		if value, ok := found[name]; ok {
			if err := json.Unmarshal(value, into); err != nil {
				return fmt.Errorf("claim %s: %w", name, err)
			}
		}
	}
	if strings.ContainsFunc(c.subject+c.audience, unicode.IsControl) {
		return errors.New("a claim has control characters")
	}
	return nil
}

// kidOf reads the name of a token's key from its header, once more, as the library has taken the last of two members that
// are called alike. It refuses a header with extensions that a reader must understand (crit): we know none. What the header
// says about where a key is to be had (jku, jwk, x5u, x5c) is not looked at.
func kidOf(token string) (string, error) {
	segment, _, _ := strings.Cut(token, ".")
	header, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return "", fmt.Errorf("decode header: %w", err)
	}
	found, err := members(header)
	if err != nil {
		return "", err
	}
	if _, ok := found["crit"]; ok {
		return "", errors.New("the header has critical extensions")
	}
	kid := ""
	if value, ok := found["kid"]; ok {
		if err := json.Unmarshal(value, &kid); err != nil {
			return "", fmt.Errorf("header kid: %w", err)
		}
	}
	return kid, nil
}

// members reads a JSON object. It refuses one that has a member twice, as readers disagree about which of them counts.
func members(data []byte) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("must be an object")
	}
	found := map[string]json.RawMessage{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string) // a member begins with nothing else
		if _, twice := found[name]; twice {
			return nil, errors.New("a member is there twice")
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		found[name] = value
	}
	return found, nil
}
