package main

import (
	"os"
	"testing"
)

// TestBugsApply fails when the code that a bug changes has changed itself.
func TestBugsApply(t *testing.T) {
	t.Chdir("../..")
	for _, b := range bugs {
		if _, err := b.plant(t.TempDir()); err != nil {
			t.Errorf("%s: %v", b.name, err)
		}
	}
	if _, err := os.Stat("simulation"); err != nil {
		t.Fatal(err)
	}
}
