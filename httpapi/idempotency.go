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

// Keys stores idempotency keys with the successful responses to their requests.
type Keys interface {
	// ClaimKey stores the key of a request before it is processed. It returns the response recorded for the key, or nil.
	// It returns a *minigroup.Error of kind IdempotencyKeyReused if the key belongs to a different request that is more
	// recent than retention. Any other error means that the database is unavailable.
	ClaimKey(ctx context.Context, k minigroup.RequestKey, retention time.Duration) (*minigroup.Answer, error)
	// RecordAnswer stores the response of a success, unless there is one already, and returns the one that is stored.
	RecordAnswer(ctx context.Context, k minigroup.RequestKey, a minigroup.Answer) (minigroup.Answer, error)
}

// maxKeyLength is the maximum length of an Idempotency-Key in characters.
const maxKeyLength = 255

// idempotencyKey returns the Idempotency-Key of a request, or "" if it has none. The header is a string of structured
// fields (RFC 8941); it is accepted without quotes too.
func idempotencyKey(c *gin.Context) (string, error) {
	lines := c.Request.Header.Values("Idempotency-Key")
	if len(lines) == 0 {
		return "", nil
	}
	key, ok := lines[0], len(lines) == 1
	if strings.HasPrefix(key, `"`) {
		key, ok = unquote(key)
		ok = ok && len(lines) == 1
	}
	if !ok || !isVisible(key, maxKeyLength) {
		return "", minigroup.Invalid([]minigroup.FieldError{{
			Field:  "Idempotency-Key",
			Detail: `must be one string of 1 to 255 visible ASCII characters, such as "8e03978e-40d5"`,
		}})
	}
	return key, nil
}

// unquote parses a string of structured fields. ok is false if text is not one.
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

// withIdempotencyKey replies with the response stored for the key, or calls process and stores its response if that is
// a success. A success is stored before it is sent, so all requests with one key are answered alike, even if they are
// processed at the same time. fingerprint distinguishes the account's requests with one key. Without a key it only
// calls process. A request whose key has no stored response is processed again; the sagas treat it as an equal request.
//
// No refusal is stored. One that depends on the request alone is made before a key is claimed, and is made again in the
// same way. Any other depends on what may change: slots, another service, the minigroup, an operation in progress.
func (s *server) withIdempotencyKey(c *gin.Context, key, fingerprint string, process endpoint) error {
	if key == "" {
		return process(c)
	}
	account := accountOf(c)
	k := minigroup.NewRequestKey(account.Label, account.Audience, key, "POST "+c.FullPath(), fingerprint)
	ctx, cancel := context.WithTimeout(c.Request.Context(), databaseTimeout)
	defer cancel()
	stored, err := s.Keys.ClaimKey(ctx, k, s.KeyRetention)
	if err != nil {
		return err
	}
	if stored != nil {
		replyStored(c, *stored)
		return nil
	}
	held := &heldResponse{}
	c.Set(heldKey, held)
	s.handle(process)(c)
	if held.status != 0 {
		replyStored(c, s.recordAnswer(c, k, *held))
	}
	return nil
}

// heldResponse is a success that is stored before it is sent.
type heldResponse struct {
	status int
	body   []byte
}

// hold reports whether a response is held back. One that is not decided (202) or not a success is sent at once.
func hold(c *gin.Context, status int, body []byte) bool {
	held, ok := c.Value(heldKey).(*heldResponse)
	if !ok || held.status != 0 || (status != http.StatusOK && status != http.StatusCreated) {
		return false
	}
	held.status, held.body = status, body
	return true
}

func replyStored(c *gin.Context, a minigroup.Answer) {
	for name, value := range map[string]string{"Location": a.Location, "ETag": a.ETag} {
		c.Header(name, value) // an empty value removes it
	}
	send(c, a.Status, objectType, a.Body)
}

// recordAnswer stores a success and returns the one that is stored. If that fails, it only logs the error, because the
// request can be processed again.
func (s *server) recordAnswer(c *gin.Context, key minigroup.RequestKey, held heldResponse) minigroup.Answer {
	// The caller may have closed the connection, which must not prevent it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), databaseTimeout)
	defer cancel()
	header := c.Writer.Header()
	own := minigroup.Answer{
		Status: held.status, Location: header.Get("Location"), ETag: header.Get("ETag"), Body: held.body,
	}
	stored, err := s.Keys.RecordAnswer(ctx, key, own)
	if err != nil {
		s.log(c).Warn("response for an idempotency key not recorded", zap.Error(err))
		return own
	}
	return stored
}
