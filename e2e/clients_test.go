package e2e

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestTheGeneratedGoClientUsesTheService runs the program of tools/clients, whose client is generated from
// openapi.yaml. The program itself checks the answers; this test checks what exists afterwards.
func TestTheGeneratedGoClientUsesTheService(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "make", "-C", "..", "-s", ".tools/clients").CombinedOutput(); err != nil {
		t.Fatalf("make the client: %v\n%s", err, out)
	}
	c := newClass(t)
	client := exec.CommandContext(ctx, "../.tools/clients")
	client.Env = append(os.Environ(),
		"MINIGROUPS="+sut.api, "TOKEN="+sut.token, "AUDIENCE="+c.audience, "SCOPE="+c.scope)
	out, err := client.CombinedOutput()
	if err != nil {
		t.Fatalf("the client: %v\n%s", err, out)
	}
	o := c.get().object
	c.assertComplete(o)
	if o.Time[0] == nil || *o.Time[0] < time.Now().Add(23*time.Hour).Unix() || o.Time[1] != nil {
		t.Errorf("the client has moved the class to %v\n%s", o.Time, out)
	}
	read := request(t, http.MethodGet, c.path()+"?class_keys[]=theme", nil).want(t, http.StatusOK)
	if !strings.Contains(read.text, `"properties":{"theme":"dark"}`) {
		t.Errorf("the client has stored %s", read.text)
	}
}
