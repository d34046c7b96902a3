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

// reply is an HTTP response that is not sent yet.
type reply struct {
	status      int
	contentType string // empty: no such header
	allow       string
	retryAfter  int // seconds; 0: no such header
	body        []byte
	// dropped says that the connection is closed without a reply.
	dropped bool
	// events are published before the reply is sent.
	events []roomEvent
}

var dropped = reply{dropped: true}

// withEvents adds room events to the reply of a successful request.
func (r reply) withEvents(events ...roomEvent) reply {
	r.events = events
	return r
}

func empty(status int) reply { return reply{status: status} }

func text(status int, message string) reply {
	return reply{status: status, contentType: typeText, body: []byte(message)}
}

// object is a JSON reply. The content type is a parameter because conference sends JSON as text/plain.
func object(status int, contentType string, value any) reply {
	return reply{status: status, contentType: contentType, body: encode(value)}
}

// problem is an error reply of event or conference. Its title is its type with spaces, as theirs are.
func problem(contentType string, status int, typ, detail string) reply {
	title := strings.ReplaceAll(typ, "_", " ")
	if title != "" {
		title = strings.ToUpper(title[:1]) + title[1:]
	}
	return object(status, contentType, map[string]string{"type": typ, "title": title, "detail": detail})
}

// problemStatus has the status of each problem type whose status is not 422.
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

func statusOfType(typ string) int {
	if status, known := problemStatus[typ]; known {
		return status
	}
	return http.StatusUnprocessableEntity
}

// send writes and flushes a reply that is not dropped. It returns an error if the connection fails.
func (r reply) send(w http.ResponseWriter) error {
	header := w.Header()
	header["Content-Type"] = nil // otherwise net/http guesses one
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
	_ = object(http.StatusOK, typeJSON, value).send(w) // fails only if the client is gone
}

func encode(value any) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err) // all values have types of this package, which can be encoded
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))
}
