package sandbox

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

const (
	typeJSON = "application/json"
	typeText = "text/plain; charset=utf-8"
)

// reply is an answer not yet sent.
type reply struct {
	status      int
	contentType string // empty: no such header
	allow       string
	retryAfter  int // seconds; 0: no such header
	body        []byte
	// dropped: no answer, the connection is cut.
	dropped bool
	// announcements are what everybody is told when the work that this answers is done.
	announcements []announcement
}

var dropped = reply{dropped: true}

// telling adds announcements to an answer that is no refusal.
func (r reply) telling(announcements ...announcement) reply {
	r.announcements = announcements
	return r
}

func empty(status int) reply { return reply{status: status} }

func text(status int, words string) reply {
	return reply{status: status, contentType: typeText, body: []byte(words)}
}

// object is a JSON reply. conference calls its JSON text/plain, so the type is for the caller to say.
func object(status int, contentType string, value any) reply {
	return reply{status: status, contentType: contentType, body: encode(value)}
}

// problem is an error of one of the services. Its title is its type in words, as theirs are.
func problem(contentType string, status int, typ, detail string) reply {
	title := strings.ReplaceAll(typ, "_", " ")
	if title != "" {
		title = strings.ToUpper(title[:1]) + title[1:]
	}
	return object(status, contentType, map[string]string{"type": typ, "title": title, "detail": detail})
}

// problemStatus holds the statuses of those types that are not 422.
var problemStatus = map[string]int{
	"access_denied":              http.StatusForbidden,
	"agent_not_entered_the_room": http.StatusNotFound,
	"backend_not_found":          http.StatusNotFound,
	"backend_request_failed":     http.StatusFailedDependency,
	"backend_request_timed_out":  http.StatusFailedDependency,
	"capacity_exceeded":          http.StatusServiceUnavailable,
	"internal_server_error":      http.StatusInternalServerError,
	"invalid_authentication":     http.StatusUnauthorized,
	"invalid_payload":            http.StatusBadRequest,
	"invalid_room_time":          http.StatusBadRequest,
	"no_authentication_token":    http.StatusUnauthorized,
	"no_available_backends":      http.StatusServiceUnavailable,
	"not_implemented":            http.StatusInternalServerError,
	"room_closed":                http.StatusNotFound,
	"room_not_found":             http.StatusNotFound,
}

func statusOf(typ string) int {
	if status, known := problemStatus[typ]; known {
		return status
	}
	return http.StatusUnprocessableEntity
}

// send writes a reply that is not dropped and flushes it; the error says that the connection did not take it.
func (r reply) send(w http.ResponseWriter) error {
	header := w.Header()
	header["Content-Type"] = nil // keeps net/http from guessing one
	if r.contentType != "" {
		header.Set("Content-Type", r.contentType)
	}
	if r.allow != "" {
		header.Set("Allow", r.allow)
	}
	if r.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(r.retryAfter))
	}
	header.Set("Content-Length", strconv.Itoa(len(r.body)))
	w.WriteHeader(r.status)
	if _, err := w.Write(r.body); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}

func writeJSON(w http.ResponseWriter, value any) {
	// A client that is gone is all that can go wrong, and then nobody is left to tell.
	_ = object(http.StatusOK, typeJSON, value).send(w)
}

func encode(value any) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err) // only our own types come here, and they can be encoded
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))
}
