package dispatcher

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// Class is a row of dispatcher's table class. A pointer or a slice is nil for NULL.
type Class struct {
	ID               uuid.UUID
	Audience, Scope  string
	Empty            bool // its time contains no moment
	Start, End       *int64
	Tags             []byte
	Properties       []byte
	EventRoomID      *uuid.UUID
	ConferenceRoomID *uuid.UUID
	CreatedAt        time.Time
	PreserveHistory  bool
	Reserve          *int32
	Host             *string
	TimedOut         bool
	Established      bool
	OriginalID       *uuid.UUID
}

// The reasons why a class cannot be imported, besides those of package minigroup.
const (
	NotEstablished       minigroup.ImportReason = "not_established"
	CopyOfAnother        minigroup.ImportReason = "copy_of_another_class"
	InvalidAudience      minigroup.ImportReason = "invalid_audience"
	InvalidScope         minigroup.ImportReason = "invalid_scope"
	InvalidHost          minigroup.ImportReason = "invalid_host"
	InvalidTime          minigroup.ImportReason = "invalid_time"
	InvalidReserve       minigroup.ImportReason = "invalid_reserve"
	InvalidTags          minigroup.ImportReason = "invalid_tags"
	InvalidProperties    minigroup.ImportReason = "invalid_properties"
	EventRoomGone        minigroup.ImportReason = "event_room_gone"
	EventRoomClosed      minigroup.ImportReason = "event_room_closed"
	EventRoomForeign     minigroup.ImportReason = "event_room_of_another_class"
	ConferenceRoomGone   minigroup.ImportReason = "conference_room_gone"
	ConferenceRoomClosed minigroup.ImportReason = "conference_room_closed"
	ConferenceForeign    minigroup.ImportReason = "conference_room_of_another_class"
	RoomUnreadable       minigroup.ImportReason = "room_unreadable"
)

// skipped says why a class cannot be imported.
func skipped(reason minigroup.ImportReason, format string, args ...any) *minigroup.ImportResult {
	return &minigroup.ImportResult{
		Outcome: minigroup.ImportSkipped, Reason: reason, Detail: fmt.Sprintf(format, args...),
	}
}

// Source is a hash of everything in the row that an import takes over.
func (c Class) Source() string {
	c.CreatedAt = c.CreatedAt.UTC()
	text, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("hash a class: %v", err)) // it has only strings, numbers and times
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// Import returns the class as it is imported, without what only its rooms say, or the reason why it cannot be; now is
// in unix seconds.
func (c Class) Import(now int64) (minigroup.ImportedClass, *minigroup.ImportResult) {
	if !c.Established || c.EventRoomID == nil || c.ConferenceRoomID == nil {
		return minigroup.ImportedClass{}, skipped(NotEstablished, "its create was not finished")
	}
	if c.OriginalID != nil {
		return minigroup.ImportedClass{}, skipped(CopyOfAnother, "it is a copy of class %s; copies are not served here",
			c.OriginalID)
	}
	out := minigroup.ImportedClass{
		ID: c.ID, EventRoomID: *c.EventRoomID, ConferenceRoomID: *c.ConferenceRoomID, CreatedAt: c.CreatedAt,
		Source: c.Source(),
		Draft: minigroup.Draft{
			Audience: c.Audience, Scope: c.Scope, Reserve: c.Reserve, Time: minigroup.Window{Start: c.Start, End: c.End},
		},
	}
	if c.Host != nil {
		out.Host = *c.Host
	}
	if wrong := c.checkDraft(&out); wrong != nil {
		return out, wrong
	}
	if out.Time.Ended(now) {
		out.ClosedAt, out.TimedOut = time.Unix(*c.End, 0), c.TimedOut
	}
	return out, nil
}

// checkDraft checks what dispatcher accepts and this service does not, and sets the documents.
func (c Class) checkDraft(out *minigroup.ImportedClass) *minigroup.ImportResult {
	var errs []minigroup.FieldError
	reason := InvalidTags
	if out.Tags, errs = canonical("tags", c.Tags); len(errs) == 0 {
		reason = InvalidProperties
		out.Properties, errs = canonical("properties", c.Properties)
		errs = append(errs, checkProperties(out.Properties)...)
	}
	if len(errs) > 0 {
		return skipped(reason, "%s %s", errs[0].Field, errs[0].Detail)
	}
	if c.Empty {
		return skipped(InvalidTime, "its time contains no moment")
	}
	checked := out.Draft
	if checked.Host == "" {
		checked.Host = "-" // dispatcher's classes have a host only after an update that sets one
	}
	for _, e := range checked.Validate(0) {
		field, _, _ := strings.Cut(e.Field, "[")
		return skipped(minigroup.ImportReason("invalid_"+field), "%s %s", e.Field, e.Detail)
	}
	return nil
}

// canonical returns the form of a JSON object in which it is stored; nil if there is none.
func canonical(field string, raw []byte) (json.RawMessage, []minigroup.FieldError) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var document any
	if err := decoder.Decode(&document); len(raw) > 0 && err != nil {
		return nil, []minigroup.FieldError{{Field: field, Detail: "must be JSON"}}
	}
	if document == nil {
		return nil, nil
	}
	if _, isObject := document.(map[string]any); !isObject {
		return nil, []minigroup.FieldError{{Field: field, Detail: "must be an object"}}
	}
	return minigroup.CanonicalJSON(field, document)
}

func checkProperties(properties json.RawMessage) (errs []minigroup.FieldError) {
	if len(properties) > minigroup.MaxPropertiesBytes {
		errs = append(errs, minigroup.FieldError{
			Field:  "properties",
			Detail: fmt.Sprintf("have %d bytes, may have %d", len(properties), minigroup.MaxPropertiesBytes),
		})
	}
	var byKey map[string]json.RawMessage
	_ = json.Unmarshal(properties, &byKey) // it is an object, or there are none
	for key := range byKey {
		errs = append(errs, minigroup.CheckName("a key of the properties", key)...)
	}
	return errs
}

// WithRooms completes an imported class with what its rooms say, or returns why it cannot be imported; now is in unix
// seconds. A class that has not ended must have both rooms open.
func WithRooms(
	c minigroup.ImportedClass, event minigroup.EventRoomState, conference minigroup.ConferenceRoomState, now int64,
) (minigroup.ImportedClass, *minigroup.ImportResult) {
	open := c.ClosedAt.IsZero()
	switch {
	case event.ClassID != c.ID:
		return c, skipped(EventRoomForeign, "event room %s belongs to class %s", event.ID, event.ClassID)
	case conference.ClassID != c.ID:
		return c, skipped(ConferenceForeign, "conference room %s belongs to class %s", conference.ID, conference.ClassID)
	case open && event.Time.Ended(now):
		return c, skipped(EventRoomClosed, "event room %s is closed, but the class has not ended", event.ID)
	case open && conference.Time.Ended(now):
		return c, skipped(ConferenceRoomClosed, "conference room %s is closed, but the class has not ended", conference.ID)
	}
	c.LockedChat, c.LockedQuestions = event.Locks.Chat, event.Locks.Questions
	if c.Host == "" {
		c.Host = conference.Host
	}
	return c, nil
}

// Gone is the result of a class with a room that its service does not know.
func Gone(kind minigroup.RoomKind, id uuid.UUID) *minigroup.ImportResult {
	reason := EventRoomGone
	if kind == minigroup.ConferenceRoom {
		reason = ConferenceRoomGone
	}
	return skipped(reason, "%s does not know room %s", kind, id)
}

// Unreadable is the result of a class with a room that its service does not let this one read.
func Unreadable(err error) *minigroup.ImportResult { return skipped(RoomUnreadable, "%v", err) }

// Canonical returns the properties of an account in the form in which they are stored, or what is wrong with the
// account.
func (a Account) Canonical() (json.RawMessage, []minigroup.FieldError) {
	properties, errs := canonical("properties", a.Properties)
	if properties == nil {
		properties = json.RawMessage("{}")
	}
	errs = append(errs, checkProperties(properties)...)
	errs = append(errs, minigroup.CheckName("audience", a.Audience)...)
	return properties, append(errs, minigroup.CheckName("label", a.Label)...)
}
