package minigroup

import "github.com/google/uuid"

// Lookup is a minigroup whose conference room is to be read: conference may have closed the room, or have executed a
// PATCH that was taken for lost.
type Lookup struct {
	Minigroup
	// Unanswered are PATCHes of decided updates that were not answered and that the room did not show; empty where only
	// the closing of the room is looked for.
	Unanswered []UnansweredPatch
}

// UnansweredPatch is a PATCH of a decided update that conference may have executed after all.
type UnansweredPatch struct {
	UpdateID uuid.UUID
	Patch    ConferencePatch
}

// PlanRepair returns the change that makes the minigroup and its conference room equal again if the room shows an
// unanswered PATCH and the minigroup something else. The change requests the minigroup's own values where conference
// lets the room be changed back, and the room's values where it does not. It is meant for the revision that was looked
// up. needed is false if no such PATCH shows; so it is for a class that is over, and for a closed room. now is in unix
// seconds.
func (l Lookup) PlanRepair(room ConferenceRoomState, now int64) (change Change, needed bool) {
	change = Change{Revision: &l.Revision, Repair: true}
	if l.Time.Ended(now) || room.Time.Ended(now) {
		return change, false
	}
	for _, late := range l.Unanswered {
		p := late.Patch
		if p.Host != nil && room.Host == *p.Host && room.Host != l.Host {
			change.Host = l.repairHost(room)
		}
		if p.Reserve != nil && equal(room.Reserve, p.Reserve) && !equal(room.Reserve, l.Reserve) {
			change.Reserve = l.repairReserve(room)
		}
		if p.Time != nil && change.Time == nil {
			change.Time = l.repairTime(*p.Time, room, now)
		}
	}
	return change, !change.Empty()
}

// repairHost: conference accepts only agent ids, but a minigroup may have been created with any name.
func (l Lookup) repairHost(room ConferenceRoomState) *string {
	if isAgentID(l.Host) {
		return &l.Host
	}
	return &room.Host
}

// repairReserve: conference cannot remove the number of slots of a room.
func (l Lookup) repairReserve(room ConferenceRoomState) *int32 {
	if l.Reserve != nil {
		return l.Reserve
	}
	return room.Reserve
}

// repairTime returns nil if the room does not show the late window, or as much of it as the minigroup says.
func (l Lookup) repairTime(late Window, room ConferenceRoomState, now int64) *Window {
	patch := ConferencePatch{Time: &late}
	if !patch.Applied(room, now) && !patch.AppliedButStart(room, now) {
		return nil
	}
	switch _, back, err := planTime(l.Time, room.Time, now); {
	case err != nil: // conference does not take this window back
		return &room.Time
	case back.Equal(room.Time):
		return nil
	default:
		return &l.Time
	}
}
