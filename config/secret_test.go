package config_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"minigroups/config"
)

func TestSecretsAreRedacted(t *testing.T) {
	cfg := config.Default()
	cfg.Janus.AdminKey, cfg.Janus.AdminSecret, cfg.Janus.RoomKey = "hunter2", "hunter2", "hunter2"
	cfg.Tracing.Headers = map[string]config.Secret{"authorization": "hunter2"}
	cfg.Database.URL = "postgres://me:hunter2@db.example.org:5432/minigroups?password=hunter2"

	for name, value := range map[string]any{
		"the configuration": cfg, "a pointer to it": &cfg, "a section": cfg.Janus, "a pointer to a section": &cfg.Database,
		"a secret": cfg.Janus.AdminKey, "a database URL": cfg.Database.URL,
	} {
		t.Run(name, func(t *testing.T) {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%T %v"} {
				args := []any{value}
				if strings.HasPrefix(verb, "%T") {
					args = append(args, value)
				}
				text := fmt.Sprintf(verb, args...)
				if strings.Contains(text, "hunter2") || strings.Contains(text, fmt.Sprintf("%x", "hunter2")) {
					t.Errorf("%s contains the secret: %s", verb, text)
				}
			}
			text, err := json.Marshal(value)
			if err != nil || strings.Contains(string(text), "hunter2") {
				t.Errorf("as JSON: %s, %v", text, err)
			}
		})
	}

	t.Run("other settings are not redacted", func(t *testing.T) {
		for _, want := range []string{"db.example.org:5432", "me:", "127.0.0.1:8080", "admin_key: '[hidden]'"} {
			if !strings.Contains(cfg.String(), want) {
				t.Errorf("%q is missing in\n%s", want, cfg)
			}
		}
	})

	t.Run("a URL with several hosts is valid", func(t *testing.T) {
		cfg := config.Default()
		cfg.Database.URL = "postgres://me:hunter2@db-1:5432,db-2:5432/minigroups"
		const shown = "postgres://me:xxxxx@db-1:5432,db-2:5432/minigroups"
		if err := cfg.Check(); err != nil || cfg.Database.URL.String() != shown {
			t.Errorf("%s: %v", cfg.Database.URL, err)
		}
	})

	t.Run("an empty secret is formatted as an empty string", func(t *testing.T) {
		if got := fmt.Sprint(config.Secret(""), config.DatabaseURL("")); strings.TrimSpace(got) != "" {
			t.Errorf("got %q", got)
		}
	})

	t.Run("a connection string that is not a URL is redacted entirely", func(t *testing.T) {
		if got := config.DatabaseURL("host=h password=hunter2").String(); strings.Contains(got, "hunter2") {
			t.Errorf("got %q", got)
		}
	})
}
