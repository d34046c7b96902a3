package httpapi

import (
	_ "embed"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/swaggest/swgui/v5/static"
	"github.com/vearutop/statigz"
)

var (
	//go:embed docs.html
	docsPage []byte
	//go:embed docs.js
	docsScript []byte
)

// docsPolicy lets the page load its own files, read the description and call the API, and nothing else: no inline
// scripts, no other hosts, no frames. Swagger UI's style sheet holds its icons as data.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docs answers with a page on which the API can be read and tried.
func docs(c *gin.Context) error {
	c.Header("Content-Security-Policy", docsPolicy)
	c.Data(http.StatusOK, "text/html; charset=utf-8", docsPage)
	return nil
}

// swaggerUI holds the files of Swagger UI, compressed; of those the page needs the named ones.
var (
	swaggerUI     = http.StripPrefix("/docs/", statigz.FileServer(static.FS))
	swaggerUIUses = map[string]bool{"swagger-ui.css": true, "swagger-ui-bundle.js": true, "favicon-32x32.png": true}
)

// docsFile answers with a file that the page loads.
func docsFile(c *gin.Context) error {
	switch file := c.Param("file"); {
	case file == "docs.js":
		c.Data(http.StatusOK, "application/javascript", docsScript)
	case swaggerUIUses[file]:
		swaggerUI.ServeHTTP(c.Writer, c.Request)
	default:
		return routeNotFound(c)
	}
	return nil
}
