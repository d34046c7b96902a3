package minigroup

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Draft is what a caller requests when creating a minigroup.
type Draft struct {
	Audience string
	Scope    string
	Host     string
	Time     Window
	// Tags is a JSON object as CanonicalJSON writes it; nil if absent.
	Tags json.RawMessage
	// Reserve is the number of slots on a Janus gateway; nil and 0 reserve nothing.
	Reserve *int32
	// LockedChat and LockedQuestions say what is locked in the event room when it is created.
	LockedChat      bool
	LockedQuestions bool
	// Properties is a JSON object as CanonicalJSON writes it; nil and {} are no properties.
	Properties json.RawMessage
}

// Slots is the number of slots to reserve, possibly 0.
func (d Draft) Slots() int32 {
	if d.Reserve == nil {
		return 0
	}
	return *d.Reserve
}

// Locks is what to lock in the event room.
func (d Draft) Locks() Locks { return Locks{Chat: d.LockedChat, Questions: d.LockedQuestions} }

// Validate lists every mistake in the draft, each with its field; now is in unix seconds. A draft without mistakes can
// be created.
func (d Draft) Validate(now int64) []FieldError {
	errs := CheckName("scope", d.Scope)
	errs = append(errs, CheckName("audience", d.Audience)...)
	errs = append(errs, CheckName("host", d.Host)...)
	errs = append(errs, d.Time.problems("time")...)
	if d.Time.Ended(now) {
		errs = append(errs, FieldError{"time[1]", "must be in the future (unix seconds)"})
	}
	return append(errs, checkReserve(d.Reserve)...)
}

// CheckName checks a scope, audience, host or key of a property: it has 1 to 255 characters, none of them a control
// character, and is in NFC.
func CheckName(field, s string) []FieldError {
	switch n := utf8.RuneCountInString(s); {
	case n == 0:
		return []FieldError{{field, "must not be empty"}}
	case n > 255:
		return []FieldError{{field, fmt.Sprintf("must have at most 255 characters, has %d", n)}}
	case !utf8.ValidString(s):
		return []FieldError{{field, "must be valid UTF-8"}}
	case strings.ContainsFunc(s, unicode.IsControl):
		return []FieldError{{field, "must not contain control characters"}}
	}
	return CheckNFC(field, s)
}

// CheckNFC checks that a name is in Unicode normalization form C. Names are compared byte by byte, so a name in another
// form, which looks the same, would name something else.
func CheckNFC(field, s string) []FieldError {
	if norm.NFC.IsNormalString(s) {
		return nil
	}
	return []FieldError{{
		field, "must be in Unicode normalization form C (NFC), in which é is one character and not e with an accent",
	}}
}

func checkReserve(n *int32) []FieldError {
	if n != nil && *n < 0 {
		return []FieldError{{"reserve", "must be a whole number from 0 to 2147483647"}}
	}
	return nil
}
