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
	// AdminSecret is required by the Admin API, except for ping and info; if empty, it is never required.
	AdminSecret string
	// AdminKey is required by the VideoRoom plugin to create a room and to list private rooms. If empty, every client can
	// create rooms and none can list private ones.
	AdminKey string
	// NumericIDs makes the ids of rooms numbers, which is the gateway's default. The stand-in then has no rooms: it
	// rejects every string.
	NumericIDs bool
}

// Janus is a stand-in for a Janus gateway 1.1.2 with the VideoRoom plugin and string ids, as far as the Admin API
// manages rooms. Rooms exist in memory only, as in the real gateway. It is safe for concurrent use.
//
// It executes a request even if the client has disconnected.
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
		rooms: videoRooms{
			adminKey: cfg.AdminKey, numericIDs: cfg.NumericIDs, byID: map[string]*videoRoom{},
		},
	}
}

// Admin serves the gateway's admin port: POST /admin with message_plugin for janus.plugin.videoroom (create, edit,
// destroy, exists, list, listparticipants), ping and info, and GET /admin/info. It also serves /sandbox/rooms and
// /sandbox/faults.
func (j *Janus) Admin() http.Handler {
	mux := j.mux("/admin", j.processAdmin)
	j.faults.serve(mux)
	mux.HandleFunc("GET /sandbox/rooms", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, j.rooms.inspect()) })
	return mux
}

// Public serves the part of the gateway's public port that needs no session: GET /janus/info, and POST /janus with
// ping and info.
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
		// The gateway closes the connection on an empty body.
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
	fields, refusal := readJanus(body)
	if refusal != nil {
		return *refusal
	}
	message := janusMessage{fields: fields}
	for _, field := range []struct {
		name string
		into *string
	}{{"transaction", &message.transaction}, {"janus", &message.verb}} {
		value, missing, ok := stringField(fields, field.name)
		switch {
		case missing:
			return janusError(nil, 456, fmt.Sprintf("Missing mandatory element (%s)", field.name))
		case !ok:
			return janusError(nil, 467, fmt.Sprintf("Invalid element type (%s should be a string)", field.name))
		}
		*field.into = value
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
	var refusal reply
	switch value := value.(type) {
	case map[string]any:
		if err == nil {
			return value, nil
		}
	case []any:
		if err == nil {
			refusal = janusError(nil, 455, "JSON error: not an object")
			return nil, &refusal
		}
	default:
		if err == nil {
			err = fmt.Errorf("'[' or '{' expected")
		}
	}
	refusal = janusError(nil, 454, "JSON error: "+err.Error())
	return nil, &refusal
}

// integersFit returns an error for an integer that does not fit into 64 bits, as the gateway's JSON library does.
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
	secret, _, _ := stringField(message.fields, "admin_secret")
	if j.cfg.AdminSecret != "" && secret != j.cfg.AdminSecret {
		return janusError(&message, 403, "Unauthorized request (wrong or missing secret/token)")
	}
	if strings.ToLower(message.verb) != "message_plugin" {
		return message.unhandled()
	}
	plugin, missing, ok := stringField(message.fields, "plugin")
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

// perform applies the fault, if there is one, and does the work even if the client has disconnected.
func (j *Janus) perform(r *http.Request, request map[string]any, success func(map[string]any) reply) reply {
	concerns := func(id uuid.UUID) bool { return j.rooms.concerns(request, id) }
	fault, removed := j.faults.take(videoRoomOperation(request), concerns)
	switch fault.Do {
	case EffectRefuse:
		return success(refusePlugin(fault))
	case EffectFail:
		return fail(fault)
	case EffectHang:
		return hang(r.Context(), removed)
	}
	var half time.Duration
	if fault.Do == EffectLate {
		half = time.Duration(fault.DelayMS) * time.Millisecond / 2
	}
	detached := context.WithoutCancel(r.Context())
	wait(detached, half)
	answer := success(j.rooms.handle(request))
	wait(detached, half)
	if fault.Do == EffectLoseReply {
		return dropped
	}
	return answer
}

func refusePlugin(fault Fault) map[string]any {
	code, message := fault.Status, fault.Type
	if code == 0 {
		code = codeUnauthorized
	}
	if message == "" {
		message = "Refused by a fault of the sandbox"
	}
	return pluginError(code, message)
}

func (m janusMessage) unhandled() reply {
	return janusError(&m, 457, "Unhandled request '"+m.verb+"' at this path")
}

// janusError is an error of the gateway's core. It has the transaction only if the envelope was valid.
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
		"plugins": map[string]any{
			"janus.plugin.videoroom": map[string]any{"version": 9, "version_string": "0.0.9"},
		},
	})
}

func janusObject(value any) reply { return object(http.StatusOK, typeJSON, value) }

// stringField returns a string field. missing says that it is absent. ok is false if it is absent or not a string.
func stringField(fields map[string]any, name string) (value string, missing, ok bool) {
	raw, present := fields[name]
	value, ok = raw.(string)
	return value, !present, ok
}

// nonNegative returns an integer that is not negative.
func nonNegative(raw any) (int64, bool) {
	digits, isNumber := raw.(json.Number)
	value, err := strconv.ParseInt(digits.String(), 10, 64)
	return value, isNumber && err == nil && value >= 0
}
