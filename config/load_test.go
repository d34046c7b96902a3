package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"minigroups/config"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, text string, environ ...string) config.Config {
	t.Helper()
	cfg, err := config.Load(write(t, "config.yaml", text), environ)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return cfg
}

func TestLoad(t *testing.T) {
	t.Run("nothing said gives the defaults", func(t *testing.T) {
		cfg, err := config.Load("", nil)
		if err != nil {
			t.Fatal(err)
		}
		if cfg.String() != config.Default().String() {
			t.Errorf("got\n%s\nwant\n%s", cfg, config.Default())
		}
	})

	t.Run("the environment overrules the file, the file the defaults", func(t *testing.T) {
		cfg := load(t, "api: {listen: 127.0.0.1:1111, wait: 3s}\ndatabase: {max_conns: 4}\n", "MINIGROUPS_API__LISTEN=127.0.0.1:2222")
		if cfg.API.Listen != "127.0.0.1:2222" || cfg.API.Wait != 3*time.Second || cfg.Database.MaxConns != 4 || cfg.API.MetricsListen != "127.0.0.1:9090" {
			t.Errorf("got %+v and %+v", cfg.API, cfg.Database)
		}
	})

	t.Run("Variable names what sets a key", func(t *testing.T) {
		cfg := load(t, "", config.Variable("api.metrics_listen")+"=127.0.0.1:3333")
		if cfg.API.MetricsListen != "127.0.0.1:3333" {
			t.Errorf("%s sets %+v", config.Variable("api.metrics_listen"), cfg.API)
		}
	})

	t.Run("well-known variables overrule the file and are overruled by the prefixed ones", func(t *testing.T) {
		cfg := load(t, "temporal: {address: file:1, namespace: file}\ndatabase: {url: postgres://file/x}\n",
			"TEMPORAL_ADDRESS=known:1", "MINIGROUPS_TEMPORAL__ADDRESS=prefixed:1", "TEMPORAL_NAMESPACE=known", "DATABASE_URL=postgres://known/x")
		if cfg.Temporal.Address != "prefixed:1" || cfg.Temporal.Namespace != "known" || cfg.Database.URL.Reveal() != "postgres://known/x" {
			t.Errorf("got %+v and %s", cfg.Temporal, cfg.Database.URL.Reveal())
		}
	})

	t.Run("the file is found by MINIGROUPS_CONFIG when no path is given", func(t *testing.T) {
		path := write(t, "other.yaml", "log: {level: debug}\n")
		cfg, err := config.Load("", []string{"MINIGROUPS_CONFIG=" + path})
		if err != nil || cfg.Log.Level != "debug" {
			t.Errorf("got level %q, error %v", cfg.Log.Level, err)
		}
	})

	t.Run("empty sections and empty variables leave the defaults alone", func(t *testing.T) {
		cfg := load(t, "api:\njanus:\n  backends:\nlog: {level: null}\n", "MINIGROUPS_API__WAIT=", "DATABASE_URL=")
		if cfg.String() != config.Default().String() {
			t.Errorf("got\n%s", cfg)
		}
	})

	t.Run("spans are sent where the file says, with what the environment says", func(t *testing.T) {
		cfg := load(t, "tracing: {endpoint: 'http://c:4318/v1/traces', sample_ratio: 0.25}", "MINIGROUPS_TRACING__HEADERS={x-token: secret}")
		if want := (config.Tracing{Endpoint: "http://c:4318/v1/traces", SampleRatio: .25, Headers: map[string]config.Secret{"x-token": "secret"}}); !reflect.DeepEqual(cfg.Tracing, want) {
			t.Errorf("got %+v", cfg.Tracing)
		}
		if cfg = load(t, "", "MINIGROUPS_TRACING__SAMPLE_RATIO=0"); cfg.Tracing.SampleRatio != 0 {
			t.Errorf("got %+v", cfg.Tracing)
		}
	})

	t.Run("issuers and audiences may hold dots and slashes and capitals", func(t *testing.T) {
		key := write(t, "key.pem", "")
		cfg := load(t, `
authentication:
  https://iam.Example.org/x: {audiences: [example.org, a.b], algorithm: ES256, public_key_file: `+key+`}
authorization:
  example.org: {kind: local, trusted: [dev.example.org]}
  b.Example.org: {kind: none}
`)
		issuer := cfg.Authentication["https://iam.Example.org/x"]
		if !reflect.DeepEqual(issuer, config.Issuer{Audiences: []string{"example.org", "a.b"}, Algorithm: "ES256", PublicKeyFile: key}) {
			t.Errorf("issuer: %+v of %v", issuer, cfg.Authentication)
		}
		if cfg.Authorization["example.org"].Trusted[0] != "dev.example.org" || cfg.Authorization["b.Example.org"].Kind != "none" {
			t.Errorf("authorization: %+v", cfg.Authorization)
		}
	})

	t.Run("whom to ask and what their keys are", func(t *testing.T) {
		file := write(t, "key", "")
		cfg := load(t, `
authentication:
  iam: {audiences: [a], algorithm: RS256, jwks_url: https://iam.example.org/keys, allow_missing_exp: true}
  old: {audiences: [a], algorithm: HS256, secret_file: `+file+`}
authorization:
  a: {kind: http, uri: https://iam.example.org/authz, trusted: [x.y], timeout: 2s, max_attempts: 3}
  b: {kind: localwhitelist, records: [{subject_account_id: x.y, object: [classrooms], action: create}]}
`, "MINIGROUPS_AUTHENTICATION__IAM__ALLOW_MISSING_EXP=false", "MINIGROUPS_AUTHENTICATION__OLD__ALLOW_MISSING_EXP=true",
			"MINIGROUPS_ACCESS__NAMESPACE=dispatcher.svc.example.org", "MINIGROUPS_ACCESS__CACHE_DENIED=0s")
		if want := map[string]config.Issuer{
			"iam": {Audiences: []string{"a"}, Algorithm: "RS256", JWKSURL: "https://iam.example.org/keys"},
			"old": {Audiences: []string{"a"}, Algorithm: "HS256", SecretFile: file, AllowMissingExp: true},
		}; !reflect.DeepEqual(cfg.Authentication, want) {
			t.Errorf("got %+v", cfg.Authentication)
		}
		if want := map[string]config.Audience{
			"a": {Kind: "http", URI: "https://iam.example.org/authz", Trusted: []string{"x.y"}, Timeout: 2 * time.Second, MaxAttempts: 3},
			"b": {Kind: "localwhitelist", Records: []config.Record{{SubjectAccountID: "x.y", Object: []string{"classrooms"}, Action: "create"}}},
		}; !reflect.DeepEqual(cfg.Authorization, want) {
			t.Errorf("got %+v", cfg.Authorization)
		}
		if want := (config.Access{Namespace: "dispatcher.svc.example.org", Objects: "classrooms", CacheAllowed: 5 * time.Minute, Concurrency: 64}); cfg.Access != want {
			t.Errorf("got %+v", cfg.Access)
		}
		path := filepath.Join(t.TempDir(), "saved.yaml")
		if err := config.Save(path, cfg); err != nil {
			t.Fatal(err)
		}
		if saved, err := config.Load(path, nil); err != nil || !reflect.DeepEqual(saved.Authentication, cfg.Authentication) || saved.String() != cfg.String() {
			t.Errorf("saved and loaded again it is %+v, %v", saved, err)
		}
	})

	t.Run("lists and maps in the environment are YAML and replace the file's", func(t *testing.T) {
		cfg := load(t, "authorization: {old.org: {kind: none}}\n",
			"MINIGROUPS_AUTHORIZATION={example.org: {kind: none}}",
			"MINIGROUPS_JANUS__BACKENDS=[{id: j, admin_url: 'http://j:1/admin', janus_url: 'http://j:2/janus', capacity: 7, balancer_capacity: null}]")
		if len(cfg.Authorization) != 1 || cfg.Authorization["example.org"].Kind != "none" {
			t.Errorf("authorization: %+v", cfg.Authorization)
		}
		backend := cfg.Janus.Backends[0]
		if backend.ID != "j" || *backend.Capacity != 7 || backend.BalancerCapacity != nil {
			t.Errorf("backend: %+v", backend)
		}
	})

	t.Run("a variable may name a key with dots, where the shell lets it", func(t *testing.T) {
		cfg := load(t, "authorization: {example.org: {kind: local, trusted: [a.b]}}\n",
			"MINIGROUPS_AUTHORIZATION__EXAMPLE.ORG__TRUSTED=[c.d]")
		if got := cfg.Authorization["example.org"]; got.Kind != "local" || got.Trusted[0] != "c.d" {
			t.Errorf("got %+v", cfg.Authorization)
		}
	})

	t.Run("Given tells what was said from what was assumed", func(t *testing.T) {
		cfg := load(t, "event: {url: 'http://event'}\n", "TEMPORAL_ADDRESS=127.0.0.1:7233")
		for key, want := range map[string]bool{"temporal.address": true, "event.url": true, "event": true, "conference.url": false, "database.url": false, "janus.backends": false} {
			if cfg.Given(key) != want {
				t.Errorf("Given(%s) = %v", key, !want)
			}
		}
	})

	t.Run("what is saved is loaded again, secrets and all", func(t *testing.T) {
		capacity := int32(5)
		want := config.Default()
		want.Database.URL = "postgres://u:p@h:1/d?sslmode=disable"
		want.Janus.AdminKey = "0123"
		want.Authorization = map[string]config.Audience{"example.org": {Kind: "none"}}
		want.Janus.Backends = []config.Backend{{ID: "j", AdminURL: "http://j:1/admin", JanusURL: "http://j:2/janus", Capacity: &capacity}}
		path := filepath.Join(t.TempDir(), "saved.yaml")
		for range 2 {
			if err := config.Save(path, want); err != nil {
				t.Fatal(err)
			}
		}
		got, err := config.Load(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() || got.Database.URL != want.Database.URL || got.Janus.AdminKey != want.Janus.AdminKey {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode: %v %v", info, err)
		}
	})
}

func TestAHistoryMayBeKeptForEver(t *testing.T) {
	cfg, err := config.Load(write(t, "config.yaml", "retention: {history: 0s}"), nil)
	if err != nil || cfg.Retention.History != 0 {
		t.Errorf("got %s, %v", cfg.Retention.History, err)
	}
}

func TestLoadReportsMistakes(t *testing.T) {
	type mistake struct{ name, file, env, key, found, expected string }
	for _, c := range []mistake{
		{"an unknown key", "api: {lissen: 1}", "", "api.lissen", "nothing reads", "documented"},
		{"an unknown section", "apis: {}", "", "apis", "nothing reads", "documented"},
		{"a field that is no key", "given: {}", "", "given", "nothing reads", "documented"},
		{"a key in capitals", "API: {}", "", "API", "nothing reads", "documented"},
		{"an unknown variable", "", "MINIGROUPS_API_LISTEN=x", "api_listen (MINIGROUPS_API_LISTEN)", "nothing reads", "documented"},
		{"an unknown key in a map", "authorization: {a.b: {kind: none, who: x}}", "", "authorization[a.b].who", "nothing reads", "documented"},
		{"a duration without a unit", "api: {wait: 15}", "", "api.wait", "15", "a duration such as"},
		{"a duration that is none", "", "MINIGROUPS_API__WAIT=soon", "api.wait (MINIGROUPS_API__WAIT)", `"soon"`, "a duration such as"},
		{"a wait of nothing", "api: {wait: 0s}", "", "api.wait", "0s", "above 0"},
		{"a TURN host without a name", "api: {turn_hosts: [a.example.org, '']}", "", "api.turn_hosts", `""`, "a list of hosts"},
		{"a wait beyond a minute", "api: {wait: 61s}", "", "api.wait", "1m1s", "up to 1m0s"},
		{"an origin with a path", "api: {allowed_origins: ['https://a.b', 'https://a.b/']}", "", "api.allowed_origins[1]", "https://a.b/", "an origin"},
		{"an origin that no browser sends", "", "MINIGROUPS_API__ALLOWED_ORIGINS=[https://A.b]", "api.allowed_origins[0]", "https://A.b", "small letters"},
		{"a door that is shut", "api: {max_concurrent_writes: 0}", "", "api.max_concurrent_writes", "0", "from 2"},
		{"a process that asks for nothing", "saga: {max_in_flight: 1}", "", "saga.max_in_flight", "1", "from 2"},
		{"a limit below nothing", "api: {writes_per_minute: -1}", "", "api.writes_per_minute", "-1", "from 0"},
		{"keys that are not remembered", "api: {idempotency_keys: 0s}", "", "api.idempotency_keys", "0s", "above 0"},
		{"a process that does not end", "api: {drain_delay: 61s}", "", "api.drain_delay", "1m1s", "up to 1m0s"},
		{"a deployment that Temporal refuses", "temporal: {task_queue: a.b}\nworker: {build_id: '1'}", "", "temporal.task_queue", `"a.b"`, "without . and :"},
		{"a build that Temporal refuses", "worker: {build_id: __x}", "", "worker.build_id", `"__x"`, "not beginning with __"},
		{"more than all requests", "tracing: {sample_ratio: 1.5}", "", "tracing.sample_ratio", "1.5", "from 0 to 1"},
		{"a part that is none", "", "MINIGROUPS_TRACING__SAMPLE_RATIO=NaN", "tracing.sample_ratio (MINIGROUPS_TRACING__SAMPLE_RATIO)", "NaN", "from 0 to 1"},
		{"a part in words", "tracing: {sample_ratio: half}", "", "tracing.sample_ratio", `"half"`, "a number"},
		{"spans behind a password", "tracing: {endpoint: 'http://u:hunter2@c/v1/traces'}", "", "tracing.endpoint", "user", "plain"},
		{"a list for a header", "tracing: {headers: {x: [hunter2]}}", "", "tracing.headers[x]", "a list", "a text"},
		{"a fraction of a connection", "database: {max_conns: 1.5}", "", "database.max_conns", "1.5", "whole number"},
		{"more connections than fit", "database: {max_conns: 4294967297}", "", "database.max_conns", "4294967297", "32 bits"},
		{"no connection for reads", "database: {max_conns: 1}", "", "database.max_conns", "1", "from 2"},
		{"another database", "database: {url: 'mysql://u:hunter2@h/d'}", "", "database.url", "not shown", "postgres://"},
		{"a list for a secret", "janus: {admin_key: [hunter2]}", "", "janus.admin_key", "a list", "a text"},
		{"a number for a secret", "janus: {admin_key: 8472919}", "", "janus.admin_key", "a number", "in quotes"},
		{"a text for a section", "api: no", "", "api", "a text", "keys with values"},
		{"a text for a list", "janus: {backends: j}", "", "janus.backends", "a text", "a list"},
		{"a map for a text", "log: {level: {}}", "", "log.level", "keys with values", "a text"},
		{"an address without a port", "api: {listen: localhost}", "", "api.listen", `"localhost"`, "host:port"},
		{"a port beyond the last", "api: {metrics_listen: ':65536'}", "", "api.metrics_listen", `":65536"`, "host:port"},
		{"a Temporal nowhere", "temporal: {address: ':7233'}", "", "temporal.address", `":7233"`, "host:port"},
		{"no namespace", "temporal: {namespace: ''}", "", "temporal.namespace", "nothing", "a text"},
		{"a URL without a scheme", "event: {url: 'event:8080'}", "", "event.url", "not shown", "http or https"},
		{"a URL with the path of the API", "conference: {url: 'http://c/api/v1/'}", "", "conference.url", "/api/v1", "without /api/v1"},
		{"a URL with a password", "event: {url: 'http://u:hunter2@c'}", "", "event.url", "user", "plain"},
		{"a key file that is not there", "account: {private_key_file: /no/such.pem}", "", "account.private_key_file", "/no/such.pem", "can be read"},
		{"an issuer without anything", "authentication: {a.b: {}}", "", "authentication[a.b].public_key_file", "nothing", "PEM"},
		{"an algorithm we do not take", "authentication: {a.b: {algorithm: none}}", "", "authentication[a.b].algorithm", `"none"`, "ES256"},
		{"a secret for a public algorithm", "authentication: {a.b: {algorithm: ES256, secret_file: x}}", "", "authentication[a.b].secret_file", "something", "only HS256"},
		{"a public key for HS256", "authentication: {a.b: {algorithm: HS256, public_key_file: x}}", "", "authentication[a.b].public_key_file", "something", "secret_file"},
		{"a set of keys for HS256", "authentication: {a.b: {algorithm: HS256, jwks_url: 'http://a/'}}", "", "authentication[a.b].jwks_url", "something", "secret_file"},
		{"no secret for HS256", "authentication: {a.b: {algorithm: HS256}}", "", "authentication[a.b].secret_file", "nothing", "32 bytes"},
		{"a secret that is not there", "authentication: {a.b: {algorithm: HS256, secret_file: /no/such}}", "", "authentication[a.b].secret_file", "/no/such", "can be read"},
		{"two sources of keys", "authentication: {a.b: {algorithm: RS256, public_key_file: x, jwks_url: 'http://a/'}}", "", "authentication[a.b].jwks_url", "second", "nothing"},
		{"a set of keys behind a password", "authentication: {a.b: {jwks_url: 'http://u:hunter2@a/'}}", "", "authentication[a.b].jwks_url", "user", "plain"},
		{"a set of keys in a file", "authentication: {a.b: {jwks_url: 'file:///a'}}", "", "authentication[a.b].jwks_url", "not shown", "http or https"},
		{"a flag that is neither", "authentication: {a.b: {allow_missing_exp: 1}}", "", "authentication[a.b].allow_missing_exp", "1", "true or false"},
		{"an unknown kind", "authorization: {a.b: {kind: all}}", "", "authorization[a.b].kind", `"all"`, "none or local"},
		{"somebody trusted by kind none", "authorization: {a.b: {kind: none, trusted: [x.y]}}", "", "authorization[a.b].trusted", "x.y", "no trusted"},
		{"somebody trusted beside records", "authorization: {a.b: {kind: localwhitelist, trusted: [x.y]}}", "", "authorization[a.b].trusted", "x.y", "no trusted"},
		{"no records", "authorization: {a.b: {kind: localwhitelist}}", "", "authorization[a.b].records", "nothing", "a list"},
		{"records of another kind", "authorization: {a.b: {kind: local, records: [{}]}}", "", "authorization[a.b].records", "a list", "localwhitelist"},
		{"a record for no account", "authorization: {a.b: {kind: localwhitelist, records: [{subject_account_id: x}]}}", "", "authorization[a.b].records[0].subject_account_id", `"x"`, "label.audience"},
		{"a record for no object", "authorization: {a.b: {kind: localwhitelist, records: [{object: ['']}]}}", "", "authorization[a.b].records[0].object", "", "classrooms"},
		{"a record for no action", "authorization: {a.b: {kind: localwhitelist, records: [{}]}}", "", "authorization[a.b].records[0].action", "nothing", "a text"},
		{"nobody to ask", "authorization: {a.b: {kind: http}}", "", "authorization[a.b].uri", "nothing", "URL"},
		{"somebody to ask by another way", "authorization: {a.b: {kind: http, uri: 'ldap://a'}}", "", "authorization[a.b].uri", "not shown", "http or https"},
		{"somebody to ask for no reason", "authorization: {a.b: {kind: none, uri: 'http://a'}}", "", "authorization[a.b].uri", "something", "kind http"},
		{"time to answer for nobody", "authorization: {a.b: {kind: none, timeout: 1s}}", "", "authorization[a.b].timeout", "1s", "kind http"},
		{"attempts to ask nobody", "authorization: {a.b: {kind: none, max_attempts: 2}}", "", "authorization[a.b].max_attempts", "2", "kind http"},
		{"too much time to answer", "authorization: {a.b: {kind: http, timeout: 31s}}", "", "authorization[a.b].timeout", "31s", "up to 30s"},
		{"attempts below nothing", "authorization: {a.b: {kind: http, max_attempts: -1}}", "", "authorization[a.b].max_attempts", "-1", "1 to 5"},
		{"a namespace that is no account", "access: {namespace: dispatcher}", "", "access.namespace", `"dispatcher"`, "label.audience"},
		{"objects without a name", "access: {objects: ''}", "", "access.objects", "nothing", "a text"},
		{"a memory below nothing", "access: {cache_denied: -1s}", "", "access.cache_denied", "-1s", "0s or more"},
		{"no question at a time", "access: {concurrency: 0}", "", "access.concurrency", "0", "above 0"},
		{"nobody trusted", "authorization: {a.b: {kind: local}}", "", "authorization[a.b].trusted", "nothing", "account ids"},
		{"a trusted account without an audience", "authorization: {a.b: {kind: local, trusted: [x.y, dev]}}", "", "authorization[a.b].trusted[1]", `"dev"`, "label.audience"},
		{"another way of reserving", "janus: {reservation: both}", "", "janus.reservation", `"both"`, "gateway or conference"},
		{"a capacity below nothing", "janus: {backends: [{capacity: -1}]}", "", "janus.backends[0].capacity", "-1", "0 or more"},
		{"a backend without a name", "janus: {backends: [{}]}", "", "janus.backends[0].id", "nothing", "a name"},
		{"a backend twice", "janus: {backends: [{id: j}, {id: j}]}", "", "janus.backends[1].id", "once more", "of its own"},
		{"a backend without an address", "janus: {backends: [{id: j}]}", "", "janus.backends[0].admin_url", "nothing", "URL"},
		{"a flight shorter than its step", "saga: {request_timeout: 5s}", "", "saga.request_timeout", "5s", "at least saga.step_wait, 10s"},
		{"no patience", "saga: {retry_budget: -1s}", "", "saga.retry_budget", "-1s", "above 0"},
		{"no grace", "saga: {grace: 0s}", "", "saga.grace", "0s", "above 0"},
		{"a history shorter than runs are kept", "retention: {history: 335h59m}", "", "retention.history", "335h59m0s", "at least 336h0m0s"},
		{"a history below nothing", "retention: {history: -1s}", "", "retention.history", "-1s", "or 0s"},
		{"a broker without a port", "mqtt: {broker: 'mqtt://b'}", "", "mqtt.broker", "not shown", "mqtt://host:port"},
		{"a broker by another protocol", "mqtt: {broker: 'http://b:80'}", "", "mqtt.broker", "not shown", "mqtts://host:port"},
		{"a broker with a password", "mqtt: {broker: 'mqtt://u:hunter2@b:1883'}", "", "mqtt.broker", "not shown", "mqtts://host:port"},
		{"a group that is no level of a topic", "mqtt: {group: a/b}", "", "mqtt.group", `"a/b"`, "without /"},
		{"an account for all", "mqtt: {event_account: +}", "", "mqtt.event_account", `"+"`, "without /"},
		{"an audience without a name", "mqtt: {audiences: [a.b, '']}", "", "mqtt.audiences[1]", `""`, "a text"},
		{"one account for two", "mqtt: {event_account: a.b, conference_account: a.b}", "", "mqtt.conference_account", `"a.b"`, "another"},
		{"a session of nothing", "mqtt: {session: 10ms}", "", "mqtt.session", "10ms", "1s or more"},
		{"no patience for announcements", "mqtt: {never_seen: 0s}", "", "mqtt.never_seen", "0s", "above 0"},
		{"certificates that are not there", "mqtt: {ca_file: /no/such.pem}", "", "mqtt.ca_file", "/no/such.pem", "can be read"},
		{"a level that is none", "log: {level: loud}", "", "log.level", `"loud"`, "debug or info"},
		{"a port of nothing", "dev: {janus_port: 0}", "", "dev.janus_port", "0", "1 to 65535"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := config.Load(write(t, "config.yaml", c.file), []string{c.env})
			var mistakes config.Mistakes
			if !errors.As(err, &mistakes) {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "8472919") {
				t.Errorf("the error shows a secret: %v", err)
			}
			for _, m := range mistakes {
				if m.Key == c.key && strings.Contains(m.Found, c.found) && strings.Contains(m.Expected, c.expected) {
					return
				}
			}
			t.Errorf("got %v", err)
		})
	}

	t.Run("all at once, each with its key", func(t *testing.T) {
		_, err := config.Load(write(t, "config.yaml", "api: {wait: soon, lissen: x}\nlog: {level: loud}\nsaga: {retry_budget: 0s}\n"), []string{"MINIGROUPS_DATABASE__MAX_CONNS=many"}, config.ForWorker...)
		for _, key := range []string{"api.wait:", "api.lissen:", "log.level:", "saga.retry_budget:", "database.max_conns (MINIGROUPS_DATABASE__MAX_CONNS):"} {
			if err == nil || !strings.Contains(err.Error(), "\n  "+key) {
				t.Errorf("%s is missing in %v", key, err)
			}
		}
	})

	t.Run("a file that is not there, or no YAML", func(t *testing.T) {
		for _, path := range []string{"/no/such.yaml", write(t, "bad.yaml", "api: {\n")} {
			if _, err := config.Load(path, nil); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v", err)
			}
		}
	})
}

func TestRequired(t *testing.T) {
	missing := func(err error) (keys []string) {
		var mistakes config.Mistakes
		errors.As(err, &mistakes)
		for _, m := range mistakes {
			keys = append(keys, m.Key)
		}
		return keys
	}
	t.Run("what a worker needs and nobody said", func(t *testing.T) {
		_, err := config.Load("", nil, config.ForWorker...)
		want := []string{"account.private_key_file", "conference.url", "database.url", "event.url", "janus.admin_key", "janus.admin_secret", "janus.room_key"}
		if got := missing(err); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("no secrets of Janus when conference reserves", func(t *testing.T) {
		_, err := config.Load("", []string{"MINIGROUPS_JANUS__RESERVATION=conference"}, "janus.admin_key", "database.url")
		if got := missing(err); !reflect.DeepEqual(got, []string{"database.url"}) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("every key that a program asks for can be satisfied", func(t *testing.T) {
		key := write(t, "key.pem", "")
		environ := []string{
			"DATABASE_URL=postgres://h/d", "MINIGROUPS_ACCOUNT__PRIVATE_KEY_FILE=" + key, "MINIGROUPS_EVENT__URL=http://e", "MINIGROUPS_CONFERENCE__URL=https://c/x",
			"MINIGROUPS_JANUS__ADMIN_KEY=a", "MINIGROUPS_JANUS__ADMIN_SECRET=b", "MINIGROUPS_JANUS__ROOM_KEY=c",
			"MINIGROUPS_AUTHORIZATION={example.org: {kind: none}}",
			"MINIGROUPS_AUTHENTICATION={iam.example.org: {audiences: [example.org], algorithm: ES256, public_key_file: " + key + "}}",
		}
		for _, required := range [][]string{config.ForAPI, config.ForWorker, config.ForMigrate, config.ForOps} {
			if _, err := config.Load("", environ, required...); err != nil {
				t.Error(err)
			}
		}
	})
}
