package runs

import (
	"strings"
	"unicode"

	"go.uber.org/zap"
)

// sdkLog is our log for Temporal's SDK, and gives its keys our spelling.
type sdkLog struct{ log *zap.SugaredLogger }

// stepError is what the SDK says of a failed try of a step. The interceptor says it with more.
const stepError = "Activity error."

// newSDKLog leaves out which line of the SDK speaks.
func newSDKLog(log *zap.Logger) sdkLog { return sdkLog{log.WithOptions(zap.WithCaller(false)).Sugar()} }

// Debug logs with alternating keys and values, as the others do.
func (l sdkLog) Debug(msg string, keyvals ...any) { l.log.Debugw(msg, respell(keyvals)...) }

// Info logs at level info.
func (l sdkLog) Info(msg string, keyvals ...any) { l.log.Infow(msg, respell(keyvals)...) }

// Warn logs at level warn.
func (l sdkLog) Warn(msg string, keyvals ...any) { l.log.Warnw(msg, respell(keyvals)...) }

// Error logs at level error.
func (l sdkLog) Error(msg string, keyvals ...any) {
	if msg == stepError {
		l.log.Debugw(msg, respell(keyvals)...)
		return
	}
	l.log.Errorw(msg, respell(keyvals)...)
}

// respell writes the keys as all our lines do: WorkflowID becomes workflow_id.
func respell(keyvals []any) []any {
	out := make([]any, len(keyvals))
	copy(out, keyvals)
	for i := 0; i < len(out); i += 2 {
		if key, ok := out[i].(string); ok {
			out[i] = snake(key)
		}
	}
	return out
}

// snake puts an underscore before each word but the first, and makes all letters small.
func snake(key string) string {
	var b strings.Builder
	runes := []rune(key)
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 && runes[i-1] != '_' && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
