package linearizability

import (
	"encoding/json"
	"strconv"

	"minigroups/minigroup"
)

// DraftOf returns a draft as the model sees it.
func DraftOf(d minigroup.Draft) Draft {
	return Draft{valuesOf(d), minigroup.NewCreateRequest(d).Fingerprint}
}

// ChangeOf returns a change as the model sees it.
func ChangeOf(c minigroup.Change) (change Change) {
	if c.Time != nil {
		change.Start, change.End = second(c.Time.Start), second(c.Time.End)
	}
	if c.Reserve != nil {
		change.Reserve = slots(c.Reserve)
	}
	if c.Recreate != nil {
		change.Recreate = recreation{c.Recreate.LockedChat, c.Recreate.LockedQuestions}.text()
	}
	if c.Host != nil {
		change.Host = *c.Host
	}
	return change
}

// ObjectOf returns a minigroup as callers see it at a time in unix seconds.
func ObjectOf(m minigroup.Minigroup, now int64) Object {
	o := Object{Status: string(m.Status(now)), Values: valuesOf(m.Draft)}
	if m.State == minigroup.Ready {
		o.EventRoom, o.ConferenceRoom = m.EventRoomID.String(), m.ConferenceRoomID.String()
	}
	if u := m.Update; u != nil && u.State != minigroup.UpdateDone {
		o.Update = Shown{"running", ChangeOf(u.Requested)}
		if u.State == minigroup.UpdateFailed {
			o.Update.State = "failed"
		}
	}
	return o
}

func valuesOf(d minigroup.Draft) Values {
	return Values{
		Start: second(d.Time.Start), End: second(d.Time.End), Host: d.Host, Reserve: slots(d.Reserve),
	}
}

// second returns one side of a time.
func second(side *int64) string {
	if side == nil {
		return "null"
	}
	return strconv.FormatInt(*side, 10)
}

// slots returns a number of slots; absent is 0.
func slots(n *int32) string {
	if n == nil {
		return "0"
	}
	return strconv.Itoa(int(*n))
}

// recreation is what a recreate requests besides a time.
type recreation struct {
	LockedChat      *bool `json:"locked_chat,omitempty"`
	LockedQuestions *bool `json:"locked_questions,omitempty"`
}

func (r recreation) text() string {
	text, _ := json.Marshal(r) // cannot fail for booleans
	return string(text)
}
