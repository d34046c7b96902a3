package config

import (
	"fmt"
	"io"
	"net/url"
	"strings"
)

const hidden = "[hidden]"

// Secret is a string that must not appear in logs, errors or dumps: it is formatted and marshalled as [hidden].
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns [hidden], or "" for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// Format writes the same as String for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns the same as String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// DatabaseURL is a connection string whose password is hidden when it is formatted or marshalled.
type DatabaseURL string

// Reveal returns the connection string with its password.
func (u DatabaseURL) Reveal() string { return string(u) }

// String returns the connection string without its password. It hides all options if one of them is a password, and the
// whole string if it is not a URL.
func (u DatabaseURL) String() string {
	if u == "" {
		return ""
	}
	parsed, err := url.Parse(string(u))
	if err != nil || parsed.Host == "" {
		return hidden
	}
	if strings.Contains(strings.ToLower(parsed.RawQuery), "password") {
		parsed.RawQuery = hidden
	}
	return parsed.Redacted()
}

// Format writes the same as String for every verb.
func (u DatabaseURL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) }

// MarshalText returns the same as String.
func (u DatabaseURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
