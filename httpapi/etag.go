package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"minigroups/minigroup"
)

// representation is an encoded minigroup with its entity tag.
type representation struct {
	body []byte
	tag  string
}

// represent encodes the current state of the minigroup with the properties that keys names, of the class and of the
// account. Its tag changes with every visible change of the minigroup and of all its properties, including those that
// time causes. If keys names account keys, the tag has a second part after a dash, which covers the whole body.
func (s *server) represent(
	m minigroup.Minigroup, keys propertyKeys, accountProperties json.RawMessage,
) (representation, error) {
	object := s.toObject(m, time.Now())
	body, err := encode(object)
	if err != nil {
		return representation{}, err
	}
	tag := hash(body, m.Properties)
	if len(keys.class)+len(keys.account) > 0 {
		if object.Properties, err = pick(m.Properties, keys.class); err != nil {
			return representation{}, err
		}
		if object.AccountProperties, err = pick(accountProperties, keys.account); err != nil {
			return representation{}, err
		}
		if body, err = encode(object); err != nil {
			return representation{}, err
		}
	}
	if len(keys.account) > 0 {
		tag += "-" + hash(body)
	}
	return representation{body, `"` + tag + `"`}, nil
}

func hash(parts ...[]byte) string {
	h := sha256.New()
	for _, part := range parts {
		_, _ = h.Write(part) // never fails
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// replyMinigroup replies with the minigroup and its ETag.
func (s *server) replyMinigroup(c *gin.Context, status int, m minigroup.Minigroup) error {
	r, err := s.represent(m, propertyKeys{}, nil)
	if err != nil {
		return err
	}
	r.send(c, status)
	return nil
}

func (r representation) send(c *gin.Context, status int) {
	c.Header("ETag", r.tag)
	send(c, status, objectType, r.body)
}

// checkConditions evaluates the conditions of a request (RFC 9110, 13.2.2). It returns PreconditionFailed if one fails,
// and notModified if a read has the current representation already. If-Match compares tags strongly, If-None-Match
// weakly.
func (r representation) checkConditions(c *gin.Context) (notModified bool, err error) {
	if headers := c.Request.Header.Values("If-Match"); len(headers) > 0 && !anyTag(headers, r.matches) {
		return false, minigroup.Errorf(minigroup.PreconditionFailed, "the minigroup has none of the ETags in If-Match")
	}
	headers := c.Request.Header.Values("If-None-Match")
	if len(headers) == 0 || !anyTag(headers, func(tag string) bool { return strings.TrimPrefix(tag, "W/") == r.tag }) {
		return false, nil
	}
	if c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead {
		return true, nil
	}
	return false, minigroup.Errorf(minigroup.PreconditionFailed, "the minigroup has one of the ETags in If-None-Match")
}

// entityTag matches one tag of a list. Unlike a quoted string, a tag has no escapes.
var entityTag = regexp.MustCompile(`(?:W/)?"[^"]*"`)

// anyTag reports whether the headers contain a matching tag or "*".
func anyTag(headers []string, matches func(tag string) bool) bool {
	return slices.ContainsFunc(headers, func(header string) bool {
		return isWildcard(header) || slices.ContainsFunc(entityTag.FindAllString(header, -1), matches)
	})
}

// matches reports whether the tag is of the current state of the minigroup, with any account properties.
func (r representation) matches(tag string) bool {
	first := func(tag string) string {
		part, _, _ := strings.Cut(tag, "-")
		return strings.TrimSuffix(part, `"`)
	}
	return first(tag) == first(r.tag)
}

func isWildcard(header string) bool { return strings.TrimSpace(header) == "*" }

// requiresTag reports whether If-Match names tags: a wildcard requires only that the minigroup exists.
func requiresTag(c *gin.Context) bool {
	headers := c.Request.Header.Values("If-Match")
	return len(headers) > 0 && !slices.ContainsFunc(headers, isWildcard)
}
