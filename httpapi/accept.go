package httpapi

import (
	"mime"
	"strconv"

	"github.com/gin-gonic/gin"

	"minigroups/minigroup"
)

// checkAccept refuses a request that does not accept JSON.
func (s *server) checkAccept(c *gin.Context) {
	if !acceptsJSON(c.Request.Header.Values("Accept")) {
		s.fail(c, minigroup.Errorf(minigroup.NotAcceptable,
			"responses are application/json, problems application/problem+json"))
	}
}

// acceptsJSON reports whether the Accept headers allow application/json. The most specific matching range decides, and
// a quality of 0 excludes it (RFC 9110, 12.5.1). Invalid ranges are ignored; without a valid range everything is
// accepted.
func acceptsJSON(accept []string) bool {
	hasRange, best, quality := false, 0, 0.0
	for _, element := range elements(accept) {
		mediaRange, parameters, err := mime.ParseMediaType(element)
		if err != nil {
			continue
		}
		q := 1.0
		if text, ok := parameters["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil || !(q >= 0 && q <= 1) {
				continue
			}
		}
		hasRange = true
		specificity := map[string]int{"*/*": 1, "application/*": 2, "application/json": 3}[mediaRange]
		if specificity > best || (specificity == best && best > 0 && q > quality) {
			best, quality = specificity, q
		}
	}
	return !hasRange || quality > 0
}
