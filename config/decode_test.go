package config_test

import "testing"

func TestDecodingFails(t *testing.T) {
	testInvalid(t, map[string]invalidConfig{
		"an unknown key":              {file: "api: {lissen: 1}", want: violation("api.lissen", "unknown key", "documented")},
		"an unknown section":          {file: "apis: {}", want: violation("apis", "unknown key", "documented")},
		"an internal field of Config": {file: "set: {}", want: violation("set", "unknown key", "documented")},
		"a key in upper case":         {file: "API: {}", want: violation("API", "unknown key", "documented")},
		"an unknown variable": {
			env:  "MINIGROUPS_API_LISTEN=x",
			want: violation("api_listen (MINIGROUPS_API_LISTEN)", "unknown key", "documented"),
		},
		"a duration without a unit": {file: "api: {wait: 15}", want: violation("api.wait", "15", "a duration such as")},
		"a duration without a number": {
			env:  "MINIGROUPS_API__WAIT=soon",
			want: violation("api.wait (MINIGROUPS_API__WAIT)", `"soon"`, "a duration such as"),
		},
		"a sample ratio that is not a number": {
			file: "tracing: {sample_ratio: half}",
			want: violation("tracing.sample_ratio", `"half"`, "a number"),
		},
		"a list for a header": {
			file: "tracing: {headers: {x: [hunter2]}}",
			want: violation("tracing.headers[x]", "a list", "a string"),
		},
		"a fraction for an integer": {
			file: "database: {max_conns: 1.5}",
			want: violation("database.max_conns", "1.5", "whole number"),
		},
		"an integer that overflows": {
			file: "database: {max_conns: 4294967297}",
			want: violation("database.max_conns", "4294967297", "32 bits"),
		},
		"a list for a secret": {
			file: "janus: {admin_key: [hunter2]}",
			want: violation("janus.admin_key", "a list", "a string"),
		},
		"a number for a secret": {
			file: "janus: {admin_key: 8472919}",
			want: violation("janus.admin_key", "a number", "in quotes"),
		},
		"a string for a section": {file: "api: no", want: violation("api", "a string", "a map")},
		"a string for a list":    {file: "janus: {backends: j}", want: violation("janus.backends", "a string", "a list")},
		"a map for a string":     {file: "log: {level: {}}", want: violation("log.level", "a map", "a string")},
	})
}
