package config_test

import "testing"

func TestInvalidAccess(t *testing.T) {
	testInvalid(t, map[string]invalidConfig{
		"an audience of minigroups that is not in NFC": {
			file: "authorization: {cafe\u0301.b: {kind: none}}",
			want: violation("authorization[cafe\u0301.b]", `"cafe\u0301.b"`, "NFC"),
		},
		"an audience of an issuer that is not in NFC": {
			file: "authentication: {a.b: {audiences: [a, cafe\u0301]}}",
			want: violation("authentication[a.b].audiences[1]", `"cafe\u0301"`, "NFC"),
		},
		"a trusted account that is not in NFC": {
			file: "authorization: {a.b: {kind: local, trusted: [jose\u0301.a.b]}}",
			want: violation("authorization[a.b].trusted[0]", `"jose\u0301.a.b"`, "NFC"),
		},
		"an unknown key in a map": {
			file: "authorization: {a.b: {kind: none, who: x}}",
			want: violation("authorization[a.b].who", "unknown key", "documented"),
		},
		"an issuer without keys": {
			file: "authentication: {a.b: {}}",
			want: violation("authentication[a.b].public_key_file", "nothing", "PEM"),
		},
		"an unsupported algorithm": {
			file: "authentication: {a.b: {algorithm: none}}",
			want: violation("authentication[a.b].algorithm", `"none"`, "ES256"),
		},
		"a secret for ES256": {
			file: "authentication: {a.b: {algorithm: ES256, secret_file: x}}",
			want: violation("authentication[a.b].secret_file", "something", "only HS256"),
		},
		"a public key for HS256": {
			file: "authentication: {a.b: {algorithm: HS256, public_key_file: x}}",
			want: violation("authentication[a.b].public_key_file", "something", "secret_file"),
		},
		"a key set for HS256": {
			file: "authentication: {a.b: {algorithm: HS256, jwks_url: 'http://a/'}}",
			want: violation("authentication[a.b].jwks_url", "something", "secret_file"),
		},
		"no secret for HS256": {
			file: "authentication: {a.b: {algorithm: HS256}}",
			want: violation("authentication[a.b].secret_file", "nothing", "32 bytes"),
		},
		"a missing secret file": {
			file: "authentication: {a.b: {algorithm: HS256, secret_file: /no/such}}",
			want: violation("authentication[a.b].secret_file", "/no/such", "can be read"),
		},
		"two sources of keys": {
			file: "authentication: {a.b: {algorithm: RS256, public_key_file: x, jwks_url: 'http://a/'}}",
			want: violation("authentication[a.b].jwks_url", "second", "nothing"),
		},
		"a key set URL with a password": {
			file: "authentication: {a.b: {jwks_url: 'http://u:hunter2@a/'}}",
			want: violation("authentication[a.b].jwks_url", "user", "plain"),
		},
		"a key set URL with another scheme": {
			file: "authentication: {a.b: {jwks_url: 'file:///a'}}",
			want: violation("authentication[a.b].jwks_url", "not shown", "http or https"),
		},
		"a number for a bool": {
			file: "authentication: {a.b: {allow_missing_exp: 1}}",
			want: violation("authentication[a.b].allow_missing_exp", "1", "true or false"),
		},
		"an unknown kind": {
			file: "authorization: {a.b: {kind: all}}",
			want: violation("authorization[a.b].kind", `"all"`, "none or local"),
		},
		"trusted accounts for kind none": {
			file: "authorization: {a.b: {kind: none, trusted: [x.y]}}",
			want: violation("authorization[a.b].trusted", "x.y", "no trusted"),
		},
		"trusted accounts for kind localwhitelist": {
			file: "authorization: {a.b: {kind: localwhitelist, trusted: [x.y]}}",
			want: violation("authorization[a.b].trusted", "x.y", "no trusted"),
		},
		"no records": {
			file: "authorization: {a.b: {kind: localwhitelist}}",
			want: violation("authorization[a.b].records", "nothing", "a list"),
		},
		"records for kind local": {
			file: "authorization: {a.b: {kind: local, records: [{}]}}",
			want: violation("authorization[a.b].records", "a list", "localwhitelist"),
		},
		"a record with a malformed account id": {
			file: "authorization: {a.b: {kind: localwhitelist, records: [{subject_account_id: x}]}}",
			want: violation("authorization[a.b].records[0].subject_account_id", `"x"`, "label.audience"),
		},
		"a record with an empty object": {
			file: "authorization: {a.b: {kind: localwhitelist, records: [{object: ['']}]}}",
			want: violation("authorization[a.b].records[0].object", "", "classrooms"),
		},
		"a record without an action": {
			file: "authorization: {a.b: {kind: localwhitelist, records: [{}]}}",
			want: violation("authorization[a.b].records[0].action", "nothing", "a string"),
		},
		"kind http without a URI": {
			file: "authorization: {a.b: {kind: http}}",
			want: violation("authorization[a.b].uri", "nothing", "URL"),
		},
		"a URI with another scheme": {
			file: "authorization: {a.b: {kind: http, uri: 'ldap://a'}}",
			want: violation("authorization[a.b].uri", "not shown", "http or https"),
		},
		"a URI for kind none": {
			file: "authorization: {a.b: {kind: none, uri: 'http://a'}}",
			want: violation("authorization[a.b].uri", "something", "kind http"),
		},
		"a timeout for kind none": {
			file: "authorization: {a.b: {kind: none, timeout: 1s}}",
			want: violation("authorization[a.b].timeout", "1s", "kind http"),
		},
		"attempts for kind none": {
			file: "authorization: {a.b: {kind: none, max_attempts: 2}}",
			want: violation("authorization[a.b].max_attempts", "2", "kind http"),
		},
		"a timeout above its maximum": {
			file: "authorization: {a.b: {kind: http, timeout: 31s}}",
			want: violation("authorization[a.b].timeout", "31s", "up to 30s"),
		},
		"negative attempts": {
			file: "authorization: {a.b: {kind: http, max_attempts: -1}}",
			want: violation("authorization[a.b].max_attempts", "-1", "0 to 5"),
		},
		"a namespace that is not an account id": {
			file: "access: {namespace: dispatcher}",
			want: violation("access.namespace", `"dispatcher"`, "label.audience"),
		},
		"an empty access.objects": {file: "access: {objects: ''}", want: violation("access.objects", "nothing", "a string")},
		"a negative cache lifetime": {
			file: "access: {cache_denied: -1s}",
			want: violation("access.cache_denied", "-1s", "0s or more"),
		},
		"access.concurrency of 0": {
			file: "access: {concurrency: 0}", want: violation("access.concurrency", "0", "1 or more"),
		},
		"kind local without trusted accounts": {
			file: "authorization: {a.b: {kind: local}}",
			want: violation("authorization[a.b].trusted", "nothing", "account ids"),
		},
		"a trusted account without an audience": {
			file: "authorization: {a.b: {kind: local, trusted: [x.y, dev]}}",
			want: violation("authorization[a.b].trusted[1]", `"dev"`, "label.audience"),
		},
	})
}
