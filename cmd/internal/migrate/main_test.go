package migrate

import (
	"strings"
	"testing"
	"time"
)

func TestHistoryMustBeKeptLongerThanRuns(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		history, runs time.Duration
		refused       bool
	}{
		"longer":      {history: 90 * day, runs: 7 * day},
		"permanently": {history: 0, runs: 365 * day},
		"equal":       {history: 14 * day, runs: 14 * day, refused: true},
		"shorter":     {history: 90 * day, runs: 365 * day, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			err := compareRetention(c.history, c.runs)
			if (err != nil) != c.refused || err != nil && !strings.Contains(err.Error(), "retention.history") {
				t.Errorf("got %v", err)
			}
		})
	}
}
