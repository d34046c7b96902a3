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

// docsPolicy allows the page to load its own files, read openapi.yaml and call the API. It forbids inline scripts,
// other hosts and frames. Swagger UI's style sheet contains its icons as data URLs.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docs handles GET /docs, an interactive page of the API.
func docs(c *gin.Context) error {
	c.Header("Content-Security-Policy", docsPolicy)
	c.Data(http.StatusOK, "text/html; charset=utf-8", docsPage)
	return nil
}

// swaggerUI serves the compressed files of Swagger UI. The page needs only swaggerUIFiles.
var (
	swaggerUI      = http.StripPrefix("/docs/", statigz.FileServer(static.FS))
	swaggerUIFiles = map[string]bool{"swagger-ui.css": true, "swagger-ui-bundle.js": true, "favicon-32x32.png": true}
)

// docsFile handles GET of a file that the page loads.
func docsFile(c *gin.Context) error {
	switch file := c.Param("file"); {
	case file == "docs.js":
		c.Data(http.StatusOK, "application/javascript", docsScript)
	case swaggerUIFiles[file]:
		swaggerUI.ServeHTTP(c.Writer, c.Request)
	default:
		return routeNotFound(c)
	}
	return nil
}
