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

// How many lines of one level and one message are written each second, those of errors and worse apart. Of the others every
// hundredth is.
const (
	linesPerSecond  = 500
	errorsPerSecond = 2000
	thereafter      = 100
)

// flushEvery is how long a line may wait for others to be written with it, bufferSize how many bytes of them do.
const (
	flushEvery = 250 * time.Millisecond
	bufferSize = 256 << 10
)

// Log is how a process logs: JSON lines on standard error, of which a flood is thinned out. Lines are written together, every
// quarter of a second or when there are 256 KiB of them; one of an error or worse is written at once, with all before it.
// What is lost is at most the last quarter of a second of a process that cannot call Close: one that is killed (SIGKILL, out of
// memory), or that a panic ends outside of its main goroutine.
type Log struct {
	*zap.Logger
	// Level is the least that is logged. It may be changed at any time, and serves itself over HTTP.
	Level zap.AtomicLevel
	// Dropped counts the lines that were not written, by level.
	Dropped *prometheus.CounterVec

	buffer *zapcore.BufferedWriteSyncer
}

// NewLog makes the log of the process of this name. level is debug, info, warn or error. Close must be called however the
// process ends.
func NewLog(name, level string) (*Log, error) { return newLog(name, level, os.Stderr) }

func newLog(name, level string, out io.Writer) (*Log, error) {
	parsed, err := zap.ParseAtomicLevel(level)
	if err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	l := &Log{Level: parsed, Dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "minigroups_log_lines_dropped_total", Help: "Log lines that were not written because too many were alike.",
	}, []string{"level"})}
	for _, level := range []zapcore.Level{zapcore.DebugLevel, zapcore.InfoLevel, zapcore.WarnLevel, zapcore.ErrorLevel} {
		l.Dropped.WithLabelValues(level.String())
	}
	written := zapcore.AddSync(trying{out})
	l.buffer = &zapcore.BufferedWriteSyncer{WS: written, Size: bufferSize, FlushInterval: flushEvery}
	core := l.thin(newCore(l.buffer, parsed), newCore(atOnce{l.buffer}, parsed))
	l.Logger = zap.New(core, zap.AddCaller(), zap.ErrorOutput(zapcore.Lock(written))).Named(name)
	return l, nil
}

func newCore(to zapcore.WriteSyncer, level zapcore.LevelEnabler) zapcore.Core {
	encoding := zap.NewProductionEncoderConfig()
	encoding.TimeKey = "time"
	encoding.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	return zapcore.NewCore(zapcore.NewJSONEncoder(encoding), to, level)
}

// Close writes what is left. A line that comes later is written only with one of an error.
func (l *Log) Close() { _ = l.buffer.Stop() } // trying has no errors

// trying writes what it can. A buffer that has seen an error takes nothing any more, and a disk that was full for a moment must
// not silence a process for good. It is never synced: what the kernel has been given outlives the process.
type trying struct{ out io.Writer }

// Write never fails.
func (t trying) Write(lines []byte) (int, error) {
	_, _ = t.out.Write(lines) // there is no other place to complain
	return len(lines), nil
}

// atOnce is a buffer that keeps nothing back.
type atOnce struct{ *zapcore.BufferedWriteSyncer }

// Write writes what was kept back before, and the line.
func (a atOnce) Write(line []byte) (int, error) {
	n, err := a.BufferedWriteSyncer.Write(line)
	if err != nil {
		return n, err
	}
	return n, a.Sync()
}

// thin drops lines where too many are alike. errors takes those of errors and worse, usual all others.
func (l *Log) thin(usual, errors zapcore.Core) zapcore.Core {
	sampled := func(core zapcore.Core, first int) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Second, first, thereafter, zapcore.SamplerHook(func(e zapcore.Entry, d zapcore.SamplingDecision) {
			if d&zapcore.LogDropped != 0 {
				l.Dropped.WithLabelValues(e.Level.String()).Inc()
			}
		}))
	}
	return split{Core: sampled(usual, linesPerSecond), errors: sampled(errors, errorsPerSecond)}
}

// split is a core with another for errors and worse.
type split struct {
	zapcore.Core
	errors zapcore.Core
}

// With adds fields to both.
func (s split) With(fields []zapcore.Field) zapcore.Core {
	return split{s.Core.With(fields), s.errors.With(fields)}
}

// Check asks the one that an entry is for.
func (s split) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if e.Level >= zapcore.ErrorLevel {
		return s.errors.Check(e, checked)
	}
	return s.Core.Check(e, checked)
}
