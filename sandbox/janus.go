package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// JanusConfig holds the secrets of a gateway.
type JanusConfig struct {
	// AdminSecret is asked of every request to the Admin API but ping and info; empty: of none.
	AdminSecret string
	// AdminKey is asked by the VideoRoom plugin to create a room, and to list private ones. Empty: anybody creates, and
	// nobody lists those.
	AdminKey string
}

// Janus stands in for a Janus gateway 1.1.2 with the VideoRoom plugin and string ids, as far as rooms are managed over
// its Admin API. Rooms live in memory only, as the real ones do. It is safe for concurrent use.
//
// A request is carried out even if its client has gone.
type Janus struct {
	cfg    JanusConfig
	faults *faults
	rooms  videoRooms
}

// NewJanus returns a gateway without rooms.
func NewJanus(cfg JanusConfig) *Janus {
	return &Janus{
		cfg:    cfg,
		faults: newFaults(OperationCreate, OperationRead, OperationUpdate, OperationClose),
		rooms:  videoRooms{adminKey: cfg.AdminKey, byID: map[string]*videoRoom{}},
	}
}

// Admin serves what the gateway serves on its admin port: POST /admin with message_plugin for janus.plugin.videoroom
// (create, edit, destroy, exists, list, listparticipants), ping and info, and GET /admin/info. Beside it /sandbox/rooms
// and /sandbox/faults.
func (j *Janus) Admin() http.Handler {
	mux := j.mux("/admin", j.processAdmin)
	mux.Handle("/sandbox/faults", j.faults)
	mux.HandleFunc("GET /sandbox/rooms", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, j.rooms.inspect()) })
	return mux
}

// Public serves, of what the gateway serves on its public port, GET /janus/info, and POST /janus with ping and info.
func (j *Janus) Public() http.Handler {
	return j.mux("/janus", func(_ *http.Request, message janusMessage) reply {
		return message.unhandled()
	})
}

func (j *Janus) mux(path string, process func(*http.Request, janusMessage) reply) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _ = empty(http.StatusNotFound).send(w) })
	mux.HandleFunc("GET "+path+"/info", func(w http.ResponseWriter, _ *http.Request) {
		_ = janusInfo(uuid.NewString()).send(w)
	})
	mux.HandleFunc("DELETE "+path, func(w http.ResponseWriter, _ *http.Request) {
		_ = janusError(nil, 450, "Unsupported method DELETE").send(w)
	})
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		answer := dropped
		// An empty body gets no answer at all.
		if body, err := io.ReadAll(r.Body); err == nil && len(body) > 0 {
			answer = processJanus(r, body, process)
		}
		if answer.dropped || answer.send(w) != nil {
			panic(http.ErrAbortHandler)
		}
	})
	return mux
}

// janusMessage is the envelope of a request.
type janusMessage struct {
	verb        string
	transaction string
	fields      map[string]any
}

func processJanus(r *http.Request, body []byte, process func(*http.Request, janusMessage) reply) reply {
	fields, wrong := readJanus(body)
	if wrong != nil {
		return *wrong
	}
	message := janusMessage{fields: fields}
	for _, field := range []struct {
		name string
		into *string
	}{{"transaction", &message.transaction}, {"janus", &message.verb}} {
		word, missing, ok := word(fields, field.name)
		switch {
		case missing:
			return janusError(nil, 456, fmt.Sprintf("Missing mandatory element (%s)", field.name))
		case !ok:
			return janusError(nil, 467, fmt.Sprintf("Invalid element type (%s should be a string)", field.name))
		}
		*field.into = word
	}
	switch strings.ToLower(message.verb) {
	case "ping":
		return janusObject(map[string]any{"janus": "pong", "transaction": message.transaction})
	case "info":
		return janusInfo(message.transaction)
	}
	return process(r, message)
}

func readJanus(body []byte) (map[string]any, *reply) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	if err == nil && decoder.More() {
		err = fmt.Errorf("end of file expected")
	}
	if err == nil {
		err = integersFit(value)
	}
	var wrong reply
	switch value := value.(type) {
	case map[string]any:
		if err == nil {
			return value, nil
		}
	case []any:
		if err == nil {
			wrong = janusError(nil, 455, "JSON error: not an object")
			return nil, &wrong
		}
	default:
		if err == nil {
			err = fmt.Errorf("'[' or '{' expected")
		}
	}
	wrong = janusError(nil, 454, "JSON error: "+err.Error())
	return nil, &wrong
}

// integersFit refuses integers beyond 64 bits anywhere, as the gateway's JSON library does.
func integersFit(value any) error {
	switch value := value.(type) {
	case map[string]any:
		for _, member := range value {
			if err := integersFit(member); err != nil {
				return err
			}
		}
	case []any:
		for _, element := range value {
			if err := integersFit(element); err != nil {
				return err
			}
		}
	case json.Number:
		if _, err := value.Int64(); err != nil && !strings.ContainsAny(value.String(), ".eE") {
			return fmt.Errorf("too big integer near '%s'", value)
		}
	}
	return nil
}

func (j *Janus) processAdmin(r *http.Request, message janusMessage) reply {
	if secret, _, _ := word(message.fields, "admin_secret"); j.cfg.AdminSecret != "" && secret != j.cfg.AdminSecret {
		return janusError(&message, 403, "Unauthorized request (wrong or missing secret/token)")
	}
	if strings.ToLower(message.verb) != "message_plugin" {
		return message.unhandled()
	}
	plugin, missing, ok := word(message.fields, "plugin")
	request, isObject := message.fields["request"].(map[string]any)
	_, hasRequest := message.fields["request"]
	switch {
	case missing:
		return janusError(&message, 456, "Missing mandatory element (plugin)")
	case !ok:
		return janusError(&message, 467, "Invalid element type (plugin should be a string)")
	case hasRequest && !isObject:
		return janusError(&message, 467, "Invalid element type (request should be an object)")
	case plugin != "janus.plugin.videoroom":
		return janusError(&message, 460, "Invalid plugin")
	}
	return j.perform(r, request, func(response map[string]any) reply {
		return janusObject(map[string]any{"janus": "success", "transaction": message.transaction, "response": response})
	})
}

// perform meets the fault, if there is one, and does the work, whether or not the client still waits.
func (j *Janus) perform(r *http.Request, request map[string]any, success func(map[string]any) reply) reply {
	fault, replaced := j.faults.take(videoRoomOperation(request), func(id uuid.UUID) bool { return j.rooms.concerns(request, id) })
	switch fault.Do {
	case EffectRefuse:
		return success(refusePlugin(fault))
	case EffectFail:
		return fail(fault)
	case EffectHang:
		return hang(r.Context(), replaced)
	}
	var half time.Duration
	if fault.Do == EffectLate {
		half = time.Duration(fault.DelayMS) * time.Millisecond / 2
	}
	unbothered := context.WithoutCancel(r.Context())
	wait(unbothered, half)
	answer := success(j.rooms.handle(request))
	wait(unbothered, half)
	if fault.Do == EffectLoseReply {
		return dropped
	}
	return answer
}

func refusePlugin(fault Fault) map[string]any {
	code, words := fault.Status, fault.Type
	if code == 0 {
		code = codeUnauthorized
	}
	if words == "" {
		words = "Refused by a fault of the sandbox"
	}
	return pluginError(code, words)
}

func (m janusMessage) unhandled() reply {
	return janusError(&m, 457, "Unhandled request '"+m.verb+"' at this path")
}

// janusError is an error of the core. It names the transaction only where the envelope was whole.
func janusError(message *janusMessage, code int, reason string) reply {
	fields := map[string]any{"janus": "error", "error": map[string]any{"code": code, "reason": reason}}
	if message != nil {
		fields["transaction"] = message.transaction
	}
	return janusObject(fields)
}

func janusInfo(transaction string) reply {
	return janusObject(map[string]any{
		"janus":                  "server_info",
		"transaction":            transaction,
		"name":                   "Janus WebRTC Server",
		"server-name":            "sandbox",
		"version":                1102,
		"version_string":         "1.1.2",
		"accepting-new-sessions": true,
		"session-timeout":        60,
		"plugins":                map[string]any{"janus.plugin.videoroom": map[string]any{"version": 9, "version_string": "0.0.9"}},
	})
}

func janusObject(value any) reply { return object(http.StatusOK, typeJSON, value) }

// word returns a string field. missing: it is absent; ok is false too for one that is not a string.
func word(fields map[string]any, name string) (value string, missing, ok bool) {
	raw, present := fields[name]
	value, ok = raw.(string)
	return value, !present, ok
}

// number returns an integer field of no sign.
func number(raw any) (int64, bool) {
	digits, isNumber := raw.(json.Number)
	value, err := strconv.ParseInt(digits.String(), 10, 64)
	return value, isNumber && err == nil && value >= 0
}
