package config

import (
	"fmt"
	"io"
	"net/url"
	"strings"
)

const hidden = "[hidden]"

// Secret is a text that no log, error or dump may show: it prints as [hidden]
// whatever the verb, and marshals so too. Reveal gives the text itself.
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns [hidden], or nothing for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// Format writes what String returns, so that no verb shows the secret.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns what String returns.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// DatabaseURL is a connection string that hides its password when it is
// printed or marshalled. Reveal gives the whole.
type DatabaseURL string

// Reveal returns the connection string with its password.
func (u DatabaseURL) Reveal() string { return string(u) }

// String returns the connection string with its password hidden. Options that
// hold one are hidden with it.
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

// Format writes what String returns, so that no verb shows the password.
func (u DatabaseURL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) }

// MarshalText returns what String returns.
func (u DatabaseURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
