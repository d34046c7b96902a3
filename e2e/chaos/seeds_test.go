package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// TestSeedsGoOnAfterAFailureAndAnInterruption runs five seeds, of which one finds a violation, one fails, and the last
// one is interrupted.
func TestSeedsGoOnAfterAFailureAndAnInterruption(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	var ran []uint64
	c := campaign{dir: t.TempDir(), out: io.Discard}
	c.run = func(_ context.Context, seed uint64, file, _ string) error {
		ran = append(ran, seed)
		switch {
		case seed == 3 && len(ran) == 3:
			return errors.New("exit status 2")
		case seed == 5 && len(ran) == 5:
			interrupt()
			return errors.New("interrupted")
		}
		return seedResult{Seed: seed, Operations: 100, Violations: int(seed / 2 % 2)}.write(file)
	}
	table := func() (string, bool) {
		t.Helper()
		results, err := c.results()
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		ok := printTable(&out, "title", results)
		return out.String(), ok
	}
	if err := c.runMissing(ctx, 1, 5); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted run: %v", err)
	}
	text, ok := table()
	if ok || !strings.Contains(text, "exit status 2") || !strings.Contains(text, "4 seeds, 1 runs failed") {
		t.Errorf("ok is %t with a run that failed:\n%s", ok, text)
	}
	if err := c.runMissing(t.Context(), 1, 5); err != nil {
		t.Error(err)
	}
	if want := []uint64{1, 2, 3, 4, 5, 3, 5}; !slices.Equal(ran, want) {
		t.Errorf("the runs were %v, want %v", ran, want)
	}
	if text, ok = table(); ok || !strings.Contains(text, "5 seeds, 0 runs failed") || !strings.Contains(text, " 500 ") {
		t.Errorf("ok is %t with two violations:\n%s", ok, text)
	}
}
