package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"minigroups/config"
)

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOwnSettingsOverrideTheClientProfile(t *testing.T) {
	profiles := writeFile(t, "temporal.toml", `
[profile.default]
address = "profile:1"
namespace = "profile"
[profile.other]
address = "other:1"
`)
	file := writeFile(t, "minigroups.yaml", "temporal: {address: file:1}\n")
	for name, c := range map[string]struct {
		file               string
		environ            []string
		address, namespace string
	}{
		"nothing is set": {address: "127.0.0.1:7233", namespace: "default"},
		"a profile": {
			environ: []string{"TEMPORAL_CONFIG_FILE=" + profiles}, address: "profile:1", namespace: "profile",
		},
		"an empty variable is unset": {
			environ: []string{"TEMPORAL_CONFIG_FILE=", "TEMPORAL_PROFILE="},
			address: "127.0.0.1:7233", namespace: "default",
		},
		"a named profile": {
			environ: []string{"TEMPORAL_CONFIG_FILE=" + profiles, "TEMPORAL_PROFILE=other"},
			address: "other:1", namespace: "default",
		},
		"a file of our own": {
			file: file, environ: []string{"TEMPORAL_CONFIG_FILE=" + profiles}, address: "file:1", namespace: "profile",
		},
		"a variable of our own": {
			environ: []string{"TEMPORAL_CONFIG_FILE=" + profiles, "MINIGROUPS_TEMPORAL__NAMESPACE=ours"},
			address: "profile:1", namespace: "ours",
		},
		"a variable of both": {
			environ: []string{"TEMPORAL_CONFIG_FILE=" + profiles, "TEMPORAL_ADDRESS=both:1"},
			address: "both:1", namespace: "profile",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := Load(c.file, c.environ)
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Temporal.Address != c.address || cfg.Temporal.Namespace != c.namespace {
				t.Errorf("got %+v", cfg.Temporal)
			}
		})
	}
	_, err := Load("", []string{"TEMPORAL_CONFIG_FILE=" + profiles}, config.ForMigrate...)
	if err == nil || !strings.Contains(err.Error(), "database.url") {
		t.Errorf("a required setting is missing, got %v", err)
	}
}

func TestInvalidClientProfilesAreReported(t *testing.T) {
	file := func(text string) string { return "TEMPORAL_CONFIG_FILE=" + writeFile(t, "temporal.toml", text) }
	for name, c := range map[string]struct {
		environ []string
		want    string
	}{
		"a missing file":        {[]string{"TEMPORAL_CONFIG_FILE=/missing.toml"}, "/missing.toml"},
		"a profile and no file": {[]string{"TEMPORAL_PROFILE=cloud"}, "TEMPORAL_PROFILE needs TEMPORAL_CONFIG_FILE"},
		"a missing profile":     {[]string{file(""), "TEMPORAL_PROFILE=cloud"}, "cloud"},
		"an unknown key":        {[]string{file("[profile.default.tls]\nclient_cert = 'x'\n")}, "client_cert"},
		"a value that is not a boolean": {
			[]string{"TEMPORAL_TLS=yes"}, `TEMPORAL_TLS is "yes", expected true or false`,
		},
		"an address without a port": {[]string{file("[profile.default]\naddress = 'nowhere'\n")}, "temporal.address"},
		"not TOML":                  {[]string{file("[profile.default]\napi_key = secret\n")}, "line 2"},
		"a key without its quotes":  {[]string{file("[profile.default]\napi_key = \"secret\n")}, "line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load("", c.environ)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
