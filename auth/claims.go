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

// claims are the claims of a token that we read. The library's claims would accept a fraction as exp, duplicate
// members, and ISS for iss.
type claims struct {
	jwt.Claims // nil: only satisfies the interface; the library does not validate claims

	issuer, subject    string
	audiences          audiences
	expires, notBefore *uint64 // unix seconds
}

// audiences is the claim aud. RFC 7519 allows one string and an array of strings.
type audiences []string

// UnmarshalJSON returns an error unless data is a string or an array of strings. null is an empty audience, which
// no issuer has.
func (a *audiences) UnmarshalJSON(data []byte) error {
	if data[0] != '[' {
		var one string
		*a = nil
		if err := json.Unmarshal(data, &one); err != nil {
			return err
		}
		*a = audiences{one}
		return nil
	}
	var all []*string
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	*a = nil
	for _, one := range all {
		if one == nil {
			return errors.New("must be an array of strings")
		}
		*a = append(*a, *one)
	}
	return nil
}

// UnmarshalJSON returns an error unless iss and sub are strings, aud is a string or an array of strings, and exp and
// nbf are natural numbers. Each is optional and must not be duplicated.
func (c *claims) UnmarshalJSON(data []byte) error {
	found, err := members(data)
	if err != nil {
		return err
	}
	for name, into := range map[string]any{
		"iss": &c.issuer, "aud": &c.audiences, "sub": &c.subject, "exp": &c.expires, "nbf": &c.notBefore,
	} {
		if value, ok := found[name]; ok {
			if err := json.Unmarshal(value, into); err != nil {
				return fmt.Errorf("claim %s: %w", name, err)
			}
		}
	}
	if strings.ContainsFunc(c.subject+strings.Join(c.audiences, ""), unicode.IsControl) {
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
