package conference

import (
	"fmt"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// room is the part of conference's room object that minigroups need.
type room struct {
	ID       uuid.UUID `json:"id"`
	ClassID  uuid.UUID `json:"classroom_id"`
	Time     []*int64  `json:"time"`
	Reserve  *int32    `json:"reserve"`
	Host     string    `json:"host"` // conference sends null for no host
	TimedOut bool      `json:"timed_out"`
}

func (r room) check(id uuid.UUID) error {
	if r.ID != id {
		return fmt.Errorf("it is about room %s", r.ID)
	}
	if len(r.Time) != 2 {
		return fmt.Errorf("its time has %d elements instead of 2", len(r.Time))
	}
	return nil
}

func (r room) state() minigroup.ConferenceRoomState {
	return minigroup.ConferenceRoomState{
		ID:       r.ID,
		ClassID:  r.ClassID,
		Time:     minigroup.Window{Start: r.Time[0], End: r.Time[1]},
		Reserve:  r.Reserve,
		Host:     r.Host,
		TimedOut: r.TimedOut,
	}
}
