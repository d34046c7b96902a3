package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What an audience of kind http may ask for.
const (
	maxTimeout  = 30 * time.Second
	maxAttempts = 5
)

func (m *Mistakes) checkIssuer(key string, issuer Issuer) {
	if len(issuer.Audiences) == 0 || slices.Contains(issuer.Audiences, "") {
		m.add(key+".audiences", fmt.Sprintf("%q", issuer.Audiences), "a list of audiences")
	}
	m.checkOneOf(key+".algorithm", issuer.Algorithm, "ES256", "HS256", "RS256", "EdDSA")
	m.checkFile(key+".public_key_file", issuer.PublicKeyFile)
	m.checkFile(key+".secret_file", issuer.SecretFile)
	m.checkAddress(key+".jwks_url", issuer.JWKSURL)
	if issuer.Algorithm == "HS256" {
		m.checkAbsent(key+".public_key_file", issuer.PublicKeyFile, "nothing, as HS256 has a secret_file")
		m.checkAbsent(key+".jwks_url", issuer.JWKSURL, "nothing, as HS256 has a secret_file")
		m.checkPresent(key+".secret_file", issuer.SecretFile, "the path of a file with a secret of at least 32 bytes")
		return
	}
	m.checkAbsent(key+".secret_file", issuer.SecretFile, "nothing, as only HS256 has a secret")
	switch {
	case issuer.PublicKeyFile == "" && issuer.JWKSURL == "":
		m.add(key+".public_key_file", "nothing", "the path of a PEM file, or a jwks_url")
	case issuer.PublicKeyFile != "" && issuer.JWKSURL != "":
		m.add(key+".jwks_url", "a second source of keys", "nothing, as there is a public_key_file")
	}
}

func (m *Mistakes) checkAudience(key string, audience Audience) {
	m.checkOneOf(key+".kind", audience.Kind, "none", "local", "localwhitelist", "http")
	m.checkTrusted(key+".trusted", audience)
	m.checkRecords(key+".records", audience)
	m.checkAddress(key+".uri", audience.URI)
	if audience.Timeout < 0 || audience.Timeout > maxTimeout {
		m.add(key+".timeout", audience.Timeout.String(), "a duration above 0 and up to "+maxTimeout.String())
	}
	if audience.MaxAttempts < 0 || audience.MaxAttempts > maxAttempts {
		m.add(key+".max_attempts", fmt.Sprint(audience.MaxAttempts), fmt.Sprintf("a number from 1 to %d", maxAttempts))
	}
	if audience.Kind == "http" {
		m.checkPresent(key+".uri", audience.URI, "an http or https URL")
		return
	}
	m.checkAbsent(key+".uri", audience.URI, "nothing, as only kind http asks somebody")
	if audience.Timeout > 0 {
		m.add(key+".timeout", audience.Timeout.String(), "nothing, as only kind http asks somebody")
	}
	if audience.MaxAttempts > 0 {
		m.add(key+".max_attempts", fmt.Sprint(audience.MaxAttempts), "nothing, as only kind http asks somebody")
	}
}

func (m *Mistakes) checkTrusted(key string, audience Audience) {
	switch {
	case (audience.Kind == "none" || audience.Kind == "localwhitelist") && len(audience.Trusted) > 0:
		m.add(key, fmt.Sprintf("%q", audience.Trusted), "nothing, as kind "+audience.Kind+" knows no trusted accounts")
	case audience.Kind == "local" && len(audience.Trusted) == 0:
		m.add(key, "nothing", "a list of account ids, label.audience")
	}
	for i, id := range audience.Trusted {
		m.checkAccount(fmt.Sprintf("%s[%d]", key, i), id)
	}
}

func (m *Mistakes) checkRecords(key string, audience Audience) {
	switch {
	case audience.Kind != "localwhitelist" && len(audience.Records) > 0:
		m.add(key, "a list", "nothing, as only kind localwhitelist has records")
	case audience.Kind == "localwhitelist" && len(audience.Records) == 0:
		m.add(key, "nothing", "a list of records")
	}
	for i, record := range audience.Records {
		at := fmt.Sprintf("%s[%d]", key, i)
		m.checkAccount(at+".subject_account_id", record.SubjectAccountID)
		if len(record.Object) == 0 || slices.Contains(record.Object, "") {
			m.add(at+".object", fmt.Sprintf("%q", record.Object), "a list such as [classrooms]")
		}
		m.checkText(at+".action", record.Action)
	}
}

func (m *Mistakes) checkAccess(a Access) {
	if a.Namespace != "" {
		m.checkAccount("access.namespace", a.Namespace)
	}
	m.checkText("access.objects", a.Objects)
	for key, d := range map[string]time.Duration{"access.cache_allowed": a.CacheAllowed, "access.cache_denied": a.CacheDenied} {
		if d < 0 {
			m.add(key, d.String(), "a duration of 0s or more")
		}
	}
	if a.Concurrency < 1 {
		m.add("access.concurrency", fmt.Sprint(a.Concurrency), "a number above 0")
	}
}

func (m *Mistakes) checkAccount(key, id string) {
	if label, rest, ok := strings.Cut(id, "."); !ok || label == "" || rest == "" {
		m.add(key, strconv.Quote(id), "an account id, label.audience")
	}
}

func (m *Mistakes) checkPresent(key, value, expected string) {
	if value == "" {
		m.add(key, "nothing", expected)
	}
}

func (m *Mistakes) checkAbsent(key, value, expected string) {
	if value != "" {
		m.add(key, "something", expected)
	}
}
