package minigroup

import "errors"

// UpdatePlan is the effect of an update: the new values of the minigroup, and the PATCH that conference must accept.
type UpdatePlan struct {
	Time    Window
	Reserve *int32
	Host    string
	// Patch is empty if conference has nothing to change.
	Patch ConferencePatch
	// Ends says that the update ends the class.
	Ends bool
	// Revision is that of the minigroup which the plan was made for. The update begins at no other.
	Revision int64
}

// ErrOutdatedPlan says that the minigroup was changed after an update of it was planned: it must be planned again.
var ErrOutdatedPlan = errors.New("the minigroup was changed while the update was planned")

// PlanUpdate returns the effect of a change of m, given the present state of its conference room; now is in unix
// seconds. conferenceOwnsSlots says that conference keeps the number of slots. PlanUpdate refuses what conference would
// refuse or silently change: it returns Closed if the room is closed, RoomTimeChangeForbidden if conference does not
// allow the new time, and InvalidPayload if the end is not after the start of the room.
func PlanUpdate(
	m Minigroup, c Change, room ConferenceRoomState, now int64, conferenceOwnsSlots bool,
) (UpdatePlan, error) {
	if !m.ClosedAt.IsZero() || room.Time.Ended(now) {
		return UpdatePlan{}, Errorf(Closed, "the conference room of this minigroup is closed and cannot be changed")
	}
	plan := UpdatePlan{Time: m.Time, Reserve: m.Reserve, Host: m.Host, Revision: m.Revision}
	if c.Host != nil {
		plan.Host = *c.Host
		if room.Host != *c.Host {
			plan.Patch.Host = c.Host
		}
	}
	if c.Reserve != nil {
		plan.Reserve = c.Reserve
		if conferenceOwnsSlots && !equal(room.Reserve, c.Reserve) {
			plan.Patch.Reserve = c.Reserve
		}
	}
	if c.Time != nil {
		window, patch, err := planTime(*c.Time, room.Time, now)
		if err != nil {
			return UpdatePlan{}, err
		}
		plan.Time, plan.Ends = window, window.Ended(now)
		if c.Repair && c.Time.Equal(m.Time) {
			plan.Time = m.Time // only the room is changed, also if the class has no start
		}
		if !patch.Equal(room.Time) {
			plan.Patch.Time = &patch
		}
	}
	return plan, nil
}

// planTime returns the new window of the class and the window to send to conference. Conference accepts any window for
// a room without end. A room with an end keeps its start, and its end cannot be removed.
func planTime(want, room Window, now int64) (class, patch Window, err error) {
	start := want.Start
	if start == nil {
		start = room.Start
	}
	if start == nil {
		start = &now
	}
	if want.End != nil && *start >= *want.End {
		if start, err = startBefore(*want.End, *start, room, now); err != nil {
			return class, patch, err
		}
	}
	class = Window{start, want.End}
	switch {
	case room.End == nil && *start > now:
		return class, Window{start, nil}, nil // with an end it could not be moved again before it opens
	case room.End == nil:
		return class, class, nil
	case !equal(start, room.Start):
		return class, patch, Errorf(RoomTimeChangeForbidden,
			"the conference room already has an end, so its start (%s) cannot be moved", second(room.Start))
	case want.End == nil:
		return class, patch, Errorf(RoomTimeChangeForbidden,
			"the conference room already has an end, which cannot be removed")
	default:
		return class, class, nil
	}
}

// startBefore returns a start before an end that is not after the start of the class. An end that has passed closes the
// room, whatever its start, if the room has no end; any other is a mistake.
func startBefore(end, start int64, room Window, now int64) (*int64, error) {
	if end <= now && room.End != nil && start > now {
		return nil, Errorf(RoomTimeChangeForbidden,
			"the conference room has an end and opens at %s; it cannot be closed before that", second(room.Start))
	}
	if end > now || end == 0 || room.End != nil {
		return nil, Invalid([]FieldError{{"time[1]", "must be after the start of the class, which is " + second(&start)}})
	}
	return new(end - 1), nil
}

// Applied reports whether the room shows what the patch requests; now is in unix seconds. A patch that closes the room
// is applied if the room is closed, whatever its end, because conference sets the end to the time of closing.
func (p ConferencePatch) Applied(room ConferenceRoomState, now int64) bool {
	if p.Host != nil && room.Host != *p.Host {
		return false
	}
	if p.Reserve != nil && !equal(room.Reserve, p.Reserve) {
		return false
	}
	if p.Time == nil || p.Time.Equal(room.Time) {
		return true
	}
	return p.Time.Ended(now) && room.Time.Ended(now)
}

// AppliedButStart reports whether the room shows all that the patch requests, except for its start.
func (p ConferencePatch) AppliedButStart(room ConferenceRoomState, now int64) bool {
	if p.Time == nil || p.Time.End == nil || room.Time.End == nil || room.Time.Start == nil {
		return false
	}
	kept := p
	kept.Time = &Window{room.Time.Start, p.Time.End}
	return kept.Applied(room, now)
}
