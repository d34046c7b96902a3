package conference

import (
	"fmt"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// room is what conference shows of a room.
type room struct {
	ID       uuid.UUID `json:"id"`
	Time     []*int64  `json:"time"`
	Reserve  *int32    `json:"reserve"`
	Host     string    `json:"host"` // null where there is none
	TimedOut bool      `json:"timed_out"`
}

func (r room) check(id uuid.UUID) error {
	if r.ID != id {
		return fmt.Errorf("it is about room %s", r.ID)
	}
	if len(r.Time) != 2 {
		return fmt.Errorf("its time has %d sides", len(r.Time))
	}
	return nil
}

func (r room) state() minigroup.ConferenceRoomState {
	return minigroup.ConferenceRoomState{
		ID:       r.ID,
		Time:     minigroup.Window{Start: r.Time[0], End: r.Time[1]},
		Reserve:  r.Reserve,
		Host:     r.Host,
		TimedOut: r.TimedOut,
	}
}
