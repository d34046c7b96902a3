package api

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"minigroups/clients/rest"
	"minigroups/config"
)

// TestTheComposeTokenIsAccepted makes secrets and a token with the scripts of deploy/compose, and verifies the token
// with the API's settings there.
func TestTheComposeTokenIsAccepted(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../../deploy")); err != nil {
		t.Fatal(err)
	}
	output := func(script string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "sh", filepath.Join(dir, "compose", script)).Output()
		if err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		return strings.TrimSpace(string(out))
	}
	output("secrets.sh")
	before, err := os.ReadFile(filepath.Join(dir, "secrets", "service.pem"))
	if err != nil {
		t.Fatal(err)
	}
	output("secrets.sh")
	after, err := os.ReadFile(filepath.Join(dir, "secrets", "service.pem"))
	if err != nil || string(after) != string(before) {
		t.Errorf("a second run of secrets.sh changes the key, %v", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "compose", "minigroups.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "minigroups.yaml")
	settings := strings.ReplaceAll(string(text), "/run/secrets", filepath.Join(dir, "secrets"))
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := newVerifier(t.Context(), cfg.Authentication, rest.NewTransport(), newAccessMetrics(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	account, err := verifier.Verify(t.Context(), output("token.sh"), time.Now())
	if err != nil || account.String() != "dev.example.org" {
		t.Errorf("the token is accepted as that of %s, %v", account, err)
	}
}
