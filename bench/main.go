// Command bench measures the service and alternatives to it in one run, with real processes: see docs/benchmarks.md. It
// prints tables, stores the results under .dev/bench, and writes docs/benchmarks.md, .svg and docs/capacity.svg.
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
	"strings"
	"syscall"

	"minigroups/bench/report"
)

type options struct {
	root          string
	quick         bool
	selects, only string
	temporal      string
	seed          uint64
	rounds        int
	timing        timing
	docs          bool
	reportOnly    bool
	planOnly      bool
}

func main() {
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func start() error {
	var o options
	flag.StringVar(&o.root, "root", ".", "directory of the service's checkout")
	flag.BoolVar(&o.quick, "quick", false, "take two minutes: two rounds of short windows, Temporal's dev server only")
	flag.StringVar(&o.selects, "select", "", "groups, separated by commas: "+strings.Join(report.Groups(), ", ")+
		"; empty: all")
	flag.StringVar(&o.only, "only", "", "a regular expression for what is measured, such as 'no-op twin: create, 32'")
	flag.Uint64Var(&o.seed, "seed", 0, "seed of the order; 0: random")
	flag.IntVar(&o.rounds, "rounds", 0, "number of rounds; 0: the default")
	flag.DurationVar(&o.timing.window, "window", 0, "duration of a window; 0s: the default")
	flag.StringVar(&o.temporal, "temporal", "", "the Temporal server to use, dev or postgres; empty: the default")
	flag.BoolVar(&o.docs, "docs", false,
		"write docs/capacity.svg, and without -select docs/benchmarks.md and .svg, as a full run does")
	flag.BoolVar(&o.reportOnly, "report", false, "show the results of the last run and measure nothing")
	flag.BoolVar(&o.planOnly, "plan", false, "show what would be measured")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return run(ctx, o)
}

func run(ctx context.Context, o options) error {
	last := filepath.Join(o.root, ".dev", "bench", "last.json")
	if o.reportOnly {
		r, err := report.Load(last)
		if err != nil {
			return err
		}
		return show(r, o)
	}
	b := newBench(o)
	tasks, err := b.tasks()
	if err != nil {
		return err
	}
	b.printPlan(tasks)
	if o.planOnly {
		return nil
	}
	r, err := b.run(ctx, tasks)
	if len(r.Samples) > 0 { // also those of an interrupted run
		dated := filepath.Join(filepath.Dir(last), r.Begun.UTC().Format("20060102T150405Z")+".json")
		err = errors.Join(err, r.Save(last), r.Save(dated))
	}
	if err != nil {
		return err
	}
	o.docs = o.docs || !o.quick && o.selects == ""
	return show(r, o)
}

// show prints the tables, and writes the documents if o says so.
func show(r report.Run, o options) error {
	for _, t := range r.Tables() {
		if err := t.WriteText(os.Stdout); err != nil {
			return err
		}
	}
	if !o.docs {
		return nil
	}
	documents := map[string]func(io.Writer) error{}
	if o.selects == "" {
		documents["benchmarks.md"], documents["benchmarks.svg"] = r.WriteDocument, r.WriteChart
	}
	if t := r.Timeline(); t != nil {
		documents["capacity.svg"] = t.WriteSVG
	}
	for name, write := range documents {
		var text strings.Builder
		if err := write(&text); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(o.root, "docs", name), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
