// Command image builds the images of deploy and runs deploy/compose.yaml, unedited, on an engine of its own: dockerd in
// namespaces in which nothing but loopback exists, so its ports are free and no registry can be reached. Stand-ins for
// the base images are made of what is on this machine (tools/images). It prints a line for each step. The exit code is
// 1 if one failed. When it ends, however it ends, so do the engine, its containers and its networks. Only the folder
// -cache remains, which makes the next run faster.
//
// It needs root, dockerd, what tools/images/rootfs makes, and Compose in .tools. `make image-test` gets them all.
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
)

// options are the command line.
type options struct {
	root    string // of the source
	cache   string
	timeout time.Duration
	inside  bool
}

func main() {
	var o options
	flag.StringVar(&o.root, "root", ".", "the project's folder")
	flag.StringVar(&o.cache, "cache", ".dev/image", "folder for the engine's data and logs, kept for the next run")
	flag.DurationVar(&o.timeout, "timeout", 20*time.Minute, "time after which the run fails")
	flag.BoolVar(&o.inside, "inside", false, "not for people: the process is in the namespaces in which the engine runs")
	flag.Parse()
	code, err := isolate(o.inside, func() int { return run(o, os.Stdout) })
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		code = 1
	}
	os.Exit(code)
}

// run executes all steps and returns the exit code. The process is the first of its PID namespace.
func run(o options, out io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	t := &table{out: out}
	if err := test(ctx, o, t); err != nil {
		fmt.Fprintln(out, "image:", err)
		t.failed = max(t.failed, 1)
	}
	t.conclude()
	if t.failed > 0 {
		return 1
	}
	return 0
}

// test executes the steps until one fails. An error is not that of a step.
func test(ctx context.Context, o options, t *table) (err error) {
	for _, path := range []*string{&o.root, &o.cache} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	p := &project{root: o.root, cache: o.cache}
	if err := p.prepare(); err != nil {
		return err
	}
	e, err := startEngine(ctx, o.cache)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	if err := startResolver(ctx, bridge); err != nil {
		return err
	}
	defer func() {
		// After a failure or Ctrl-C, too, no container may remain in the engine's data.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, p.remove(ctx))
	}()
	t.note("engine", e.version)
	for _, s := range p.steps() {
		if !t.step(ctx, s.name, s.do) && s.ends || ctx.Err() != nil {
			break
		}
	}
	return ctx.Err()
}
