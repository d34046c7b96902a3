package httpapi

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"
)

// cors allows pages of the allowed origins to call every route, and replies to their preflight requests. It includes
// routes that do not exist, because a page could not read the 404 otherwise.
func (s *server) cors(c *gin.Context) {
	s.allowOrigin(c)
	if c.Request.Method != http.MethodOptions {
		return
	}
	h := c.Writer.Header()
	if h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", "GET,PUT,POST,PATCH,DELETE")
		h.Set("Access-Control-Allow-Headers", "authorization, content-type, "+
			"ulms-app-audience, ulms-scope, ulms-app-version, ulms-app-label, x-agent-label, "+
			"prefer, idempotency-key, if-match, if-none-match, x-request-id")
		h.Set("Access-Control-Max-Age", "3600")
	}
	h.Set("Vary", "origin, access-control-request-method, access-control-request-headers")
	c.AbortWithStatus(http.StatusOK)
}

// allowOrigin sets the headers that allow a page to read the response.
func (s *server) allowOrigin(c *gin.Context) {
	h := c.Writer.Header()
	if slices.Contains(s.AllowedOrigins, "*") {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Add("Vary", "origin") // a cache must not return the response for one origin to another
		origin := c.GetHeader("Origin")
		if origin == "" || !slices.Contains(s.AllowedOrigins, origin) {
			return
		}
		h.Set("Access-Control-Allow-Origin", origin)
	}
	h.Set("Access-Control-Expose-Headers", "etag, location, retry-after, preference-applied, x-request-id")
}
