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

func TestAFloodIsThinnedOutAndCounted(t *testing.T) {
	core, seen := observer.New(zapcore.InfoLevel)
	l := &Log{Dropped: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "dropped", Help: "."}, []string{"level"})}
	log := zap.New(l.thin(core, core)).With(zap.Int("of", 1))
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
	t.Cleanup(l.Close)
	l.Level.SetLevel(zap.DebugLevel)
	if !l.Core().Enabled(zap.DebugLevel) {
		t.Error("it does not heed a change")
	}
}

// full is a disk on which there is no room at first.
type full struct {
	bytes.Buffer
	tries int
}

func (f *full) Write(lines []byte) (int, error) {
	if f.tries++; f.tries == 1 {
		return 0, errors.New("no space left on device")
	}
	return f.Buffer.Write(lines)
}

func TestADiskThatWasFullDoesNotSilenceTheLog(t *testing.T) {
	disk := new(full)
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

// BenchmarkALine shows what a line costs that is written with others, and one that is written at once.
func BenchmarkALine(b *testing.B) {
	for _, name := range []string{"with others", "at once"} {
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
			if name == "at once" {
				to = atOnce{l.buffer}
			}
			log := zap.New(newCore(to, l.Level), zap.AddCaller()) // none is left out
			b.ReportAllocs()
			for b.Loop() {
				log.Info("request", zap.String("method", "GET"), zap.String("path", "/api/v1/minigroups/"), zap.Int("status", 200))
			}
		})
	}
}
