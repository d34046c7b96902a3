package main

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestNothingIsLostInAShortChaos is a short make chaos with a fixed seed.
func TestNothingIsLostInAShortChaos(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	var out strings.Builder
	o := options{
		operations: 300, seed: 3, duration: time.Minute, clients: 12, eventConnections: 10, conferenceConnections: 10,
		root: "../..", mqtt: mqttGateway,
	}
	ok, err := chaos(ctx, o, &out)
	if err != nil || !ok {
		t.Errorf("%v\n%s", err, out.String())
	}
}
