package main

import (
	"testing"

	"github.com/google/uuid"

	"minigroups/e2e/linearizability"
)

func TestResetsAreThoseOfTheirClass(t *testing.T) {
	h := newHistory()
	reset, read := uuid.New(), uuid.New()
	h.Begin(linearizability.Operation{Kind: linearizability.Read, Class: reset.String()})
	h.others(linearizability.Reset, reset)
	h.Begin(linearizability.Operation{Kind: linearizability.Read, Class: read.String()})
	resets := h.resets()
	if !resets[reset.String()] || resets[read.String()] {
		t.Errorf("a run of %s was reset, and %v is returned", reset, resets)
	}
}
