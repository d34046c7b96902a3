package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"minigroups/minigroup"
)

// maxFieldErrors and maxFieldRunes bound the size of the reply to a hostile body.
const (
	maxFieldErrors = 100
	maxFieldRunes  = 200
)

// decoder reads the fields of a body one by one and collects their errors. Unknown fields are ignored, the last of
// duplicate fields counts, and null is the same as absent. Fields are checked in their raw form, because encoding/json
// accepts 1.0 as an integer and replaces invalid text by U+FFFD.
type decoder struct {
	fields map[string]json.RawMessage
	errs   []minigroup.FieldError
}

func newDecoder(body []byte) (*decoder, error) {
	d := &decoder{}
	err := json.Unmarshal(body, &d.fields)
	if !d.addSyntaxError(err) && (err != nil || d.fields == nil) {
		d.fail("body", "must be a JSON object")
	}
	return d, d.finish(nil)
}

// addSyntaxError reports whether err is a JSON syntax error, and adds it.
func (d *decoder) addSyntaxError(err error) bool {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return false
	}
	d.fail("body", fmt.Sprintf("must be JSON: %v, at byte %d", syntax, syntax.Offset))
	return true
}

// fail adds an error unless the list is full.
func (d *decoder) fail(field, detail string) {
	if d.full() {
		return
	}
	if utf8.RuneCountInString(field) > maxFieldRunes {
		field = string([]rune(field)[:maxFieldRunes]) + "…"
	}
	d.errs = append(d.errs, minigroup.FieldError{Field: field, Detail: detail})
}

func (d *decoder) full() bool { return len(d.errs) >= maxFieldErrors }

// finish adds the errors that validation found, except for fields that could not be read, and returns the error for all
// of them, or nil.
func (d *decoder) finish(validation []minigroup.FieldError) error {
	unread := d.errs
	for _, e := range validation {
		if !slices.ContainsFunc(unread, func(u minigroup.FieldError) bool { return u.Field == e.Field }) {
			d.fail(e.Field, e.Detail)
		}
	}
	if len(d.errs) == 0 {
		return nil
	}
	return minigroup.Invalid(d.errs)
}

// value returns the raw field, or nil if it is absent or null.
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
	if problem := checkString(raw); problem != "" {
		d.fail(field, problem)
		return nil
	}
	return &text
}

// flag returns the field, or false if it is absent.
func (d *decoder) flag(field string) bool {
	flag := d.optionalFlag(field)
	return flag != nil && *flag
}

func (d *decoder) optionalFlag(field string) *bool {
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
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil || len(elements) != 2 {
		d.fail(field, "must be [start, end], each in unix seconds or null")
		return nil
	}
	return &minigroup.Window{Start: d.second(field+"[0]", elements[0]), End: d.second(field+"[1]", elements[1])}
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
