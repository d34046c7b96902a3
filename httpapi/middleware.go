package httpapi

import (
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"minigroups/auth"
	"minigroups/telemetry"
)

// Keys of Gin's context.
const (
	accountKey = "account" // the auth.Account of the request
	problemKey = "problem" // the type of the problem in the response
	heldKey    = "held"    // the response that is stored for an idempotency key first
	waitedKey  = "waited"  // the time.Duration for which the request waited for a change
)

// maxRequestID is the maximum length of the id of a request.
const maxRequestID = 128

// requestID sets the id of a request: the caller's X-Request-Id if it is fit for a log line, else a new uuid.
func requestID(c *gin.Context) {
	id := c.GetHeader("X-Request-Id")
	if !isVisible(id, maxRequestID) {
		id = uuid.NewString()
	}
	c.Request = c.Request.WithContext(telemetry.WithRequestID(c.Request.Context(), id))
	c.Header("X-Request-Id", id)
}

func requestIDOf(c *gin.Context) string { return telemetry.RequestID(c.Request.Context()) }

// logClassID adds the minigroup of a request to its log fields.
func logClassID(c *gin.Context, classID uuid.UUID) {
	c.Request = c.Request.WithContext(telemetry.WithFields(c.Request.Context(), zap.Stringer("class_id", classID)))
}

// observe records a request in metrics and, if tracing is configured, in a span.
func (s *server) observe(c *gin.Context) {
	ctx, end := s.Requests.Begin(c.Request, c.FullPath())
	if ctx != c.Request.Context() {
		c.Request = c.Request.WithContext(ctx)
	}
	defer func() { end(c.Writer.Status(), c.GetDuration(waitedKey)) }()
	c.Next()
}

// isVisible reports whether text is 1 to limit visible ASCII characters.
func isVisible(text string, limit int) bool {
	invisible := func(r rune) bool { return r <= ' ' || r > '~' }
	return text != "" && len(text) <= limit && !strings.ContainsFunc(text, invisible)
}

// log returns a logger with the fields of one request.
func (s *server) log(c *gin.Context) *zap.Logger {
	return s.Log.With(telemetry.Fields(c.Request.Context())...)
}

// accessLog writes one line per request. It contains the template of the path and no query, because they may contain
// names or tokens.
func (s *server) accessLog(c *gin.Context) {
	start := time.Now()
	c.Next()
	line := s.access.Check(zap.InfoLevel, "request")
	if line == nil {
		return // the logger drops this line
	}
	fields := append(telemetry.Fields(c.Request.Context()),
		zap.String("method", c.Request.Method),
		zap.String("route", c.FullPath()),
		zap.Int("status", c.Writer.Status()),
		zap.Duration("duration", time.Since(start)),
	)
	if waited := c.GetDuration(waitedKey); waited > 0 {
		fields = append(fields, zap.Duration("waited", waited))
	}
	if account := accountOf(c); account != (auth.Account{}) {
		fields = append(fields, zap.Stringer("account", account))
	}
	if problem := c.GetString(problemKey); problem != "" {
		fields = append(fields, zap.String("problem", problem))
	}
	line.Write(fields...)
}

// securityHeaders forbids browsers to guess the type of a response, frame it, run it or cache it. A route may override
// them.
func securityHeaders(c *gin.Context) { maps.Copy(c.Writer.Header(), secure) }

// secure is shared by all responses.
var secure = http.Header{
	"X-Content-Type-Options":  {"nosniff"},
	"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	"Referrer-Policy":         {"no-referrer"},
	"Cache-Control":           {"no-store"},
}

// allowOptions adds OPTIONS to the Allow header that Gin sets with a 405.
func allowOptions(c *gin.Context) {
	if allowed := c.Writer.Header().Get("Allow"); allowed != "" {
		c.Header("Allow", allowed+", "+http.MethodOptions)
	}
}

// recoverPanics replies 503 to a request whose handler panicked, and logs the stack.
func (s *server) recoverPanics(c *gin.Context) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(cause) // net/http closes the connection on this one
		}
		s.log(c).Error("handler panicked",
			zap.String("route", c.FullPath()), zap.Any("cause", cause), zap.Stack("stack"))
		c.Abort()
		if !c.Writer.Written() {
			writeProblem(c, serviceUnavailable())
		}
	}()
	c.Next()
}
