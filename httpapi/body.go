package httpapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"minigroups/minigroup"
)

const maxBodyBytes = 64 << 10

// readBody returns the body of a request. It returns UnsupportedMediaType if the headers do not declare plain JSON,
// PayloadTooLarge above maxBodyBytes, and InvalidPayload if the body ends early or exceeds its deadline.
func readBody(c *gin.Context) ([]byte, error) {
	if err := checkBodyType(c); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxBodyBytes))
	var limit *http.MaxBytesError
	switch {
	case errors.As(err, &limit):
		return nil, minigroup.Errorf(minigroup.PayloadTooLarge, "the body may have at most %d bytes", maxBodyBytes)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, minigroup.Invalid([]minigroup.FieldError{{Field: "body", Detail: "took too long to arrive"}})
	case err != nil:
		return nil, minigroup.Invalid([]minigroup.FieldError{{Field: "body", Detail: "ended early"}})
	}
	return body, nil
}

// setBodyDeadline bounds how long the body may take to arrive. It applies to every request, because net/http reads the
// body of a refused request too before it replies. After a body has been read, net/http removes the deadline.
func (s *server) setBodyDeadline(c *gin.Context) {
	if c.Request.ContentLength != 0 {
		deadline := time.Now().Add(s.BodyTimeout)
		_ = http.NewResponseController(c.Writer).SetReadDeadline(deadline) // fails only for a writer without a connection
	}
}

// checkBodyType returns UnsupportedMediaType unless the headers declare JSON in UTF-8 without a content encoding.
func checkBodyType(c *gin.Context) error {
	mediaType, parameters, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return minigroup.Errorf(minigroup.UnsupportedMediaType, "the header must be Content-Type: application/json")
	}
	if charset, ok := parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return minigroup.Errorf(minigroup.UnsupportedMediaType, "the charset must be UTF-8")
	}
	if coding := c.GetHeader("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		c.Header("Accept-Encoding", "identity")
		return minigroup.Errorf(minigroup.UnsupportedMediaType, "the body must be sent without a Content-Encoding")
	}
	return nil
}
