package runs

import (
	"strings"
	"unicode"

	"go.uber.org/zap"
)

// sdkLog adapts a zap logger to the log interface of Temporal's SDK and converts its keys to snake_case.
type sdkLog struct{ log *zap.SugaredLogger }

// activityError is the SDK's message for a failed attempt of a step. The logging interceptor logs the same failure with
// more fields.
const activityError = "Activity error."

// newSDKLog omits the caller, which would be a line of the SDK.
func newSDKLog(log *zap.Logger) sdkLog { return sdkLog{log.WithOptions(zap.WithCaller(false)).Sugar()} }

// Debug logs at level debug. keyvals alternates keys and values.
func (l sdkLog) Debug(msg string, keyvals ...any) { l.log.Debugw(msg, snakeCaseKeys(keyvals)...) }

// Info logs at level info.
func (l sdkLog) Info(msg string, keyvals ...any) { l.log.Infow(msg, snakeCaseKeys(keyvals)...) }

// Warn logs at level warn.
func (l sdkLog) Warn(msg string, keyvals ...any) { l.log.Warnw(msg, snakeCaseKeys(keyvals)...) }

// Error logs at level error, except activityError, which it logs at level debug.
func (l sdkLog) Error(msg string, keyvals ...any) {
	if msg == activityError {
		l.log.Debugw(msg, snakeCaseKeys(keyvals)...)
		return
	}
	l.log.Errorw(msg, snakeCaseKeys(keyvals)...)
}

// snakeCaseKeys returns a copy of keyvals with its keys in snake_case: WorkflowID becomes workflow_id.
func snakeCaseKeys(keyvals []any) []any {
	out := make([]any, len(keyvals))
	copy(out, keyvals)
	for i := 0; i < len(out); i += 2 {
		if key, ok := out[i].(string); ok {
			out[i] = snakeCase(key)
		}
	}
	return out
}

// snakeCase converts CamelCase to snake_case. It treats consecutive capitals as one word: HTTPStatus becomes
// http_status.
func snakeCase(key string) string {
	var b strings.Builder
	runes := []rune(key)
	for i, r := range runes {
		startsWord := i > 0 && runes[i-1] != '_' &&
			(!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if unicode.IsUpper(r) && startsWord {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
