package config_test

import (
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
	t.Run("returns the defaults without file and environment", func(t *testing.T) {
		cfg, err := config.Load("", nil)
		if err != nil {
			t.Fatal(err)
		}
		if cfg.String() != config.Default().String() {
			t.Errorf("got\n%s\nwant\n%s", cfg, config.Default())
		}
	})

	t.Run("the environment overrides the file, and the file the defaults", func(t *testing.T) {
		cfg := load(t, "api: {listen: 127.0.0.1:1111, wait: 3s}\ndatabase: {max_conns: 4}\n",
			"MINIGROUPS_API__LISTEN=127.0.0.1:2222")
		if cfg.API.Listen != "127.0.0.1:2222" || cfg.API.MetricsListen != "127.0.0.1:9090" ||
			cfg.API.Wait != 3*time.Second || cfg.Database.MaxConns != 4 {
			t.Errorf("got %+v and %+v", cfg.API, cfg.Database)
		}
	})

	t.Run("Variable returns the variable that sets a key", func(t *testing.T) {
		cfg := load(t, "", config.Variable("api.metrics_listen")+"=127.0.0.1:3333")
		if cfg.API.MetricsListen != "127.0.0.1:3333" {
			t.Errorf("%s sets %+v", config.Variable("api.metrics_listen"), cfg.API)
		}
	})

	t.Run("well-known variables override the file, and prefixed variables override them", func(t *testing.T) {
		cfg := load(t, "temporal: {address: file:1, namespace: file}\ndatabase: {url: postgres://file/x}\n",
			"TEMPORAL_ADDRESS=known:1", "MINIGROUPS_TEMPORAL__ADDRESS=prefixed:1", "TEMPORAL_NAMESPACE=known",
			"DATABASE_URL=postgres://known/x", "TEMPORAL_DEPLOYMENT_NAME=namespace/name", "TEMPORAL_WORKER_BUILD_ID=v1")
		if cfg.Temporal.Address != "prefixed:1" || cfg.Temporal.Namespace != "known" ||
			cfg.Database.URL.Reveal() != "postgres://known/x" ||
			cfg.Worker.Deployment != "namespace/name" || cfg.Worker.BuildID != "v1" {
			t.Errorf("got %+v, %+v and %s", cfg.Temporal, cfg.Worker, cfg.Database.URL.Reveal())
		}
	})

	t.Run("without a path the file is that of MINIGROUPS_CONFIG", func(t *testing.T) {
		path := write(t, "other.yaml", "log: {level: debug}\n")
		cfg, err := config.Load("", []string{"MINIGROUPS_CONFIG=" + path})
		if err != nil || cfg.Log.Level != "debug" {
			t.Errorf("got level %q, error %v", cfg.Log.Level, err)
		}
	})

	t.Run("empty sections and empty variables do not override defaults", func(t *testing.T) {
		cfg := load(t, "api:\njanus:\n  backends:\nlog: {level: null}\n", "MINIGROUPS_API__WAIT=", "DATABASE_URL=")
		if cfg.String() != config.Default().String() {
			t.Errorf("got\n%s", cfg)
		}
	})

	t.Run("a section may be set by the file and by the environment", func(t *testing.T) {
		cfg := load(t, "tracing: {endpoint: 'http://c:4318/v1/traces', sample_ratio: 0.25}",
			"MINIGROUPS_TRACING__HEADERS={x-token: secret}")
		want := config.Tracing{
			Endpoint: "http://c:4318/v1/traces", SampleRatio: .25, Headers: map[string]config.Secret{"x-token": "secret"},
		}
		if !reflect.DeepEqual(cfg.Tracing, want) {
			t.Errorf("got %+v", cfg.Tracing)
		}
		if cfg = load(t, "", "MINIGROUPS_TRACING__SAMPLE_RATIO=0"); cfg.Tracing.SampleRatio != 0 {
			t.Errorf("got %+v", cfg.Tracing)
		}
	})

	t.Run("names of issuers and audiences may contain dots and slashes and capitals", func(t *testing.T) {
		key := write(t, "key.pem", "")
		cfg := load(t, `
authentication:
  https://iam.Example.org/x: {audiences: [example.org, a.b], algorithm: ES256, public_key_file: `+key+`}
authorization:
  example.org: {kind: local, trusted: [dev.example.org]}
  b.Example.org: {kind: none}
`)
		issuer := cfg.Authentication["https://iam.Example.org/x"]
		want := config.Issuer{Audiences: []string{"example.org", "a.b"}, Algorithm: "ES256", PublicKeyFile: key}
		if !reflect.DeepEqual(issuer, want) {
			t.Errorf("issuer: %+v of %v", issuer, cfg.Authentication)
		}
		if cfg.Authorization["example.org"].Trusted[0] != "dev.example.org" ||
			cfg.Authorization["b.Example.org"].Kind != "none" {
			t.Errorf("authorization: %+v", cfg.Authorization)
		}
	})

	t.Run("all settings of issuers and audiences", func(t *testing.T) {
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
			"a": {
				Kind: "http", URI: "https://iam.example.org/authz", Trusted: []string{"x.y"},
				Timeout: 2 * time.Second, MaxAttempts: 3,
			},
			"b": {Kind: "localwhitelist", Records: []config.Record{
				{SubjectAccountID: "x.y", Object: []string{"classrooms"}, Action: "create"},
			}},
		}; !reflect.DeepEqual(cfg.Authorization, want) {
			t.Errorf("got %+v", cfg.Authorization)
		}
		if want := (config.Access{
			Namespace: "dispatcher.svc.example.org", Objects: "classrooms",
			CacheAllowed: 5 * time.Minute, Concurrency: 64,
		}); cfg.Access != want {
			t.Errorf("got %+v", cfg.Access)
		}
		path := filepath.Join(t.TempDir(), "saved.yaml")
		if err := config.Save(path, cfg); err != nil {
			t.Fatal(err)
		}
		saved, err := config.Load(path, nil)
		if err != nil || !reflect.DeepEqual(saved.Authentication, cfg.Authentication) || saved.String() != cfg.String() {
			t.Errorf("saved and loaded again: %+v, %v", saved, err)
		}
	})

	t.Run("lists and maps in the environment are YAML and replace the file's", func(t *testing.T) {
		cfg := load(t, "authorization: {old.org: {kind: none}}\n",
			"MINIGROUPS_AUTHORIZATION={example.org: {kind: none}}",
			"MINIGROUPS_JANUS__BACKENDS=[{id: j, admin_url: 'http://j:1/admin', janus_url: 'http://j:2/janus', "+
				"capacity: 7, balancer_capacity: null}]")
		if len(cfg.Authorization) != 1 || cfg.Authorization["example.org"].Kind != "none" {
			t.Errorf("authorization: %+v", cfg.Authorization)
		}
		backend := cfg.Janus.Backends[0]
		if backend.ID != "j" || *backend.Capacity != 7 || backend.BalancerCapacity != nil {
			t.Errorf("backend: %+v", backend)
		}
	})

	t.Run("a variable may name a key with dots", func(t *testing.T) {
		cfg := load(t, "authorization: {example.org: {kind: local, trusted: [a.b]}}\n",
			"MINIGROUPS_AUTHORIZATION__EXAMPLE.ORG__TRUSTED=[c.d]")
		if got := cfg.Authorization["example.org"]; got.Kind != "local" || got.Trusted[0] != "c.d" {
			t.Errorf("got %+v", cfg.Authorization)
		}
	})

	t.Run("IsSet is false for defaults", func(t *testing.T) {
		cfg := load(t, "event: {url: 'http://event'}\n", "TEMPORAL_ADDRESS=127.0.0.1:7233")
		for key, want := range map[string]bool{
			"temporal.address": true, "event.url": true, "event": true,
			"conference.url": false, "database.url": false, "janus.backends": false,
		} {
			if cfg.IsSet(key) != want {
				t.Errorf("IsSet(%s) = %v", key, !want)
			}
		}
	})

	t.Run("loads what Save has written, secrets included", func(t *testing.T) {
		capacity := int32(5)
		want := config.Default()
		want.Database.URL = "postgres://u:p@h:1/d?sslmode=disable"
		want.Janus.AdminKey = "0123"
		want.Authorization = map[string]config.Audience{"example.org": {Kind: "none"}}
		want.Janus.Backends = []config.Backend{
			{ID: "j", AdminURL: "http://j:1/admin", JanusURL: "http://j:2/janus", Capacity: &capacity},
		}
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
		if got.String() != want.String() || got.Database.URL != want.Database.URL ||
			got.Janus.AdminKey != want.Janus.AdminKey {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode: %v %v", info, err)
		}
	})
}

func TestUnreadableFile(t *testing.T) {
	for name, path := range map[string]string{
		"missing": "/no/such.yaml", "not YAML": write(t, "bad.yaml", "api: {\n"),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := config.Load(path, nil); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v", err)
			}
		})
	}
}
