package main

import (
	"strings"
	"testing"
	"time"
)

func TestTheLedgerOutlivesRuns(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		history, runs time.Duration
		refused       bool
	}{
		"longer":   {90 * day, 7 * day, false},
		"for ever": {0, 365 * day, false},
		"as long":  {14 * day, 14 * day, true},
		"shorter":  {90 * day, 365 * day, true},
	} {
		t.Run(name, func(t *testing.T) {
			err := outlives(c.history, c.runs)
			if (err != nil) != c.refused || err != nil && !strings.Contains(err.Error(), "retention.history") {
				t.Errorf("got %v", err)
			}
		})
	}
}
