package httpapi

import (
	_ "embed"
	"net/http"

	"github.com/gin-gonic/gin"
)

//go:embed openapi.yaml
var openAPIDocument []byte

// openAPI handles GET /openapi.yaml.
func openAPI(c *gin.Context) {
	send(c, http.StatusOK, "application/yaml", openAPIDocument)
}
