package httpapi

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"
)

// cors lets pages of the allowed origins call every route, and answers their preflights, even for routes that do not exist:
// the page could not read the 404 otherwise.
func (s *server) cors(c *gin.Context) {
	s.allowOrigin(c)
	if c.Request.Method != http.MethodOptions {
		return
	}
	h := c.Writer.Header()
	if h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", "GET,PUT,POST,PATCH,DELETE")
		h.Set("Access-Control-Allow-Headers", "authorization, content-type, ulms-app-audience, ulms-scope, ulms-app-version, ulms-app-label, x-agent-label, "+
			"prefer, idempotency-key, if-match, if-none-match, x-request-id")
		h.Set("Access-Control-Max-Age", "3600")
	}
	h.Set("Vary", "origin, access-control-request-method, access-control-request-headers")
	c.AbortWithStatus(http.StatusOK)
}

// allowOrigin lets a page read the answer.
func (s *server) allowOrigin(c *gin.Context) {
	h := c.Writer.Header()
	if slices.Contains(s.AllowedOrigins, "*") {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Add("Vary", "origin") // what is kept for one page must not be shown to another
		origin := c.GetHeader("Origin")
		if origin == "" || !slices.Contains(s.AllowedOrigins, origin) {
			return
		}
		h.Set("Access-Control-Allow-Origin", origin)
	}
	h.Set("Access-Control-Expose-Headers", "etag, location, retry-after, preference-applied, x-request-id")
}
