package telemetry

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestRepeatedLinesAreSampledAndCounted(t *testing.T) {
	core, seen := observer.New(zapcore.InfoLevel)
	l := &Log{Dropped: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "dropped", Help: "."}, []string{"level"})}
	log := zap.New(l.sample(core, core)).With(zap.Int("field", 1))
	for range 20 * linesPerSecond {
		log.Info("repeated")
	}
	for range errorsPerSecond {
		log.Error("repeated")
	}
	for level, sent := range map[zapcore.Level]int{
		zapcore.InfoLevel: 20 * linesPerSecond, zapcore.ErrorLevel: errorsPerSecond,
	} {
		written := seen.FilterLevelExact(level).Len()
		dropped := int(testutil.ToFloat64(l.Dropped.WithLabelValues(level.String())))
		if written+dropped != sent || written < linesPerSecond {
			t.Errorf("of %d lines of %s %d were written and %d counted as dropped", sent, level, written, dropped)
		}
		if sampled := dropped > 0; sampled != (level == zapcore.InfoLevel) {
			t.Errorf("%d lines of %s were dropped", dropped, level)
		}
	}
	if field := seen.All()[0].ContextMap()["field"]; field != int64(1) {
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
		t.Error("it logs below its level")
	}
	t.Cleanup(l.Close)
	l.Level.SetLevel(zap.DebugLevel)
	if !l.Core().Enabled(zap.DebugLevel) {
		t.Error("changing the level has no effect")
	}
}

// fullDisk fails the first write.
type fullDisk struct {
	bytes.Buffer
	writes int
}

func (d *fullDisk) Write(lines []byte) (int, error) {
	if d.writes++; d.writes == 1 {
		return 0, errors.New("no space left on device")
	}
	return d.Buffer.Write(lines)
}

func TestTheLogSurvivesAFullDisk(t *testing.T) {
	disk := new(fullDisk)
	l, err := newLog("x", "info", disk)
	if err != nil {
		t.Fatal(err)
	}
	l.Error("while it is full")
	l.Info("afterwards")
	l.Close()
	if text := disk.String(); !strings.Contains(text, "afterwards") {
		t.Errorf("the log is %q", text)
	}
}

// BenchmarkLine measures a buffered line, and one that is written immediately.
func BenchmarkLine(b *testing.B) {
	for _, name := range []string{"buffered", "immediate"} {
		b.Run(name, func(b *testing.B) {
			out, err := os.Create(filepath.Join(b.TempDir(), "log"))
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = out.Close() }()
			l, err := newLog("x", "info", out)
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			var to zapcore.WriteSyncer = l.buffer
			if name == "immediate" {
				to = immediate{l.buffer}
			}
			log := zap.New(newCore(to, l.Level), zap.AddCaller()) // without sampling
			b.ReportAllocs()
			for b.Loop() {
				log.Info("request",
					zap.String("method", "GET"), zap.String("path", "/api/v1/minigroups/"), zap.Int("status", 200))
			}
		})
	}
}
