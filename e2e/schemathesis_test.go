package e2e

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"minigroups/config"
)

var (
	schemathesis     = flag.String("schemathesis", "", "the program that tests the API against its description; without it that test is not run")
	schemathesisTime = flag.Duration("schemathesis-time", time.Minute, "how long it goes on")
)

// TestTheAPIKeepsToItsDescription has Schemathesis derive requests, good and bad ones, from openapi.yaml. It fails on any 5xx and
// on any answer that is not described.
func TestTheAPIKeepsToItsDescription(t *testing.T) {
	if *schemathesis == "" {
		t.Skip("make fuzz-api runs it")
	}
	settings, err := filepath.Abs("../tools/schemathesis/schemathesis.toml")
	if err != nil {
		t.Fatal(err)
	}
	// Conference reserves: a gateway of ours that is full is answered with 503.
	cfg, cfgFile := sut.cfg, filepath.Join(t.TempDir(), "config.yaml")
	cfg.Janus.Reservation = config.ReservedByConference
	if err := config.Save(cfgFile, cfg); err != nil {
		t.Fatal(err)
	}
	if err := sut.workWith(t.Context(), cfgFile); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), *schemathesisTime+10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, *schemathesis, "--config-file", settings, "run", sut.api+"/openapi.yaml", "--max-time", strconv.Itoa(int(schemathesisTime.Seconds())))
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "TOKEN="+sut.token)
	if err := cmd.Run(); err != nil {
		t.Errorf("schemathesis: %v", err)
	}
}
