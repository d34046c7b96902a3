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

// MaxRetryAfter is the longest wait that an upstream can ask for.
const MaxRetryAfter = time.Hour

// textLimit is how many characters of an upstream's words go into an error.
const textLimit = 300

// Type returns the upstream's own word in an error of Do, empty where there is none.
func Type(err error) string {
	var failed *minigroup.UpstreamError
	if errors.As(err, &failed) {
		return failed.Type
	}
	return ""
}

// problem returns the type and the most specific words of an error's body; what is not a problem is all words.
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

// retryAfter reads the header in both its forms; what cannot be read or is over is 0.
func retryAfter(header string) time.Duration {
	wait := time.Duration(0)
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil {
		wait = time.Duration(min(seconds, int64(MaxRetryAfter/time.Second))) * time.Second
	} else if moment, err := http.ParseTime(header); err == nil {
		wait = time.Until(moment)
	}
	return min(max(wait, 0), MaxRetryAfter)
}

// Clean makes the service's own words fit for an error: short, in one line, without our secrets.
func (c Client) Clean(s string) string {
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

// cleaned is err with its words cleaned: an error of net/http quotes what it could not read.
func (c Client) cleaned(err error) error {
	return cleanError{c.Clean(err.Error()), err}
}

type cleanError struct {
	text  string
	cause error
}

func (e cleanError) Error() string { return e.text }
func (e cleanError) Unwrap() error { return e.cause }
