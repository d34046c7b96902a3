package activities

import (
	"encoding/json"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// Inputs and results live on in histories after the code has changed: fields are only ever added.

// Draft is minigroup.Draft on its way through a history.
type Draft struct {
	Audience        string          `json:"audience"`
	Scope           string          `json:"scope"`
	Host            string          `json:"host"`
	Start           *int64          `json:"start,omitempty"`
	End             *int64          `json:"end,omitempty"`
	Tags            json.RawMessage `json:"tags,omitempty"`
	Reserve         *int32          `json:"reserve,omitempty"`
	LockedChat      bool            `json:"locked_chat,omitempty"`
	LockedQuestions bool            `json:"locked_questions,omitempty"`
	Properties      json.RawMessage `json:"properties,omitempty"`
	Origin          string          `json:"origin,omitempty"`
}

// ToDraft writes a draft for a history.
func ToDraft(d minigroup.Draft) Draft {
	return Draft{
		d.Audience, d.Scope, d.Host, d.Time.Start, d.Time.End, d.Tags, d.Reserve, d.LockedChat, d.LockedQuestions, d.Properties, d.Origin,
	}
}

// Minigroup reads the draft back.
func (d Draft) Minigroup() minigroup.Draft {
	return minigroup.Draft{
		Audience: d.Audience, Scope: d.Scope, Host: d.Host, Time: minigroup.Window{Start: d.Start, End: d.End},
		Tags: d.Tags, Reserve: d.Reserve, LockedChat: d.LockedChat, LockedQuestions: d.LockedQuestions, Properties: d.Properties,
		Origin: d.Origin,
	}
}

// Change is minigroup.Change on its way through a history.
type Change struct {
	Time    *[2]*int64 `json:"time,omitempty"`
	Reserve *int32     `json:"reserve,omitempty"`
	Host    *string    `json:"host,omitempty"`
	// Recreate is there, if only as {}, where the class is given new rooms.
	Recreate *Recreation `json:"recreate,omitempty"`
	Revision *int64      `json:"revision,omitempty"`
}

// Recreation is minigroup.Recreation on its way through a history.
type Recreation struct {
	LockedChat      *bool `json:"locked_chat,omitempty"`
	LockedQuestions *bool `json:"locked_questions,omitempty"`
}

// ToChange writes a change for a history.
func ToChange(c minigroup.Change) Change {
	out := Change{Reserve: c.Reserve, Host: c.Host, Revision: c.Revision}
	if c.Time != nil {
		out.Time = &[2]*int64{c.Time.Start, c.Time.End}
	}
	if c.Recreate != nil {
		out.Recreate = (*Recreation)(c.Recreate)
	}
	return out
}

// Minigroup reads the change back.
func (c Change) Minigroup() minigroup.Change {
	out := minigroup.Change{Reserve: c.Reserve, Host: c.Host, Revision: c.Revision}
	if c.Time != nil {
		out.Time = &minigroup.Window{Start: c.Time[0], End: c.Time[1]}
	}
	if c.Recreate != nil {
		out.Recreate = (*minigroup.Recreation)(c.Recreate)
	}
	return out
}

// Failure is minigroup.Failure on its way through a history.
type Failure struct {
	Kind         minigroup.Kind `json:"kind"`
	Detail       string         `json:"detail,omitempty"`
	Upstream     string         `json:"upstream,omitempty"`
	UpstreamType string         `json:"upstream_type,omitempty"`
}

// ToFailure writes a failure for a history; nil stays nil.
func ToFailure(f *minigroup.Failure) *Failure {
	if f == nil {
		return nil
	}
	return &Failure{f.Kind, f.Detail, f.Upstream, f.UpstreamType}
}

func (f Failure) minigroup() minigroup.Failure {
	return minigroup.Failure{Kind: f.Kind, Detail: f.Detail, Upstream: f.Upstream, UpstreamType: f.UpstreamType}
}

// Room names a room in another service.
type Room struct {
	Kind minigroup.RoomKind `json:"kind"`
	ID   uuid.UUID          `json:"id"`
}

func toRooms(rooms []minigroup.RoomPendingClose) []Room {
	out := make([]Room, len(rooms))
	for i, r := range rooms {
		out[i] = Room{r.Kind, r.ID}
	}
	return out
}
