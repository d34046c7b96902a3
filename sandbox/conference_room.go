package sandbox

import (
	"encoding/json"

	"github.com/google/uuid"
)

// conferenceRoom is a room of conference in the store.
type conferenceRoom struct {
	storedRoom
	Policy   string  `json:"rtc_sharing_policy"`
	Reserve  *int32  `json:"reserve,omitempty"`
	Host     *string `json:"host,omitempty"`
	ClosedBy *string `json:"closed_by,omitempty"`
	TimedOut bool    `json:"timed_out,omitempty"`
}

type conferenceObject struct {
	Audience         string          `json:"audience"`
	Backend          string          `json:"backend"`
	ClassroomID      uuid.UUID       `json:"classroom_id"`
	ClosedBy         *string         `json:"closed_by"`
	CreatedAt        int64           `json:"created_at"`
	Host             *string         `json:"host"`
	ID               uuid.UUID       `json:"id"`
	Reserve          *int32          `json:"reserve,omitempty"`
	RTCSharingPolicy string          `json:"rtc_sharing_policy"`
	Tags             json.RawMessage `json:"tags"`
	Time             [2]*int64       `json:"time"`
	TimedOut         bool            `json:"timed_out"`
}

func (r conferenceRoom) object() any { return r.conferenceObject() }

func (r conferenceRoom) inspected(now instant) any {
	return struct {
		conferenceObject
		Open bool `json:"open"`
	}{r.conferenceObject(), !r.Time.ended(now)}
}

func (r conferenceRoom) conferenceObject() conferenceObject {
	o := conferenceObject{
		Audience:         r.Audience,
		Backend:          "none",
		ClassroomID:      r.ClassroomID,
		ClosedBy:         r.ClosedBy,
		CreatedAt:        r.CreatedAt.unixSeconds(),
		Host:             r.Host,
		ID:               r.ID,
		Reserve:          r.Reserve,
		RTCSharingPolicy: r.Policy,
		Tags:             r.Tags,
		Time:             r.Time.unixSeconds(),
		TimedOut:         r.TimedOut,
	}
	if r.Policy == "shared" {
		o.Backend = "janus"
	}
	if o.Tags == nil {
		o.Tags = json.RawMessage("{}")
	}
	return o
}

func (r *conferenceRoom) close(by caller, now instant) {
	r.Time.To = &now
	r.ClosedBy = &by.agent
}
