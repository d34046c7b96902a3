package httpapi

import (
	"bytes"
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

// representation is a minigroup as it is sent, with its entity tag.
type representation struct {
	body []byte
	tag  string
}

// represent is the minigroup as it stands now, with those of its properties, and of the account's own, that were asked for.
// The tag changes with everything that is to be seen of the minigroup, all its properties included, be it by time alone; where
// the account's were asked for, it says after a dash which those were.
func (s *server) represent(m minigroup.Minigroup, keys propertyKeys, own json.RawMessage) (representation, error) {
	object := s.describe(m, time.Now())
	body, err := encode(object)
	if err != nil {
		return representation{}, err
	}
	tag := hash(body, m.Properties)
	if len(keys.class)+len(keys.account) > 0 {
		if object.Properties, err = pick(m.Properties, keys.class); err != nil {
			return representation{}, err
		}
		if object.AccountProperties, err = pick(own, keys.account); err != nil {
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
	sum := sha256.Sum256(bytes.Join(parts, nil))
	return hex.EncodeToString(sum[:16])
}

// show answers with a minigroup.
func (s *server) show(c *gin.Context, status int, m minigroup.Minigroup) error {
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

// holds evaluates the conditions of a request on a minigroup (RFC 9110, 13.2.2): it returns PreconditionFailed where one does
// not hold, and unmodified where a reader already has what would be sent. Tags are compared strongly for If-Match, and weakly
// for If-None-Match.
func (r representation) holds(c *gin.Context) (unmodified bool, err error) {
	if given := c.Request.Header.Values("If-Match"); len(given) > 0 && !isAmong(given, r.isOf) {
		return false, minigroup.Errorf(minigroup.PreconditionFailed, "the minigroup has another ETag than those of If-Match")
	}
	given := c.Request.Header.Values("If-None-Match")
	if len(given) == 0 || !isAmong(given, func(tag string) bool { return strings.TrimPrefix(tag, "W/") == r.tag }) {
		return false, nil
	}
	if c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead {
		return true, nil
	}
	return false, minigroup.Errorf(minigroup.PreconditionFailed, "the minigroup has an ETag of those of If-None-Match")
}

// entityTag finds the tags of a list. Unlike a quoted string a tag knows no escapes.
var entityTag = regexp.MustCompile(`(?:W/)?"[^"]*"`)

// isAmong reports whether a tag that fits is in the headers, or whether they allow any.
func isAmong(headers []string, fits func(tag string) bool) bool {
	return slices.ContainsFunc(headers, func(header string) bool {
		return isAny(header) || slices.ContainsFunc(entityTag.FindAllString(header, -1), fits)
	})
}

// isOf reports whether the tag is one of this minigroup as it is, whatever was read of the account's own.
func (r representation) isOf(tag string) bool {
	first := func(tag string) string {
		part, _, _ := strings.Cut(tag, "-")
		return strings.TrimSuffix(part, `"`)
	}
	return first(tag) == first(r.tag)
}

func isAny(header string) bool { return strings.TrimSpace(header) == "*" }

// demandsTag reports whether the request is meant for one state of the minigroup, not just for one that exists.
func demandsTag(c *gin.Context) bool {
	given := c.Request.Header.Values("If-Match")
	return len(given) > 0 && !slices.ContainsFunc(given, isAny)
}
