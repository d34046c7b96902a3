package telemetry

import (
	"fmt"
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

// Log is how a process logs: JSON lines on standard error, of which a flood is thinned out.
type Log struct {
	*zap.Logger
	// Level is the least that is logged. It may be changed at any time, and serves itself over HTTP.
	Level zap.AtomicLevel
	// Dropped counts the lines that were not written, by level.
	Dropped *prometheus.CounterVec
}

// NewLog makes the log of the process of this name. level is debug, info, warn or error.
func NewLog(name, level string) (*Log, error) {
	cfg := zap.NewProductionConfig()
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
	cfg.Level = parsed
	cfg.Sampling = nil
	cfg.DisableStacktrace = true
	cfg.EncoderConfig.TimeKey = "time"
	cfg.EncoderConfig.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	log, err := cfg.Build(zap.WrapCore(l.thin))
	if err != nil {
		return nil, fmt.Errorf("make logger: %w", err)
	}
	l.Logger = log.Named(name)
	return l, nil
}

// thin drops lines where too many are alike.
func (l *Log) thin(core zapcore.Core) zapcore.Core {
	sampled := func(first int) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Second, first, thereafter, zapcore.SamplerHook(func(e zapcore.Entry, d zapcore.SamplingDecision) {
			if d&zapcore.LogDropped != 0 {
				l.Dropped.WithLabelValues(e.Level.String()).Inc()
			}
		}))
	}
	return split{Core: sampled(linesPerSecond), errors: sampled(errorsPerSecond)}
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
