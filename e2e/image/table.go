package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// table prints a line for each step: how it ended, how long it took and what was seen.
type table struct {
	out            io.Writer
	passed, failed int
}

func (t *table) row(result, name string, took time.Duration, seen string) {
	fmt.Fprintf(t.out, "%-6s  %-34s  %6.1f s  %s\n", result, name, took.Seconds(), seen)
}

// note prints a line that is not a step.
func (t *table) note(name, seen string) {
	fmt.Fprintf(t.out, "%-6s  %-34s  %8s  %s\n", "", name, "", seen)
}

// step executes a step, prints its line and reports whether it passed.
func (t *table) step(ctx context.Context, name string, do func(context.Context) (seen string, err error)) bool {
	begun := time.Now()
	seen, err := do(ctx)
	if err != nil {
		t.failed++
		t.row("FAILED", name, time.Since(begun), err.Error())
		return false
	}
	t.passed++
	t.row("ok", name, time.Since(begun), seen)
	return true
}

func (t *table) conclude() { fmt.Fprintf(t.out, "%d passed, %d failed\n", t.passed, t.failed) }
