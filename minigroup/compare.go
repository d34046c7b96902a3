package minigroup

// PlanComparison works out what to do about PATCHes that went unanswered and were taken for lost, should conference have
// executed one after all: m is what the minigroup has come to without them, room what conference shows now. What conference
// lets be changed back is changed back; what it does not, the minigroup takes over, so that both tell the same in the end.
// needed is false where none of them shows.
func PlanComparison(m Minigroup, late []ConferencePatch, room ConferenceRoomState, now int64) (plan UpdatePlan, needed bool) {
	plan = UpdatePlan{Time: m.Time, Reserve: m.Reserve, Host: m.Host}
	for _, p := range late {
		if p.Host != nil && room.Host == *p.Host && room.Host != m.Host {
			plan.compareHost(m, room)
			needed = true
		}
		if p.Reserve != nil && equal(room.Reserve, p.Reserve) && !equal(room.Reserve, m.Reserve) {
			plan.compareReserve(m, room)
			needed = true
		}
		if p.Time != nil && plan.compareTime(m, ConferencePatch{Time: p.Time}, room, now) {
			needed = true
		}
	}
	return plan, needed
}

// compareHost: conference takes agent ids only, and a minigroup is created with any name.
func (p *UpdatePlan) compareHost(m Minigroup, room ConferenceRoomState) {
	if isAgentID(m.Host) {
		p.Patch.Host = &m.Host
	} else {
		p.Host = room.Host
	}
}

// compareReserve: conference cannot be told to have no number again.
func (p *UpdatePlan) compareReserve(m Minigroup, room ConferenceRoomState) {
	if m.Reserve != nil {
		p.Patch.Reserve = m.Reserve
	} else {
		p.Reserve = room.Reserve
	}
}

// compareTime reports whether the room shows the late window and the minigroup another one.
func (p *UpdatePlan) compareTime(m Minigroup, late ConferencePatch, room ConferenceRoomState, now int64) bool {
	if m.Time.Ended(now) || (!late.Applied(room, now) && !late.AppliedButStart(room, now)) {
		return false
	}
	if room.Time.Ended(now) { // nothing opens a room again
		p.Time, p.Ends = room.Time, true
		return true
	}
	_, patch, err := planTime(m.Time, room.Time, now)
	switch {
	case err != nil:
		p.Time = room.Time
	case patch.Equal(room.Time):
		return false
	default:
		p.Patch.Time = &patch
	}
	return true
}
