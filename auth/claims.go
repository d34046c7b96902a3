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

// claims are the claims of a token that we read. The library's claims would accept an array as aud, a fraction as exp,
// duplicate members, and ISS for iss.
type claims struct {
	jwt.Claims // nil: only satisfies the interface; the library does not validate claims

	issuer, audience, subject string
	expires, notBefore        *uint64 // unix seconds
}

// UnmarshalJSON returns an error unless iss, aud and sub are strings and exp and nbf are natural numbers. Each is
// optional and must not be duplicated.
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

// kidOf returns the key id (kid) in the header of a token; empty if there is none. It parses the header a second time,
// because the library silently takes the last of duplicate members. It rejects critical extensions (crit), since we
// implement none, and ignores key sources in the header (jku, jwk, x5u, x5c).
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

// members parses a JSON object. It rejects duplicate members, because parsers disagree on which one is effective.
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
		name, _ := token.(string) // the decoder allows only strings here
		if _, duplicate := found[name]; duplicate {
			return nil, errors.New("duplicate member")
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		found[name] = value
	}
	return found, nil
}
