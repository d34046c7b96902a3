package telemetry

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestAFloodIsThinnedOutAndCounted(t *testing.T) {
	core, seen := observer.New(zapcore.InfoLevel)
	l := &Log{Dropped: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "dropped", Help: "."}, []string{"level"})}
	log := zap.New(core, zap.WrapCore(l.thin)).With(zap.Int("of", 1))
	for range 20 * linesPerSecond {
		log.Info("alike")
	}
	for range errorsPerSecond {
		log.Error("alike")
	}
	for level, sent := range map[zapcore.Level]int{zapcore.InfoLevel: 20 * linesPerSecond, zapcore.ErrorLevel: errorsPerSecond} {
		written, dropped := seen.FilterLevelExact(level).Len(), int(testutil.ToFloat64(l.Dropped.WithLabelValues(level.String())))
		if written+dropped != sent || written < linesPerSecond {
			t.Errorf("of %d lines of %s %d were written and %d counted as dropped", sent, level, written, dropped)
		}
		if thinned := dropped > 0; thinned != (level == zapcore.InfoLevel) {
			t.Errorf("%d lines of %s were dropped", dropped, level)
		}
	}
	if of := seen.All()[0].ContextMap()["of"]; of != int64(1) {
		t.Errorf("a field was lost: %v", seen.All()[0].ContextMap())
	}
}

func TestNewLog(t *testing.T) {
	if _, err := NewLog("x", "loud"); err == nil || !strings.HasPrefix(err.Error(), "log.level: ") {
		t.Errorf("got %v", err)
	}
	l, err := NewLog("x", "warn")
	if err != nil {
		t.Fatal(err)
	}
	if l.Core().Enabled(zap.InfoLevel) {
		t.Error("it says more than it was told to")
	}
	l.Level.SetLevel(zap.DebugLevel)
	if !l.Core().Enabled(zap.DebugLevel) {
		t.Error("it does not heed a change")
	}
}
