// Command chaos starts the whole service on this machine, every process of it, drives it from many clients, and meanwhile
// kills, freezes, cancels, terminates, resets and cuts wires. Then it lets the world heal and checks from outside that nothing
// was lost: it ends with 1 where anything was.
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
	"syscall"
	"time"

	"minigroups/e2e/harness"
	"minigroups/e2e/load"
)

// options say how much chaos.
type options struct {
	operations int64
	seed       uint64
	duration   time.Duration
	clients    int
	root       string // of the source
	noFaults   bool
	mqttOff    bool // nobody listens to what event and conference announce
}

func main() { os.Exit(run(os.Args[1:], os.Stdout)) }

func run(args []string, out io.Writer) int {
	var o options
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.Int64Var(&o.operations, "n", 300, "how many operations: creates (two in five), updates (one in four), reads")
	flags.Uint64Var(&o.seed, "seed", 1, "of the operations and the faults")
	flags.DurationVar(&o.duration, "duration", 10*time.Minute, "after which no more operations begin")
	flags.IntVar(&o.clients, "clients", 16, "how many clients there are at once")
	flags.StringVar(&o.root, "root", ".", "the project's folder")
	announcements := flags.String("announcements", "on", "on: workers listen to what event and conference announce; off: they do not")
	flags.BoolVar(&o.noFaults, "calm", false, "no faults, to see what is measured without")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	o.mqttOff = *announcements == "off"
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ok, err := chaos(ctx, o, out)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		return 1
	}
	if !ok {
		return 1
	}
	return 0
}

// chaos makes one run and prints its table. It reports whether nothing was violated; an error says that the run itself
// could not be carried out.
func chaos(ctx context.Context, o options, out io.Writer) (ok bool, err error) {
	if o.root, err = filepath.Abs(o.root); err != nil {
		return false, err
	}
	log := harness.NewFaultLog(out)
	w, err := newSystem(o.root, log, !o.mqttOff)
	if err != nil {
		return false, err
	}
	defer func() { w.stop(ctx, !ok) }()
	if err := w.start(ctx); err != nil {
		return false, fmt.Errorf("start the world: %w", err)
	}
	log.Begun = time.Now()
	d := newAPIClient(w)
	classes, err := runLoad(ctx, o, w, d)
	if err != nil {
		return false, err
	}
	driven := time.Since(log.Begun)
	fmt.Fprintf(out, "%7.1fs  the load is done; waiting for the world to heal\n", driven.Seconds())
	stuck, err := w.checker().AwaitIdle(ctx)
	if err != nil {
		return false, fmt.Errorf("wait for rest: %w", err)
	}
	v, err := w.check(ctx, d, classes)
	if err != nil {
		return false, fmt.Errorf("check: %w", err)
	}
	for _, s := range stuck {
		v.AddViolation("did not come to rest: %s", s)
	}
	v.Violations = append(v.Violations, d.violations...)
	printReport(out, o, d, v, driven, time.Since(log.Begun))
	if len(v.Violations) > 0 {
		fmt.Fprintf(out, "the logs are in %s\n", w.dir)
	}
	return len(v.Violations) == 0, ctx.Err()
}

// disturbed drives the load while mischief is done.
func runLoad(ctx context.Context, o options, w *system, d *apiClient) ([]*load.Class, error) {
	ctx, cancel := context.WithTimeout(ctx, o.duration)
	defer cancel()
	harm, over := context.WithCancel(ctx)
	defer over()
	harmed := make(chan error, 1)
	go func() {
		if o.noFaults {
			harmed <- nil
			return
		}
		harmed <- injectFaults(harm, w, o.seed)
	}()
	classes := load.Load{
		API: d, Closings: w.closings, Clients: o.clients, Operations: o.operations, Seed: o.seed, Attempts: 15, PollFor: 10 * time.Second, ChangeAfter503: true,
	}.Drive(ctx)
	over()
	err := <-harmed
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return classes, err
}
