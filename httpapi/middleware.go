package httpapi

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"minigroups/auth"
	"minigroups/telemetry"
)

// What the middlewares leave in Gin's context.
const (
	accountKey = "account"
	problemKey = "problem"
	bodyKey    = "body"
)

// requestID gives every request a name: the caller's own, if it is fit for a log line, or a new one.
func requestID(c *gin.Context) {
	id := c.GetHeader("X-Request-Id")
	if !isVisible(id, 128) {
		id = uuid.NewString()
	}
	c.Request = c.Request.WithContext(telemetry.WithRequestID(c.Request.Context(), id))
	c.Header("X-Request-Id", id)
}

func requestIDOf(c *gin.Context) string { return telemetry.RequestID(c.Request.Context()) }

// about notes which minigroup a request is about, for the log.
func about(c *gin.Context, classID uuid.UUID) {
	c.Request = c.Request.WithContext(telemetry.WithFields(c.Request.Context(), zap.Stringer("class_id", classID)))
}

// observe tells of a request in metrics and, where there are any, traces.
func (s *server) observe(c *gin.Context) {
	ctx, end := s.Requests.Begin(c.Request, c.FullPath())
	if ctx != c.Request.Context() {
		c.Request = c.Request.WithContext(ctx)
	}
	defer func() { end(c.Writer.Status()) }()
	c.Next()
}

// isVisible holds for 1 to limit visible ASCII characters.
func isVisible(text string, limit int) bool {
	invisible := func(r rune) bool { return r <= ' ' || r > '~' }
	return text != "" && len(text) <= limit && !strings.ContainsFunc(text, invisible)
}

// log is the log for what concerns one request.
func (s *server) log(c *gin.Context) *zap.Logger {
	return s.Log.With(telemetry.Fields(c.Request.Context())...)
}

// accessLog writes one line per request. The path is told as its template and the query not at all: they may name
// people or hold tokens.
func (s *server) accessLog(c *gin.Context) {
	began := time.Now()
	c.Next()
	line := s.Log.Check(zap.InfoLevel, "request")
	if line == nil {
		return // too many are alike
	}
	fields := append(telemetry.Fields(c.Request.Context()),
		zap.String("method", c.Request.Method),
		zap.String("route", c.FullPath()),
		zap.Int("status", c.Writer.Status()),
		zap.Duration("duration", time.Since(began)),
	)
	if account := accountOf(c); account != (auth.Account{}) {
		fields = append(fields, zap.Stringer("account", account))
	}
	if problem := c.GetString(problemKey); problem != "" {
		fields = append(fields, zap.String("problem", problem))
	}
	line.Write(fields...)
}

// protect tells browsers not to guess, frame, run or keep what is answered. A route may say otherwise.
func protect(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
}

// allowOptions completes the methods that Gin has found for a path which does not take the one of the request.
func allowOptions(c *gin.Context) {
	if allowed := c.Writer.Header().Get("Allow"); allowed != "" {
		c.Header("Allow", allowed+", "+http.MethodOptions)
	}
}

// recoverPanics answers a request whose handler panicked, and keeps the stack for the log.
func (s *server) recoverPanics(c *gin.Context) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(cause) // net/http's own way to drop a connection
		}
		s.log(c).Error("handler panicked", zap.String("route", c.FullPath()), zap.Any("cause", cause), zap.Stack("stack"))
		c.Abort()
		if !c.Writer.Written() {
			writeProblem(c, serviceUnavailable())
		}
	}()
	c.Next()
}
