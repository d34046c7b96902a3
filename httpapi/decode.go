package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"minigroups/minigroup"
)

const (
	maxBodyBytes = 64 << 10
	// maxMistakes and maxFieldRunes bound what a hostile body can make us answer.
	maxMistakes   = 100
	maxFieldRunes = 200
)

// readBody returns the body of a request that says it is JSON, is no larger than allowed, and arrives in time.
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

// boundBody gives a body so long to arrive, whoever reads it: also that of a refused request is read by net/http, before it
// answers. Once a body is read, net/http lifts the bound.
func (s *server) boundBody(c *gin.Context) {
	if c.Request.ContentLength != 0 {
		_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Now().Add(s.BodyWait)) // every connection can
	}
}

// checkBodyType wants the headers to say that the body is plain JSON, which is always in UTF-8.
func checkBodyType(c *gin.Context) error {
	mediaType, parameters, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return minigroup.Errorf(minigroup.UnsupportedMediaType, "the header must be Content-Type: application/json")
	}
	if charset, ok := parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return minigroup.Errorf(minigroup.UnsupportedMediaType, "JSON is written in UTF-8")
	}
	if coding := c.GetHeader("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		c.Header("Accept-Encoding", "identity")
		return minigroup.Errorf(minigroup.UnsupportedMediaType, "the body must be sent without a Content-Encoding")
	}
	return nil
}

// decodeDraft reads the body of a create; now is in unix seconds. Its error lists every mistake.
func decodeDraft(body []byte, now int64) (minigroup.Draft, error) {
	d, err := newDecoder(body)
	if err != nil {
		return minigroup.Draft{}, err
	}
	draft := minigroup.Draft{
		Scope:           d.required("scope"),
		Audience:        d.required("audience"),
		Host:            d.required("host"),
		Tags:            d.object("tags"),
		Reserve:         d.reserve(),
		LockedChat:      d.flag("locked_chat"),
		LockedQuestions: d.flag("locked_questions"),
		Properties:      d.properties(),
	}
	if window := d.window("time"); window != nil {
		draft.Time = *window
	}
	return draft, d.finish(draft.Validate(now))
}

// decodeChange reads the body of an update. Its error lists every mistake.
func decodeChange(body []byte) (minigroup.Change, error) {
	d, err := newDecoder(body)
	if err != nil {
		return minigroup.Change{}, err
	}
	change := minigroup.Change{Time: d.window("time"), Reserve: d.reserve(), Host: d.text("host")}
	return change, d.finish(change.Validate())
}

// decodeDocument reads a body that is any JSON, in the form in which it is kept. Its error lists every mistake, those that
// were made before included.
func decodeDocument(body []byte, mistakes []minigroup.FieldError) (json.RawMessage, error) {
	d := &decoder{mistakes: mistakes}
	var raw, document json.RawMessage
	if !d.isNoJSON(json.Unmarshal(body, &raw)) {
		document = d.document("body", raw)
	}
	return document, d.finish(nil)
}

// decodeEvent reads a body that is an event for the event room of a minigroup: any object, without a room_id of its own.
func decodeEvent(body []byte) (json.RawMessage, error) {
	document, err := decodeDocument(body, nil)
	if err != nil {
		return nil, err
	}
	var event map[string]json.RawMessage
	if json.Unmarshal(document, &event) != nil || event == nil {
		return nil, minigroup.Invalid([]minigroup.FieldError{{Field: "body", Detail: "must be a JSON object"}})
	}
	delete(event, "room_id")
	return json.Marshal(event)
}

// decodeRecreation reads the body of a recreate; now is in unix seconds. Its error lists every mistake.
func decodeRecreation(body []byte, now int64) (minigroup.Change, error) {
	d, err := newDecoder(body)
	if err != nil {
		return minigroup.Change{}, err
	}
	change := minigroup.Change{Time: d.window("time"), Recreate: &minigroup.Recreation{
		LockedChat: d.choice("locked_chat"), LockedQuestions: d.choice("locked_questions"),
	}}
	return change, d.finish(change.ValidateRecreation(now))
}

// decoder reads the fields of a body one by one and collects what is wrong with them. Unknown fields are ignored; of a
// field that is there twice the last counts, as everywhere in JSON; null is the same as absent. encoding/json would
// take 1.0 for a whole number and put U+FFFD for what is no text, so the fields are read as they were written.
type decoder struct {
	fields   map[string]json.RawMessage
	mistakes []minigroup.FieldError
}

func newDecoder(body []byte) (*decoder, error) {
	d := &decoder{}
	err := json.Unmarshal(body, &d.fields)
	if !d.isNoJSON(err) && (err != nil || d.fields == nil) {
		d.fail("body", "must be a JSON object")
	}
	return d, d.finish(nil)
}

// isNoJSON reports whether that is what err says, and takes it for a mistake then.
func (d *decoder) isNoJSON(err error) bool {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return false
	}
	d.fail("body", fmt.Sprintf("must be JSON: %v, at byte %d", syntax, syntax.Offset))
	return true
}

func (d *decoder) fail(field, detail string) {
	if d.full() {
		return
	}
	if utf8.RuneCountInString(field) > maxFieldRunes {
		field = string([]rune(field)[:maxFieldRunes]) + "…"
	}
	d.mistakes = append(d.mistakes, minigroup.FieldError{Field: field, Detail: detail})
}

// full says that no more mistakes are listed.
func (d *decoder) full() bool { return len(d.mistakes) >= maxMistakes }

// finish adds the mistakes that were found in the values, except in fields that could not be read in the first place,
// and returns the error for all of them, or nil.
func (d *decoder) finish(invalid []minigroup.FieldError) error {
	unread := d.mistakes
	for _, mistake := range invalid {
		if !slices.ContainsFunc(unread, func(m minigroup.FieldError) bool { return m.Field == mistake.Field }) {
			d.fail(mistake.Field, mistake.Detail)
		}
	}
	if len(d.mistakes) == 0 {
		return nil
	}
	return minigroup.Invalid(d.mistakes)
}

// value is the field as it was written, or nil where it is absent or null.
func (d *decoder) value(field string) []byte {
	raw := d.fields[field]
	if string(raw) == "null" {
		return nil
	}
	return raw
}

func (d *decoder) required(field string) string {
	if d.value(field) == nil {
		d.fail(field, "is required")
		return ""
	}
	if text := d.text(field); text != nil {
		return *text
	}
	return ""
}

func (d *decoder) text(field string) *string {
	raw := d.value(field)
	if raw == nil {
		return nil
	}
	var text string
	if raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
		d.fail(field, "must be a string")
		return nil
	}
	if mistake := textMistake(raw); mistake != "" {
		d.fail(field, mistake)
		return nil
	}
	return &text
}

func (d *decoder) flag(field string) bool {
	choice := d.choice(field)
	return choice != nil && *choice
}

// choice is a flag that may be absent.
func (d *decoder) choice(field string) *bool {
	switch raw := d.value(field); string(raw) {
	case "true":
		return new(true)
	case "false":
		return new(false)
	case "":
		return nil
	default:
		d.fail(field, "must be true or false")
		return nil
	}
}

func (d *decoder) reserve() *int32 {
	raw := d.value("reserve")
	if raw == nil {
		return nil
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < 0 || n > math.MaxInt32 {
		d.fail("reserve", "must be a whole number from 0 to 2147483647")
		return nil
	}
	slots := int32(n)
	return &slots
}

func (d *decoder) window(field string) *minigroup.Window {
	raw := d.value(field)
	if raw == nil {
		return nil
	}
	var sides []json.RawMessage
	if json.Unmarshal(raw, &sides) != nil || len(sides) != 2 {
		d.fail(field, "must be [start, end], each in unix seconds or null")
		return nil
	}
	return &minigroup.Window{Start: d.second(field+"[0]", sides[0]), End: d.second(field+"[1]", sides[1])}
}

func (d *decoder) second(field string, raw []byte) *int64 {
	if string(raw) == "null" {
		return nil
	}
	second, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		d.fail(field, "must be a whole number (unix seconds) or null")
		return nil
	}
	return &second
}

// textMistake says what is wrong with a JSON string as it was written, or nothing.
func textMistake(raw []byte) string {
	if !utf8.Valid(raw) {
		return "must be valid UTF-8"
	}
	for {
		escape := bytes.IndexByte(raw, '\\')
		if escape < 0 {
			return ""
		}
		raw = raw[escape:]
		first, ok := utf16Escape(raw)
		switch {
		case !ok:
			raw = raw[len(`\n`):]
			continue
		case !utf16.IsSurrogate(first):
			raw = raw[len(`\u0000`):]
			continue
		}
		second, _ := utf16Escape(raw[len(`\u0000`):])
		if utf16.DecodeRune(first, second) == utf8.RuneError {
			return "must not contain half of a surrogate pair (\\ud800 to \\udfff)"
		}
		raw = raw[len(`\u0000\u0000`):]
	}
}

// utf16Escape reads the \uXXXX that raw begins with. ok is false where it begins otherwise.
func utf16Escape(raw []byte) (unit rune, ok bool) {
	if len(raw) < len(`\u0000`) || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	return rune(n), err == nil
}
