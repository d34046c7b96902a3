package httpapi

import (
	"mime"
	"strconv"

	"github.com/gin-gonic/gin"

	"minigroups/minigroup"
)

// acceptable refuses a request whose caller does not take JSON.
func (s *server) acceptable(c *gin.Context) {
	if !acceptsJSON(c.Request.Header.Values("Accept")) {
		s.fail(c, minigroup.Errorf(minigroup.NotAcceptable, "answers are application/json, and problems application/problem+json"))
	}
}

// acceptsJSON reports whether the Accept headers leave room for application/json: of the ranges that it is in the most
// specific one counts, and a quality of 0 rules it out (RFC 9110, 12.5.1). What cannot be read is passed over; where nothing
// is left, everything is acceptable.
func acceptsJSON(accept []string) bool {
	said, best, quality := false, 0, 0.0
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
		said = true
		specificity := map[string]int{"*/*": 1, "application/*": 2, "application/json": 3}[mediaRange]
		if specificity > best || (specificity == best && best > 0 && q > quality) {
			best, quality = specificity, q
		}
	}
	return !said || quality > 0
}
