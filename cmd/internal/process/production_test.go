package process

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"minigroups/config"
)

// TestTheConfigurationInTheDocumentsLoads loads the settings and the environment in docs/production.md as each program
// does.
func TestTheConfigurationInTheDocumentsLoads(t *testing.T) {
	document, err := os.ReadFile("../../../docs/production.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(language string) string {
		found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(document)
		if found == nil {
			t.Fatalf("it has no block of %s", language)
		}
		return string(found[1])
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "service.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "minigroups.yaml")
	text := strings.ReplaceAll(block("yaml"), "/run/secrets/minigroups", folder)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := strings.Split(strings.TrimSpace(block("sh")), "\n")
	for name, needs := range map[string][]string{
		"api": config.ForAPI, "worker": config.ForWorker, "migrate": config.ForMigrate, "ops": config.ForOps,
	} {
		variables := environ
		if name != "worker" {
			variables = environ[:2] // as the document says
		}
		cfg, err := Load(file, variables, needs...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		profile, err := loadProfile(variables)
		if err != nil {
			t.Error(err)
		}
		for _, warning := range (settings{Config: cfg, profile: profile}).warnings(name) {
			t.Errorf("%s warns at its start: %s", name, warning)
		}
	}
}
