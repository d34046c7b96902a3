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
)

// What the middlewares leave in a request's context.
const (
	requestIDKey = "request_id"
	accountKey   = "account"
	problemKey   = "problem"
)

// requestID gives every request a name: the caller's own, if it is fit for a log line, or a new one.
func requestID(c *gin.Context) {
	id := c.GetHeader("X-Request-Id")
	if !isPlain(id) {
		id = uuid.NewString()
	}
	c.Set(requestIDKey, id)
	c.Header("X-Request-Id", id)
}

func requestIDOf(c *gin.Context) string { return c.GetString(requestIDKey) }

// isPlain holds for 1 to 128 visible ASCII characters.
func isPlain(id string) bool {
	invisible := func(r rune) bool { return r <= ' ' || r > '~' }
	return id != "" && len(id) <= 128 && !strings.ContainsFunc(id, invisible)
}

// accessLog writes one line per request. The path is told as its template and the query not at all: they may name
// people or hold tokens.
func (s *server) accessLog(c *gin.Context) {
	began := time.Now()
	c.Next()
	fields := []zap.Field{
		zap.String("method", c.Request.Method),
		zap.String("route", c.FullPath()),
		zap.Int("status", c.Writer.Status()),
		zap.Duration("duration", time.Since(began)),
		zap.String("request_id", requestIDOf(c)),
	}
	if account := accountOf(c); account != (auth.Account{}) {
		fields = append(fields, zap.Stringer("account", account))
	}
	if problem := c.GetString(problemKey); problem != "" {
		fields = append(fields, zap.String("problem", problem))
	}
	s.Log.Info("request", fields...)
}

// cors lets pages of every origin call every route, and answers their preflights, even for routes that do not exist: the
// page could not read the 404 otherwise.
func cors(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "etag, location, retry-after, preference-applied, x-request-id")
	if c.Request.Method != http.MethodOptions {
		return
	}
	h.Set("Access-Control-Allow-Methods", "GET,PUT,POST,PATCH,DELETE")
	h.Set("Access-Control-Allow-Headers", "authorization, content-type, ulms-app-audience, ulms-scope, ulms-app-version, ulms-app-label, x-agent-label, "+
		"prefer, idempotency-key, if-match, if-none-match, x-request-id")
	h.Set("Access-Control-Max-Age", "3600")
	h.Set("Vary", "origin, access-control-request-method, access-control-request-headers")
	c.AbortWithStatus(http.StatusOK)
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
		s.Log.Error("handler panicked", zap.String("request_id", requestIDOf(c)), zap.String("route", c.FullPath()), zap.Any("cause", cause), zap.Stack("stack"))
		c.Abort()
		if !c.Writer.Written() {
			writeProblem(c, outOfOrder())
		}
	}()
	c.Next()
}
