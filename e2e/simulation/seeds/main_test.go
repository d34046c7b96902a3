package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASearchGoesOnWithTheSeedsThatAreMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := seeds{binary: filepath.Join(dir, "simulation.test"), dir: filepath.Join(dir, "results"), scenarios: 7}
	is := func(script string) {
		t.Helper()
		if err := os.WriteFile(s.binary, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	is(`case "$*" in *"-rapid.seed 2 "*) echo killed; exit 1;; esac; echo "7 scenarios with 70 calls in 1m1.5s"`)
	const unfinished = "seed 2: the search has not ended: killed"
	if err := s.run(t.Context(), 1, 3); err == nil || !strings.Contains(err.Error(), unfinished) {
		t.Errorf("a search that was killed: %v", err)
	}
	is(`case "$*" in *"-rapid.seed 2 "*) echo 'scenario 5 violates an invariant and is shrunk now: "LEAK"';; esac; exit 1`)
	if err := s.run(t.Context(), 1, 3); err == nil || strings.Contains(err.Error(), "seed") {
		t.Errorf("a search that found something: %v", err)
	}
	var table strings.Builder
	ok, err := s.table(&table, 1, 3)
	if ok || err != nil || !strings.Contains(strings.Join(strings.Fields(table.String()), " "),
		"1 7 70 1m2s 0 2 5 0 0s 1 3 7 70 1m2s 0 3 seeds 19 140 2m3s 1") {
		t.Errorf("%v, %v:\n%s", ok, err, table.String())
	}
}
