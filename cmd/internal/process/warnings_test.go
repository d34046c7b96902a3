package process

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// warned loads settings as a program does and returns what it would log.
func warned(t *testing.T, program, file string, environ ...string) []string {
	t.Helper()
	cfg, err := Load(writeFile(t, "minigroups.yaml", file), environ)
	if err != nil {
		t.Fatal(err)
	}
	profile, err := loadProfile(environ)
	if err != nil {
		t.Fatal(err)
	}
	return settings{Config: cfg, profile: profile}.warnings(program)
}

func TestEachWarningHasItsSetting(t *testing.T) {
	t.Setenv("PGSSLMODE", "")
	covered := map[string]bool{}
	for name, c := range map[string]struct{ program, wrong, right, want string }{
		"pages of all origins": {
			program: "api", want: "api.allowed_origins: it is not set",
			wrong: "api: {listen: ':8080'}", right: "api: {listen: ':8080', allowed_origins: ['https://app.example.org']}",
		},
		"all origins, as it is meant": {
			program: "api", want: "api.allowed_origins: it is not set",
			wrong: "api: {listen: '0.0.0.0:8080'}", right: "api: {listen: '0.0.0.0:8080', allowed_origins: ['*']}",
		},
		"no time to drain": {
			program: "api", want: "api.drain_delay: it is not set",
			wrong: "api: {listen: ':8080'}", right: "api: {listen: ':8080', drain_delay: 10s}",
		},
		"no balancer": {
			program: "api", want: "api.drain_delay: it is not set",
			wrong: "api: {listen: ':8080'}", right: "api: {listen: ':8080', drain_delay: 0s}",
		},
		"keys of an issuer": {
			program: "api", want: "authentication[].jwks_url: it is fetched without TLS",
			wrong: "authentication: {a.b: {audiences: [a], algorithm: ES256, jwks_url: 'http://iam.example.org/keys'}}",
			right: "authentication: {a.b: {audiences: [a], algorithm: ES256, jwks_url: 'https://iam.example.org/keys'}}",
		},
		"decisions of a tenant": {
			program: "api", want: "authorization[].uri: it is asked without TLS",
			wrong: "authorization: {a.b: {kind: http, uri: 'http://tenant.example.org/'}}",
			right: "authorization: {a.b: {kind: http, uri: 'http://[::1]:80/'}}",
		},
		"no broker": {
			program: "worker", want: "mqtt.broker: it is not set",
			wrong: "mqtt: {}", right: "mqtt: {broker: 'mqtt://127.0.0.1:1883'}",
		},
		"no broker in an API with a worker": {
			program: "api", want: "mqtt.broker: it is not set",
			wrong: "api: {worker: true}", right: "api: {worker: false}",
		},
		"no broker, as it is meant": {
			program: "worker", want: "mqtt.broker: it is not set", wrong: "mqtt: {}", right: "mqtt: {broker: ''}",
		},
		"a broker without TLS": {
			program: "worker", want: "mqtt.broker: the connection has no TLS",
			wrong: "mqtt: {broker: 'mqtt://mqtt.example.org:1883'}", right: "mqtt: {broker: 'mqtts://mqtt.example.org:8883'}",
		},
		"Temporal without TLS": {
			program: "migrate", want: "temporal.address: the connection has no TLS",
			wrong: "temporal: {address: 'temporal.example.org:7233'}", right: "temporal: {address: 'localhost:7233'}",
		},
		"keys that do not encrypt": {
			program: "worker", want: "temporal.encryption_key: it is not set",
			wrong: "temporal: {encryption_key_files: [" + keyFile(t, "1.key", "a") + "]}",
			right: "temporal: {encryption_key_files: [" + keyFile(t, "1.key", "a") + "], encryption_key: '1'}",
		},
		"Postgres without a say about TLS": {
			program: "migrate", want: "database.url: the connection may have no TLS",
			wrong: "database: {url: 'postgres://u@pg.example.org/d'}",
			right: "database: {url: 'postgres://u@pg.example.org/d?sslmode=verify-full'}",
		},
		"one server of Postgres is elsewhere": {
			program: "api", want: "database.url: the connection may have no TLS",
			wrong: "database: {url: 'postgres://u@127.0.0.1:5432,10.0.0.1:5432/d?sslmode=disable'}",
			right: "database: {url: 'postgres://u@127.0.0.1:5432,localhost:5432/d?sslmode=disable'}",
		},
		"Postgres at a socket": {
			program: "worker", want: "database.url: the connection may have no TLS",
			wrong: "database: {url: 'postgres://u@pg/d?sslmode=prefer'}", right: "database: {url: 'postgres:///d?host=/run/pg'}",
		},
	} {
		t.Run(name, func(t *testing.T) {
			isIt := func(line string) bool { return strings.HasPrefix(line, c.want) }
			if lines := warned(t, c.program, c.wrong); !slices.ContainsFunc(lines, isIt) {
				t.Errorf("no warning: %q", lines)
			}
			if lines := warned(t, c.program, c.right); slices.ContainsFunc(lines, isIt) {
				t.Errorf("got %q", lines)
			}
		})
		covered[c.want] = true
	}
	for _, w := range warnings {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(covered)), func(want string) bool {
			return strings.HasPrefix(w.key+": "+w.problem, want)
		}) {
			t.Errorf("no test of %s: %s", w.key, w.problem)
		}
	}
}

func TestVariablesForTLSEndTheWarnings(t *testing.T) {
	t.Setenv("PGSSLMODE", "verify-full")
	const file = "{temporal: {address: 'temporal.example.org:7233'}, database: {url: 'postgres://u@pg.example.org/d'}}"
	if lines := warned(t, "migrate", file, "TEMPORAL_TLS=true"); len(lines) > 0 {
		t.Errorf("got %q", lines)
	}
}

// TestWhereNothingIsWrongNothingIsLogged looks at one machine and at production.
func TestWhereNothingIsWrongNothingIsLogged(t *testing.T) {
	t.Setenv("PGSSLMODE", "")
	for name, file := range map[string]string{
		"one machine": "{mqtt: {broker: 'mqtt://127.0.0.1:1883'}, database: {url: 'postgres://u@127.0.0.1:54329/d'}}",
		"production": `
database: {url: 'postgres://u:p@pg.example.org/d?sslmode=verify-full'}
temporal: {address: 'temporal.example.org:7233'}
api: {listen: ':8080', worker: true, drain_delay: 10s, allowed_origins: ['https://app.example.org']}
event: {url: 'http://event.classes.svc'}
authentication: {iam.example.org: {audiences: [example.org], algorithm: ES256, jwks_url: 'https://iam.example.org/'}}
authorization: {example.org: {kind: http, uri: 'https://tenant.example.org/'}}
mqtt: {broker: 'mqtts://mqtt.example.org:8883'}`,
	} {
		for _, program := range []string{"api", "worker", "migrate"} {
			if lines := warned(t, program, file, "TEMPORAL_TLS=true"); len(lines) > 0 {
				t.Errorf("%s: %s logs %q", name, program, lines)
			}
		}
	}
}
