package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"minigroups/httpapi/support"
)

// supportPage handles GET of the page for support and of the files that it loads.
func supportPage(c *gin.Context) error {
	file, found := support.Read(c.Param("file"))
	if !found {
		return routeNotFound(c)
	}
	c.Header("Content-Security-Policy", support.Policy)
	c.Data(http.StatusOK, file.Type, file.Content)
	return nil
}
