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
	schemathesis     = flag.String("schemathesis", "", "path of Schemathesis; with it, it runs instead of the tests")
	schemathesisTime = flag.Duration("schemathesis-time", time.Minute, "how long Schemathesis runs")
)

// testWithSchemathesis runs Schemathesis, which derives good and bad requests from openapi.yaml and fails on any 5xx
// and on any answer that is not described. It returns the exit code. make test does not run it, because it is installed
// from the network.
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
	// With our own gateways the API would answer 503 once they are full, so conference reserves.
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
