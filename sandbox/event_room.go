package sandbox

import (
	"encoding/json"

	"github.com/google/uuid"
)

// eventRoom is a room of event in the store.
type eventRoom struct {
	storedRoom
	Kind            string          `json:"kind"`
	PreserveHistory bool            `json:"preserve_history"`
	LockedTypes     map[string]bool `json:"locked_types"`
}

type eventObject struct {
	Audience         string          `json:"audience"`
	ClassroomID      uuid.UUID       `json:"classroom_id"`
	CreatedAt        int64           `json:"created_at"`
	ID               uuid.UUID       `json:"id"`
	Kind             string          `json:"kind"`
	LockedTypes      map[string]bool `json:"locked_types"`
	PreserveHistory  bool            `json:"preserve_history"`
	Tags             json.RawMessage `json:"tags,omitempty"`
	Time             [2]*int64       `json:"time"`
	WhiteboardAccess struct{}        `json:"whiteboard_access"`
}

func (r eventRoom) object() any { return r.eventObject() }

func (r eventRoom) inspected(now instant) any {
	return struct {
		eventObject
		Open bool `json:"open"`
	}{r.eventObject(), !r.Time.ended(now)}
}

func (r eventRoom) eventObject() eventObject {
	return eventObject{
		Audience:        r.Audience,
		ClassroomID:     r.ClassroomID,
		CreatedAt:       r.CreatedAt.unixSeconds(),
		ID:              r.ID,
		Kind:            r.Kind,
		LockedTypes:     r.LockedTypes,
		PreserveHistory: r.PreserveHistory,
		Tags:            r.Tags,
		Time:            r.Time.unixSeconds(),
	}
}

// lock merges locks into the locked types and keeps only the types that are locked. It does not change the old map,
// which a reader of the room may still use.
func (r *eventRoom) lock(locks map[string]bool) {
	merged := map[string]bool{}
	for _, source := range []map[string]bool{r.LockedTypes, locks} {
		for typ, locked := range source {
			if locked {
				merged[typ] = true
			} else {
				delete(merged, typ)
			}
		}
	}
	r.LockedTypes = merged
}
