package ops

import (
	"cmp"
	"slices"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/workflows"
)

// known is what the ledger says about a class and the runs of it.
type known struct {
	// row is nil if the ledger does not have the class.
	row *minigroup.Minigroup
	// updates has the states of the updates of the runs, and rooms the rooms of the runs, that the ledger has.
	updates map[uuid.UUID]minigroup.UpdateState
	rooms   map[uuid.UUID]bool
}

// plan is what must be done for a class so that the ledger agrees again with what its runs have done.
type plan struct {
	classID         uuid.UUID
	audience, scope string
	// state is that of the class in the ledger; empty if the ledger does not have it.
	state minigroup.State
	// terminate are open runs that count on records which the ledger has lost.
	terminate []workflows.Trace
	// At most one of these is set: a create that is undone because it had failed, a create or a recreate that takes the
	// rooms which exist, and an update that is repeated.
	undo     *workflows.Trace
	create   *minigroup.CreateRequest
	recreate *workflows.Trace
	update   *workflows.Trace
	// accept is the run that is to own the class until a new run takes it, if the ledger does not have the class.
	accept string
	rooms  []minigroup.FoundRoom
	// again says that something is left that can be decided only when this is done.
	again bool
	// impossible says why the class cannot be brought back.
	impossible string
}

func (p *plan) isEmpty() bool {
	return len(p.terminate) == 0 && p.undo == nil && p.create == nil && p.recreate == nil && p.update == nil &&
		len(p.rooms) == 0 && p.impossible == ""
}

// planClass compares the runs of one class with the ledger.
//
// The rooms that a class should have are those of its last create or recreate that has succeeded or is not finished.
// If the ledger does not know them, the operation is repeated with these rooms. All other rooms that the ledger does
// not know are closed.
func planClass(runs []workflows.Trace, k known) plan {
	slices.SortFunc(runs, func(a, b workflows.Trace) int { return a.Started.Compare(b.Started) })
	c := classRuns{known: k, runs: runs}
	c.plan.classID = runs[0].ClassID
	if k.row != nil {
		c.plan.audience, c.plan.scope, c.plan.state = k.row.Audience, k.row.Scope, k.row.State
	}
	if k.row == nil || k.row.State != minigroup.Ready {
		c.planCreate()
	} else {
		c.planChanges()
	}
	c.planRooms()
	return c.plan
}

// classRuns are the runs of a class, the earliest first, and the plan that is made of them.
type classRuns struct {
	known
	runs []workflows.Trace
	plan plan
	// keep is the run whose rooms the class is to have.
	keep *workflows.Trace
}

// unknownRooms reports whether a run has created rooms that the ledger does not know.
func (c *classRuns) unknownRooms(t workflows.Trace) bool {
	return slices.ContainsFunc(t.Rooms, func(r workflows.TracedRoom) bool { return !c.rooms[r.ID] })
}

// planCreate plans for a class that the ledger does not have, or that is not ready there.
func (c *classRuns) planCreate() {
	i := c.lastIndex(func(t workflows.Trace) bool { return t.Create != nil })
	if i < 0 {
		if c.row == nil {
			c.plan.impossible = "Temporal does not have the run that has created it any more"
		}
		return
	}
	create := c.runs[i]
	c.plan.audience, c.plan.scope = create.Create.Audience, create.Create.Scope
	if c.row == nil {
		c.plan.accept = create.Run
	}
	switch {
	case !create.Succeeded && (!create.Open || create.Undoing):
		if c.row == nil {
			c.plan.undo = &create
		}
		return // otherwise the sweeper undoes it
	case create.Open && !create.Begun:
		c.plan.accept = ""
		return // it finds out what there is
	case create.Open && c.row != nil && c.row.Run == create.Run && !c.unknownRooms(create):
		return // it goes on where it was
	}
	// The updates and recreates since are part of the request from now on.
	request := *create.Create
	c.keep = &create
	for _, t := range c.runs[i+1:] {
		if t.Create != nil || (!t.Succeeded && !t.Open) {
			continue
		}
		fold(&request.Draft, t.Change)
		if t.IsRecreate() && t.Succeeded {
			c.keep = &t
		}
	}
	c.plan.create = &request
	c.terminate(func(workflows.Trace) bool { return true })
}

// fold makes a change part of a draft.
func fold(d *minigroup.Draft, c minigroup.Change) {
	if c.Time != nil {
		d.Time = *c.Time
	}
	if c.Reserve != nil {
		d.Reserve = c.Reserve
	}
	if c.Host != nil {
		d.Host = *c.Host
	}
	if r := c.Recreate; r != nil && r.LockedChat != nil {
		d.LockedChat = *r.LockedChat
	}
	if r := c.Recreate; r != nil && r.LockedQuestions != nil {
		d.LockedQuestions = *r.LockedQuestions
	}
}

// planChanges plans for a class that is ready.
func (c *classRuns) planChanges() {
	if slices.ContainsFunc(c.runs, func(t workflows.Trace) bool { return t.Open && !t.Begun }) {
		return // such a run depends on nothing that was lost; it comes first, and may be one that was started for this
	}
	// A create that has succeeded since has taken up what was before it.
	since := c.runs[c.lastIndex(func(t workflows.Trace) bool { return t.Create != nil && t.Succeeded })+1:]
	var recreate *workflows.Trace
	for _, t := range since {
		if t.IsRecreate() && (t.Succeeded || t.Open) {
			recreate = &t
		}
	}
	if recreate != nil {
		state, written := c.updates[recreate.UpdateID]
		decided := state == minigroup.UpdateDone || state == minigroup.UpdateFailed
		if !decided && (recreate.Succeeded || !written || c.unknownRooms(*recreate)) {
			c.plan.recreate, c.keep = recreate, recreate
			c.terminate(func(t workflows.Trace) bool { return t.Run == recreate.Run })
		}
	}
	update := c.lostUpdate(since)
	switch {
	case update == nil:
	case c.plan.recreate != nil:
		c.plan.again = true
	default:
		c.plan.update = update
		c.terminate(func(t workflows.Trace) bool { return t.UpdateID == update.UpdateID })
	}
}

// lostUpdate returns the last update that the ledger does not have, with the changes of all of those; nil if there is
// none.
func (c *classRuns) lostUpdate(runs []workflows.Trace) *workflows.Trace {
	var lost *workflows.Trace
	var merged minigroup.Change
	for _, t := range runs {
		if !t.IsUpdate() {
			continue
		}
		if _, written := c.updates[t.UpdateID]; written {
			lost, merged = nil, minigroup.Change{} // what came before it is in the ledger or was overtaken
			continue
		}
		if !t.Succeeded && !t.Open {
			continue
		}
		merged = minigroup.Change{
			Time: cmp.Or(t.Change.Time, merged.Time), Reserve: cmp.Or(t.Change.Reserve, merged.Reserve),
			Host: cmp.Or(t.Change.Host, merged.Host), RequestedBy: t.Change.RequestedBy, Repair: t.Change.Repair,
		}
		t.Change = merged
		lost = &t
	}
	return lost
}

// planRooms decides about the rooms that the ledger does not know.
func (c *classRuns) planRooms() {
	if c.row == nil && c.plan.accept == "" {
		return // they belong to no class that the ledger has
	}
	for _, t := range c.runs {
		for _, r := range t.Rooms {
			if c.rooms[r.ID] || isPlanned(c.plan.rooms, r.ID) {
				continue
			}
			found := minigroup.FoundRoom{
				ID: r.ID, ClassID: t.ClassID, Kind: r.Kind, Operation: minigroup.ForCreate, Run: t.Run,
				Keep: c.keep != nil && c.keep.Run == t.Run && isLast(t.Rooms, r),
			}
			switch {
			case c.plan.create != nil:
				found.Fingerprint = c.plan.create.Fingerprint
			case t.Create != nil:
				found.Fingerprint = t.Create.Fingerprint
			default:
				found.Operation, found.Fingerprint = minigroup.ForRecreate, t.UpdateID.String()
			}
			c.plan.rooms = append(c.plan.rooms, found)
		}
	}
}

// isPlanned reports whether the room is planned already.
func isPlanned(rooms []minigroup.FoundRoom, id uuid.UUID) bool {
	return slices.ContainsFunc(rooms, func(r minigroup.FoundRoom) bool { return r.ID == id })
}

// isLast reports whether the room is the last of its kind.
func isLast(rooms []workflows.TracedRoom, room workflows.TracedRoom) bool {
	for _, r := range slices.Backward(rooms) {
		if r.Kind == room.Kind {
			return r.ID == room.ID
		}
	}
	return false
}

func (c *classRuns) lastIndex(is func(workflows.Trace) bool) int {
	for i, t := range slices.Backward(c.runs) {
		if is(t) {
			return i
		}
	}
	return -1
}

// terminate plans to terminate the open runs that are selected.
func (c *classRuns) terminate(selected func(workflows.Trace) bool) {
	for _, t := range c.runs {
		if t.Open && selected(t) {
			c.plan.terminate = append(c.plan.terminate, t)
		}
	}
}
