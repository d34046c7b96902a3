package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"minigroups/config"
)

var (
	schemathesis     = flag.String("schemathesis", "", "the program that tests the API against its description; with it nothing else is run")
	schemathesisTime = flag.Duration("schemathesis-time", time.Minute, "how long it goes on")
)

// testWithSchemathesis has Schemathesis derive requests, good and bad ones, from openapi.yaml. It fails on any 5xx and
// on any answer that is not described. It returns the exit code. No test of the others: what it installs comes from
// outside.
func testWithSchemathesis() int {
	ctx, cancel := context.WithTimeout(context.Background(), *schemathesisTime+10*time.Minute)
	defer cancel()
	if err := runSchemathesis(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "schemathesis:", err)
		return 1
	}
	return 0
}

func runSchemathesis(ctx context.Context) error {
	settings, err := filepath.Abs("../tools/schemathesis/schemathesis.toml")
	if err != nil {
		return err
	}
	// Conference reserves: a gateway of ours that is full is answered with 503.
	cfg, cfgFile := sut.cfg, filepath.Join(sut.dir, "schemathesis.yaml")
	cfg.Janus.Reservation = config.ReservedByConference
	if err := config.Save(cfgFile, cfg); err != nil {
		return err
	}
	if err := sut.restartWorkerWith(ctx, cfgFile); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, *schemathesis, "--config-file", settings, "run", sut.api+"/openapi.yaml",
		"--max-time", strconv.Itoa(int(schemathesisTime.Seconds())))
	cmd.Dir, cmd.Stdout, cmd.Stderr = sut.dir, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "TOKEN="+sut.token)
	return cmd.Run()
}
