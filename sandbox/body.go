package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// bodyLimit is the size of a body, in bytes, that the services' framework accepts.
const bodyLimit = 2 << 20

// payload is the JSON object in the body of a request. It keeps the refusal of the first bad field, so that its
// methods can read one field after another without checks in between.
type payload struct {
	fields  map[string]json.RawMessage
	refusal *reply
}

// readPayload reads the body as the services' framework does, whose refusals are plain text.
func readPayload(r *http.Request) *payload {
	if !isJSON(r.Header.Get("Content-Type")) {
		return rejected(http.StatusUnsupportedMediaType, "Expected request with `Content-Type: application/json`")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyLimit+1))
	if err != nil {
		return rejected(http.StatusBadRequest, "Failed to buffer the request body: "+err.Error())
	}
	if len(body) > bodyLimit {
		return rejected(http.StatusRequestEntityTooLarge, "Failed to buffer the request body: length limit exceeded")
	}
	if !json.Valid(body) {
		return rejected(http.StatusBadRequest, "Failed to parse the request body as JSON")
	}
	p := &payload{}
	if json.Unmarshal(body, &p.fields) != nil || p.fields == nil {
		p.reject(errors.New("invalid type, expected a struct"))
	}
	return p
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	return media == typeJSON || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")
}

func rejected(status int, message string) *payload {
	refusal := text(status, message)
	return &payload{refusal: &refusal}
}

func (p *payload) reject(err error) {
	if p.refusal != nil {
		return
	}
	refusal := text(http.StatusUnprocessableEntity,
		"Failed to deserialize the JSON body into the target type: "+err.Error())
	if errors.Is(err, errTrailing) {
		refusal = text(http.StatusBadRequest, "Failed to parse the request body as JSON: "+err.Error())
	}
	p.refusal = &refusal
}

// required returns a field that must exist. It may be null.
func (p *payload) required(name string) json.RawMessage {
	raw, present := p.fields[name]
	if !present {
		p.reject(fmt.Errorf("missing field `%s`", name))
		return json.RawMessage("null")
	}
	return raw
}

// optional returns nil for a field that is absent or null, which the services treat alike.
func (p *payload) optional(name string) json.RawMessage {
	if raw := p.fields[name]; !isNull(raw) {
		return raw
	}
	return nil
}

// decode reads a value with json.Unmarshal, but rejects null.
func decode[T any](p *payload, name string, raw json.RawMessage) T {
	var value T
	if isNull(raw) {
		p.reject(fmt.Errorf("%s: invalid type: null", name))
	} else if err := json.Unmarshal(raw, &value); err != nil {
		p.reject(fmt.Errorf("%s: %w", name, err))
	}
	return value
}

func (p *payload) text(name string) string { return decode[string](p, name, p.required(name)) }

func (p *payload) uuid(name string) uuid.UUID { return p.parseUUID(name, p.required(name)) }

func (p *payload) optionalUUID(name string) *uuid.UUID {
	raw := p.optional(name)
	if raw == nil {
		return nil
	}
	id := p.parseUUID(name, raw)
	return &id
}

func (p *payload) parseUUID(name string, raw json.RawMessage) uuid.UUID {
	id, err := uuid.Parse(decode[string](p, name, raw))
	if err != nil {
		p.reject(fmt.Errorf("%s: UUID parsing failed: %w", name, err))
	}
	return id
}

func (p *payload) timespan(name string, beyond secondsBeyond) timespan {
	return p.parseTimespan(name, p.required(name), beyond)
}

func (p *payload) optionalTimespan(name string, beyond secondsBeyond) *timespan {
	raw := p.optional(name)
	if raw == nil {
		return nil
	}
	span := p.parseTimespan(name, raw, beyond)
	return &span
}

func (p *payload) parseTimespan(name string, raw json.RawMessage, beyond secondsBeyond) timespan {
	span, err := parseTimespan(raw, beyond)
	if err != nil {
		p.reject(fmt.Errorf("%s: %w", name, err))
	}
	return span
}

func (p *payload) optionalInt32(name string) *int32 {
	raw := p.optional(name)
	if raw == nil {
		return nil
	}
	number, err := parseInteger(raw, 32)
	if err != nil {
		p.reject(fmt.Errorf("%s: %w", name, err))
	}
	value := int32(number) //nolint:gosec // parsed with 32 bits
	return &value
}

// optionalOneOf returns "" for an absent field and rejects a value that is not one of the known ones.
func (p *payload) optionalOneOf(name string, known ...string) string {
	raw := p.optional(name)
	if raw == nil {
		return ""
	}
	return p.oneOf(name, decode[string](p, name, raw), known)
}

func (p *payload) oneOf(name, value string, known []string) string {
	for _, k := range known {
		if value == k {
			return value
		}
	}
	p.reject(fmt.Errorf("%s: unknown variant `%s`, expected one of %q", name, value, known))
	return ""
}

// optionalBool returns the default for a field that is absent or null.
func (p *payload) optionalBool(name string, otherwise bool) bool {
	raw := p.optional(name)
	if raw == nil {
		return otherwise
	}
	return decode[bool](p, name, raw)
}

func isNull(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) == 0 || string(raw) == "null"
}

// parseInteger rejects floats, also 1.0.
func parseInteger(raw json.RawMessage, bits int) (int64, error) {
	number, err := strconv.ParseInt(string(bytes.TrimSpace(raw)), 10, bits)
	if err != nil {
		return 0, fmt.Errorf("invalid type or value: %s, expected i%d", raw, bits)
	}
	return number, nil
}
