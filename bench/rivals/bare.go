package rivals

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gin-gonic/gin"
)

// Bare returns a Gin engine without middleware that answers every read by id with the answer of another handler to a
// request: the same status, body, type, length and ETag. It asks that handler once.
func Bare(other http.Handler, request *http.Request) (http.Handler, error) {
	answer := httptest.NewRecorder()
	other.ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		return nil, fmt.Errorf("the handler whose answer is to be repeated replied %d %s", answer.Code, answer.Body)
	}
	body, header := answer.Body.Bytes(), answer.Header()
	contentType, length, tag := header.Get("Content-Type"), header.Get("Content-Length"), header.Get("ETag")
	engine := gin.New() // in release mode, which package httpapi selects
	engine.GET("/healthz", func(c *gin.Context) { c.Status(http.StatusOK) })
	engine.GET("/api/v1/minigroups/:minigroup_id", func(c *gin.Context) {
		c.Header("ETag", tag)
		c.Header("Content-Length", length)
		c.Data(http.StatusOK, contentType, body)
	})
	return engine, nil
}
