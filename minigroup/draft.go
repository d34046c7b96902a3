package minigroup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

// classNamespace is the namespace of class ids (UUID v5). Changing it would give every minigroup a new id.
var classNamespace = uuid.MustParse("5f0c3f0e-9a0b-5d55-8f0c-0d6f3c1b7a42")

// ClassID is the id of the minigroup of this audience and scope: the UUID v5 of both, each preceded by
// its length in bytes (big-endian, 4 bytes) so that no two pairs read the same. Every request knows it without asking.
func ClassID(audience, scope string) uuid.UUID {
	var name []byte
	for _, part := range []string{audience, scope} {
		name = binary.BigEndian.AppendUint32(name, uint32(len(part))) //nolint:gosec // both are at most 255 characters
		name = append(name, part...)
	}
	return uuid.NewSHA1(classNamespace, name)
}

// Draft is what a caller asks for when creating a minigroup.
type Draft struct {
	Audience string
	Scope    string
	Host     string
	Time     Window
	// Tags is a JSON object as CanonicalJSON writes it, or nil where none was given.
	Tags json.RawMessage
	// Reserve is the number of slots on a Janus gateway; nil and 0 reserve nothing.
	Reserve *int32
	// LockedChat and LockedQuestions say what is locked in the event room when it is made.
	LockedChat      bool
	LockedQuestions bool
	// Properties is a JSON object as CanonicalJSON writes it; nil and {} are none.
	Properties json.RawMessage
	// Origin is the fingerprint of the request that a minigroup is created from once more, as its row keeps it. It is empty for
	// a request of its own.
	Origin string
}

// ClassID is the id of the minigroup that this draft describes.
func (d Draft) ClassID() uuid.UUID { return ClassID(d.Audience, d.Scope) }

// Slots is the number of slots to reserve; 0 where none are.
func (d Draft) Slots() int32 {
	if d.Reserve == nil {
		return 0
	}
	return *d.Reserve
}

// Locks is what is to be locked in the event room.
func (d Draft) Locks() Locks { return Locks{Chat: d.LockedChat, Questions: d.LockedQuestions} }

// Validate lists every mistake in the draft, each with the field it is in; now is in unix seconds.
// An empty list means the draft can be created.
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

// Fingerprint tells whether two drafts ask for the same: equal drafts have equal fingerprints.
// No reserve and a reserve of 0 are the same request, and so are no properties and none in an object.
// Fingerprints are stored: what is added here has to be absent where it is not asked for. A draft that was read back from its
// row has the fingerprint of the request it came from, for properties may have been set and documents written anew since.
func (d Draft) Fingerprint() string {
	if d.Origin != "" {
		return d.Origin
	}
	properties := compact(d.Properties)
	if properties == "{}" {
		properties = ""
	}
	return fingerprint(struct {
		Audience, Scope, Host string
		Start, End            *int64
		Tags                  string
		Slots                 int32
		LockedChat            bool
		LockedQuestions       bool   `json:",omitempty"`
		Properties            string `json:",omitempty"`
	}{d.Audience, d.Scope, d.Host, d.Time.Start, d.Time.End, compact(d.Tags), d.Slots(), d.LockedChat, d.LockedQuestions, properties})
}

// compact writes a document without spaces. What is no JSON cannot come from the API, and stays different from all that can.
func compact(document json.RawMessage) string {
	var out bytes.Buffer
	if json.Compact(&out, document) != nil {
		return string(document)
	}
	return out.String()
}

func fingerprint(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("fingerprint of %T: %v", v, err)) // only strings and numbers come here
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// CheckName holds the rule for scope, audience, host and the key of a property: 1 to 255 characters, none of them a control
// character.
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
	return nil
}

func checkReserve(n *int32) []FieldError {
	if n != nil && *n < 0 {
		return []FieldError{{"reserve", "must be a whole number from 0 to 2147483647"}}
	}
	return nil
}
