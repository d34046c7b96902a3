package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxTimeout is the upper bound of Audience.Timeout.
const maxTimeout = 30 * time.Second

func (v *Violations) checkIssuer(key string, issuer Issuer) {
	if len(issuer.Audiences) == 0 || slices.Contains(issuer.Audiences, "") {
		v.add(key+".audiences", fmt.Sprintf("%q", issuer.Audiences), "a list of audiences")
	}
	for i, audience := range issuer.Audiences {
		v.checkNFC(fmt.Sprintf("%s.audiences[%d]", key, i), audience)
	}
	v.checkFile(key+".public_key_file", issuer.PublicKeyFile)
	v.checkFile(key+".secret_file", issuer.SecretFile)
	v.checkAddress(key+".jwks_url", issuer.JWKSURL)
	if issuer.Algorithm == "HS256" {
		v.checkAbsent(key+".public_key_file", issuer.PublicKeyFile, "nothing, because HS256 uses secret_file")
		v.checkAbsent(key+".jwks_url", issuer.JWKSURL, "nothing, because HS256 uses secret_file")
		v.checkPresent(key+".secret_file", issuer.SecretFile, "the path of a file with a secret of at least 32 bytes")
		return
	}
	v.checkAbsent(key+".secret_file", issuer.SecretFile, "nothing, because only HS256 uses a secret")
	switch {
	case issuer.PublicKeyFile == "" && issuer.JWKSURL == "":
		v.add(key+".public_key_file", "nothing", "the path of a PEM file, or a jwks_url")
	case issuer.PublicKeyFile != "" && issuer.JWKSURL != "":
		v.add(key+".jwks_url", "a second source of keys", "nothing, because public_key_file is set")
	}
}

func (v *Violations) checkAudience(key string, audience Audience) {
	v.checkTrusted(key+".trusted", audience)
	v.checkRecords(key+".records", audience)
	v.checkAddress(key+".uri", audience.URI)
	if audience.Timeout < 0 || audience.Timeout > maxTimeout {
		v.add(key+".timeout", audience.Timeout.String(), "a duration above 0 and up to "+maxTimeout.String())
	}
	if audience.Kind == "http" {
		v.checkPresent(key+".uri", audience.URI, "an http or https URL")
		return
	}
	v.checkAbsent(key+".uri", audience.URI, "nothing, because only kind http sends requests")
	if audience.Timeout > 0 {
		v.add(key+".timeout", audience.Timeout.String(), "nothing, because only kind http sends requests")
	}
	if audience.MaxAttempts > 0 {
		v.add(key+".max_attempts", fmt.Sprint(audience.MaxAttempts), "nothing, because only kind http sends requests")
	}
}

func (v *Violations) checkTrusted(key string, audience Audience) {
	switch {
	case (audience.Kind == "none" || audience.Kind == "localwhitelist") && len(audience.Trusted) > 0:
		v.add(key, fmt.Sprintf("%q", audience.Trusted), "nothing, because kind "+audience.Kind+" has no trusted accounts")
	case audience.Kind == "local" && len(audience.Trusted) == 0:
		v.add(key, "nothing", "a list of account ids, label.audience")
	}
	for i, id := range audience.Trusted {
		v.checkAccount(fmt.Sprintf("%s[%d]", key, i), id)
	}
}

func (v *Violations) checkRecords(key string, audience Audience) {
	switch {
	case audience.Kind != "localwhitelist" && len(audience.Records) > 0:
		v.add(key, "a list", "nothing, because only kind localwhitelist has records")
	case audience.Kind == "localwhitelist" && len(audience.Records) == 0:
		v.add(key, "nothing", "a list of records")
	}
	for i, record := range audience.Records {
		at := fmt.Sprintf("%s[%d]", key, i)
		v.checkAccount(at+".subject_account_id", record.SubjectAccountID)
		if len(record.Object) == 0 || slices.Contains(record.Object, "") {
			v.add(at+".object", fmt.Sprintf("%q", record.Object), "a list such as [classrooms]")
		}
		v.checkText(at+".action", record.Action)
	}
}

func (v *Violations) checkAccess(a Access) {
	if a.Namespace != "" {
		v.checkAccount("access.namespace", a.Namespace)
	}
	v.checkText("access.objects", a.Objects)
	for key, d := range map[string]time.Duration{
		"access.cache_allowed": a.CacheAllowed, "access.cache_denied": a.CacheDenied,
	} {
		if d < 0 {
			v.add(key, d.String(), "a duration of 0s or more")
		}
	}
}

func (v *Violations) checkAccount(key, id string) {
	if label, rest, ok := strings.Cut(id, "."); !ok || label == "" || rest == "" {
		v.add(key, strconv.Quote(id), "an account id, label.audience")
	}
	v.checkNFC(key, id)
}

func (v *Violations) checkPresent(key, value, expected string) {
	if value == "" {
		v.add(key, "nothing", expected)
	}
}

func (v *Violations) checkAbsent(key, value, expected string) {
	if value != "" {
		v.add(key, "something", expected)
	}
}
