package httpapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"minigroups/minigroup"
)

// Keys remembers the requests that came with an Idempotency-Key, and their final answers.
type Keys interface {
	// ClaimKey writes the key of a request that is about to be worked on, and returns the answer that was recorded for it,
	// or nil. It returns a *minigroup.Error of kind IdempotencyKeyReused where the key came with something else less than
	// keep ago. Any other error means that the database is out of reach.
	ClaimKey(ctx context.Context, k minigroup.RequestKey, keep time.Duration) (*minigroup.Answer, error)
	// RecordAnswer writes a final answer. The first one stays.
	RecordAnswer(ctx context.Context, k minigroup.RequestKey, a minigroup.Answer) error
}

// maxKeyLength bounds an Idempotency-Key, in characters.
const maxKeyLength = 255

// idempotencyKey reads the Idempotency-Key header, empty where there is none. It is a string of structured fields (RFC
// 8941), and taken without its quotes as well.
func idempotencyKey(c *gin.Context) (string, error) {
	lines := c.Request.Header.Values("Idempotency-Key")
	if len(lines) == 0 {
		return "", nil
	}
	name, ok := lines[0], len(lines) == 1
	if strings.HasPrefix(name, `"`) {
		name, ok = unquote(name)
		ok = ok && len(lines) == 1
	}
	if !ok || !isVisible(name, maxKeyLength) {
		return "", minigroup.Invalid([]minigroup.FieldError{{
			Field: "Idempotency-Key", Detail: `must be one string of 1 to 255 visible ASCII characters, such as "8e03978e-40d5"`,
		}})
	}
	return name, nil
}

// unquote reads a string of structured fields. ok is false where it is none.
func unquote(text string) (plain string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return b.String(), i == len(text)-1
		case '\\':
			i++
			if i == len(text) || (text[i] != '"' && text[i] != '\\') {
				return "", false
			}
		}
		b.WriteByte(text[i])
	}
	return "", false
}

// once has a request worked on, unless its key tells that it was answered for good before: then it is given that
// answer. A request without a final answer is worked on again, which the sagas take for the same request.
func (s *server) withIdempotencyKey(c *gin.Context, key minigroup.RequestKey, work endpoint) error {
	ctx, cancel := context.WithTimeout(c.Request.Context(), databaseTimeout)
	defer cancel()
	known, err := s.Keys.ClaimKey(ctx, key, s.KeyRetention)
	if err != nil {
		return err
	}
	if known != nil {
		replay(c, *known)
		return nil
	}
	s.handle(work)(c)
	if isFinal(c) {
		s.record(c, key)
	}
	return nil
}

func replay(c *gin.Context, a minigroup.Answer) {
	for name, value := range map[string]string{"Location": a.Location, "ETag": a.ETag} {
		if value != "" {
			c.Header(name, value)
		}
	}
	contentType := objectType
	if a.Status >= http.StatusBadRequest {
		contentType = problemType
	}
	send(c, a.Status, contentType, a.Body)
}

// isFinal reports whether the answer that was given will always be the same: the work is done, or was refused for good.
func isFinal(c *gin.Context) bool {
	switch status := c.Writer.Status(); {
	case status == http.StatusOK || status == http.StatusCreated:
		return true
	case status < http.StatusBadRequest:
		return false
	default:
		return !problems[minigroup.Kind(c.GetString(problemKey))].transient
	}
}

// record remembers the answer that was given. Without that the same request is worked on again, so nobody else is told.
func (s *server) record(c *gin.Context, key minigroup.RequestKey) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), databaseTimeout) // also for a caller who has gone
	defer cancel()
	body, _ := c.Value(bodyKey).([]byte)
	header := c.Writer.Header()
	err := s.Keys.RecordAnswer(ctx, key, minigroup.Answer{
		Status: c.Writer.Status(), Location: header.Get("Location"), ETag: header.Get("ETag"), Body: body,
	})
	if err != nil {
		s.log(c).Warn("the answer to an idempotency key was not recorded", zap.Error(err))
	}
}
