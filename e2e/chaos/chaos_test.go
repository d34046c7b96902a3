package main

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestNothingIsLostInAShortChaos is make chaos with a fixed seed, as much of it as a test run has time for.
func TestNothingIsLostInAShortChaos(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	var out strings.Builder
	ok, err := chaos(ctx, options{operations: 300, seed: 3, duration: time.Minute, clients: 12, root: "../.."}, &out)
	if err != nil || !ok {
		t.Errorf("%v\n%s", err, out.String())
	}
}
