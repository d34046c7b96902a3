// Command chaos starts the whole service on this machine and sends requests from many clients. Meanwhile it kills and
// freezes processes, breaks connections, and cancels, terminates and resets runs. Then it waits until the system is
// idle and checks that nothing was lost. The exit code is 1 if anything was.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"minigroups/e2e/harness"
	"minigroups/e2e/load"
)

// options are the command line.
type options struct {
	operations int64
	seed       uint64
	duration   time.Duration
	clients    int
	// eventConnections and conferenceConnections are the database connections of the stand-ins; 0: unlimited.
	eventConnections, conferenceConnections int
	root                                    string // of the source
	noFaults                                bool
	mqtt                                    string // how workers receive room events
	pooler                                  bool   // between programs and Postgres
	seeds                                   int    // runs with that many seeds, one after the other
	report                                  bool   // only prints the tables of such runs
	resultFile                              string // for the result of a run; empty: none
	soak                                    bool   // a steady load without faults
	rate                                    float64
}

func main() { os.Exit(run(os.Args[1:], os.Stdout)) }

func run(args []string, out io.Writer) int {
	var o options
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.Int64Var(&o.operations, "n", 300, "number of operations: creates (two in five), updates (one in four), reads")
	flags.Uint64Var(&o.seed, "seed", 1, "seed of the operations and the faults")
	flags.DurationVar(&o.duration, "duration", 10*time.Minute, "time after which no more operations begin")
	flags.IntVar(&o.clients, "clients", 16, "number of concurrent clients")
	flags.IntVar(&o.eventConnections, "event-connections", 10, "event's database connections; 0: unlimited")
	flags.IntVar(&o.conferenceConnections, "conference-connections", 10,
		"conference's database connections; 0: unlimited")
	flags.StringVar(&o.root, "root", ".", "the project's folder")
	flags.StringVar(&o.mqtt, "mqtt", mqttGateway,
		"gateway: workers receive room events from a gateway like the platform's; plain: from mosquitto; off: they do not")
	flags.BoolVar(&o.noFaults, "no-faults", false, "inject no faults, for comparison")
	flags.BoolVar(&o.pooler, "pgbouncer", false, "programs reach Postgres through PgBouncer")
	flags.IntVar(&o.seeds, "seeds", 0, "run that many seeds, from seed on, unless they have run, and print a table")
	flags.BoolVar(&o.report, "report", false, "only print the tables of earlier runs")
	flags.StringVar(&o.resultFile, "result", "", "file for the result of a run")
	flags.BoolVar(&o.soak, "soak", false, "send a steady load for duration, without faults, and sample what may grow")
	flags.Float64Var(&o.rate, "rate", 0, "creates per second of a soak; 0: half of what clients reach in 30 s")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	run := chaos
	switch {
	case o.soak:
		run = soak
	case o.seeds > 0 || o.report:
		run = runSeeds
	}
	ok, err := run(ctx, o, out)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		return 1
	}
	if !ok {
		return 1
	}
	return 0
}

// chaos executes one run and prints its report. It returns whether there were no violations. An error means that the
// run itself failed.
func chaos(ctx context.Context, o options, out io.Writer) (ok bool, err error) {
	if o.root, err = filepath.Abs(o.root); err != nil {
		return false, err
	}
	log := harness.NewFaultLog(out)
	s, err := newSystem(o, log)
	if err != nil {
		return false, err
	}
	defer func() { s.stop(ctx, !ok) }()
	if err := s.start(ctx); err != nil {
		return false, fmt.Errorf("start the system: %w", err)
	}
	log.Begun = time.Now()
	client := newAPIClient(s)
	var done atomic.Int64
	classes, err := runLoad(ctx, o, s, client, &done)
	if err != nil {
		return false, err
	}
	driven := time.Since(log.Begun)
	fmt.Fprintf(out, "%7.1fs  the load has ended; waiting until the system is idle\n", driven.Seconds())
	stuck, err := s.checker().AwaitIdle(ctx)
	if err != nil {
		return false, fmt.Errorf("wait until idle: %w", err)
	}
	v, err := s.check(ctx, client, classes)
	if err != nil {
		return false, fmt.Errorf("check: %w", err)
	}
	for _, operation := range stuck {
		v.AddViolation("still in progress: %s", operation)
	}
	v.Violations = append(v.Violations, client.Violations()...)
	v.operations = done.Load()
	printReport(out, o, client, v, driven, time.Since(log.Begun))
	if o.resultFile != "" {
		if err := newSeedResult(o, v, log, time.Since(log.Begun)).write(o.resultFile); err != nil {
			return false, err
		}
	}
	if len(v.Violations) > 0 {
		fmt.Fprintf(out, "the logs are in %s\n", s.dir)
	}
	return len(v.Violations) == 0, ctx.Err()
}

// runLoad drives the load while faults are injected.
func runLoad(
	ctx context.Context, o options, s *system, client *apiClient, done *atomic.Int64,
) ([]*load.Class, error) {
	ctx, cancel := context.WithTimeout(ctx, o.duration)
	defer cancel()
	faultCtx, endFaults := context.WithCancel(ctx)
	defer endFaults()
	injected := make(chan error, 1)
	go func() {
		if o.noFaults {
			injected <- nil
			return
		}
		injected <- injectFaults(faultCtx, s, o.seed)
	}()
	classes := load.Load{
		API: client, Closings: s.closings, Clients: o.clients, Operations: o.operations, Done: done, Seed: o.seed,
		Attempts: 15, PollFor: 10 * time.Second, ChangeAfter503: true, Accompany: true,
	}.Drive(ctx)
	endFaults()
	err := <-injected
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return classes, err
}
