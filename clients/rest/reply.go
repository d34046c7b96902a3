package rest

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"minigroups/minigroup"
)

// MaxRetryAfter caps the Retry-After of an upstream.
const MaxRetryAfter = time.Hour

// textLimit is the maximum number of characters that an error quotes from a reply.
const textLimit = 300

// ErrorType returns the Type of the *minigroup.UpstreamError in err, or "" if there is none.
func ErrorType(err error) string {
	var failed *minigroup.UpstreamError
	if errors.As(err, &failed) {
		return failed.Type
	}
	return ""
}

// problem returns the type and the most specific text of an error body: its detail, else its title. A body that is not
// a problem has no type and is all detail.
func problem(body []byte) (errorType, detail string) {
	var p struct{ Type, Title, Detail string }
	if json.Unmarshal(body, &p) != nil || p.Type == "" {
		return "", string(body)
	}
	if p.Detail == "" {
		return p.Type, p.Title
	}
	return p.Type, p.Detail
}

// retryAfter parses both forms of the header. It returns 0 for an invalid value or a time in the past.
func retryAfter(header string) time.Duration {
	wait := time.Duration(0)
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil {
		wait = time.Duration(min(seconds, int64(MaxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = time.Until(at)
	}
	return min(max(wait, 0), MaxRetryAfter)
}

// Sanitize prepares text of the service for an error: it removes the client's secrets, replaces unprintable characters,
// and returns at most 300 characters on one line.
func (c Client) Sanitize(s string) string {
	for _, secret := range c.Secrets {
		if secret == "" {
			continue
		}
		s = strings.ReplaceAll(s, secret, "[secret]")
		if quoted, err := json.Marshal(secret); err == nil {
			s = strings.ReplaceAll(s, string(quoted[1:len(quoted)-1]), "[secret]")
		}
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(s, " "))
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > textLimit {
		s = string(runes[:textLimit]) + "…"
	}
	return s
}

// sanitized returns err with its text sanitized: errors of net/http quote what they could not parse.
func (c Client) sanitized(err error) error {
	return sanitizedError{c.Sanitize(err.Error()), err}
}

type sanitizedError struct {
	text  string
	cause error
}

func (e sanitizedError) Error() string { return e.text }
func (e sanitizedError) Unwrap() error { return e.cause }
