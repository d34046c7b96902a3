package telemetry

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Sampling: per second, level and message, the first linesPerSecond lines are written (errorsPerSecond at level error
// and above), then every sampleEvery-th.
const (
	linesPerSecond  = 500
	errorsPerSecond = 2000
	sampleEvery     = 100
)

// Buffered lines are written every flushInterval, and earlier when they fill bufferSize bytes.
const (
	flushInterval = 250 * time.Millisecond
	bufferSize    = 256 << 10
)

// Log writes JSON lines to standard error. It samples repeated lines, and buffers lines below level error for up to
// flushInterval; a line at level error or above is written immediately, after all lines in the buffer. A process that
// cannot call Close, because it is killed or panics outside its main goroutine, loses at most the last flushInterval.
type Log struct {
	*zap.Logger
	// Level is the minimum level. It may be changed at any time, and is an http.Handler that reads and changes itself.
	Level zap.AtomicLevel
	// Dropped counts the lines that sampling dropped, by level.
	Dropped *prometheus.CounterVec

	buffer *zapcore.BufferedWriteSyncer
}

// NewLog returns the log of the process with this name. level is debug, info, warn or error. The caller must call Close
// on every way out of the process.
func NewLog(name, level string) (*Log, error) { return newLog(name, level, os.Stderr) }

func newLog(name, level string, out io.Writer) (*Log, error) {
	parsed, err := zap.ParseAtomicLevel(level)
	if err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	l := &Log{Level: parsed, Dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "minigroups_log_lines_dropped_total", Help: "Log lines dropped by sampling, by level.",
	}, []string{"level"})}
	for _, level := range []zapcore.Level{zapcore.DebugLevel, zapcore.InfoLevel, zapcore.WarnLevel, zapcore.ErrorLevel} {
		l.Dropped.WithLabelValues(level.String())
	}
	sink := zapcore.AddSync(lossyWriter{out})
	l.buffer = &zapcore.BufferedWriteSyncer{WS: sink, Size: bufferSize, FlushInterval: flushInterval}
	core := l.sample(newCore(l.buffer, parsed), newCore(immediate{l.buffer}, parsed))
	l.Logger = zap.New(core, zap.AddCaller(), zap.ErrorOutput(zapcore.Lock(sink))).Named(name)
	return l, nil
}

func newCore(to zapcore.WriteSyncer, level zapcore.LevelEnabler) zapcore.Core {
	encoding := zap.NewProductionEncoderConfig()
	encoding.TimeKey = "time"
	encoding.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	return zapcore.NewCore(zapcore.NewJSONEncoder(encoding), to, level)
}

// Close writes the buffered lines. After Close, lines stay in the buffer until one at level error flushes them.
func (l *Log) Close() { _ = l.buffer.Stop() } // lossyWriter returns no errors

// lossyWriter ignores write errors. BufferedWriteSyncer stops writing permanently after an error, so a disk that was
// full for a moment would silence the process. lossyWriter does not sync to disk: the kernel keeps written lines when
// the process dies.
type lossyWriter struct{ out io.Writer }

// Write always reports success.
func (w lossyWriter) Write(lines []byte) (int, error) {
	_, _ = w.out.Write(lines) // there is no other place to report the error
	return len(lines), nil
}

// immediate flushes the buffer after each line.
type immediate struct{ *zapcore.BufferedWriteSyncer }

// Write writes the buffered lines and then this one.
func (i immediate) Write(line []byte) (int, error) {
	n, err := i.BufferedWriteSyncer.Write(line)
	if err != nil {
		return n, err
	}
	return n, i.Sync()
}

// sample returns a core that samples repeated lines: those at level error and above go to errors, all others to usual.
func (l *Log) sample(usual, errors zapcore.Core) zapcore.Core {
	sampled := func(core zapcore.Core, first int) zapcore.Core {
		countDropped := zapcore.SamplerHook(func(e zapcore.Entry, d zapcore.SamplingDecision) {
			if d&zapcore.LogDropped != 0 {
				l.Dropped.WithLabelValues(e.Level.String()).Inc()
			}
		})
		return zapcore.NewSamplerWithOptions(core, time.Second, first, sampleEvery, countDropped)
	}
	return split{Core: sampled(usual, linesPerSecond), errors: sampled(errors, errorsPerSecond)}
}

// split sends entries at level error and above to errors, and all others to the embedded core.
type split struct {
	zapcore.Core
	errors zapcore.Core
}

// With adds fields to both cores.
func (s split) With(fields []zapcore.Field) zapcore.Core {
	return split{s.Core.With(fields), s.errors.With(fields)}
}

// Check delegates to the core for the level of the entry.
func (s split) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if e.Level >= zapcore.ErrorLevel {
		return s.errors.Check(e, checked)
	}
	return s.Core.Check(e, checked)
}
