package ops

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/workflows"
)

// history makes the runs of one class, the earliest first.
type history struct {
	request minigroup.CreateRequest
	runs    []workflows.Trace
	known   known
}

func newHistory() *history {
	h := &history{request: minigroup.NewCreateRequest(minigroup.Draft{Audience: "a", Scope: "s", Host: "h"})}
	h.known = known{updates: map[uuid.UUID]minigroup.UpdateState{}, rooms: map[uuid.UUID]bool{}}
	return h
}

// add adds a run that has succeeded, with rooms unless it is an update.
func (h *history) add(change *minigroup.Change) *workflows.Trace {
	t := workflows.Trace{
		Run: uuid.NewString(), ClassID: h.request.ID, Started: time.Unix(int64(len(h.runs)), 0), Succeeded: true, Begun: true,
	}
	if change == nil {
		t.Create = &h.request
	} else {
		t.UpdateID, t.Change = uuid.New(), *change
	}
	if !t.IsUpdate() {
		t.Rooms = []workflows.TracedRoom{{Kind: minigroup.EventRoom, ID: uuid.New()},
			{Kind: minigroup.ConferenceRoom, ID: uuid.New()}}
	}
	h.runs = append(h.runs, t)
	return &h.runs[len(h.runs)-1]
}

// knows lets the ledger have the rooms and the update of a run.
func (h *history) knows(t *workflows.Trace, state minigroup.UpdateState) {
	for _, r := range t.Rooms {
		h.known.rooms[r.ID] = true
	}
	if t.Create == nil {
		h.known.updates[t.UpdateID] = state
	}
}

func (h *history) has(state minigroup.State, owner *workflows.Trace) {
	h.known.row = &minigroup.Minigroup{ID: h.request.ID, Draft: h.request.Draft, State: state, Run: owner.Run}
}

// end ends a run without success, or leaves it open.
func end(t *workflows.Trace, open, begun bool) *workflows.Trace {
	t.Succeeded, t.Open, t.Begun = false, open, begun
	if !begun {
		t.Rooms = nil
	}
	return t
}

// summary is what a plan does, with the numbers of rooms that are kept and closed.
func summary(p plan) string {
	if p.isEmpty() {
		return ""
	}
	out := []string{p.does()}
	for _, r := range p.rooms {
		out = append(out, map[bool]string{true: "keep", false: "close"}[r.Keep])
	}
	if len(p.terminate) > 0 {
		out = append(out, "terminate")
	}
	if p.again {
		out = append(out, "again")
	}
	return strings.Join(out, " ")
}

func TestAClassIsReconciledWithItsRuns(t *testing.T) {
	recreate := &minigroup.Change{Recreate: &minigroup.Recreation{}}
	reserve := func(n int32) *minigroup.Change { return &minigroup.Change{Reserve: &n} }
	for name, test := range map[string]struct {
		make func(h *history)
		want string
	}{
		"the ledger has all": {func(h *history) {
			c := h.add(nil)
			h.knows(c, "")
			h.has(minigroup.Ready, c)
			h.knows(h.add(reserve(1)), minigroup.UpdateDone)
		}, ""},
		"a create was lost":        {func(h *history) { h.add(nil) }, "create keep keep"},
		"a failed create was lost": {func(h *history) { end(h.add(nil), false, true) }, "undo close close"},
		"a failed create in the ledger has other rooms": {func(h *history) {
			h.has(minigroup.Undoing, end(h.add(nil), false, true))
		}, "close close close"},
		"an open create was lost": {func(h *history) { end(h.add(nil), true, true) }, "create keep keep terminate"},
		"an open create is being undone": {func(h *history) {
			end(h.add(nil), true, true).Undoing = true
		}, "undo close close"},
		"an open create has not begun": {func(h *history) { end(h.add(nil), true, false) }, ""},
		"an open create goes on": {func(h *history) {
			c := end(h.add(nil), true, true)
			h.knows(c, "")
			h.has(minigroup.Creating, c)
		}, ""},
		"its answers were lost": {func(h *history) {
			h.has(minigroup.Creating, h.add(nil))
		}, "create keep keep"},
		"a room was returned by two steps": {func(h *history) {
			c := h.add(nil)
			c.Rooms = append(c.Rooms, c.Rooms[0])
		}, "create keep keep"},
		"a create and its recreate were lost": {func(h *history) {
			h.add(nil)
			h.add(recreate)
		}, "create close close keep keep"},
		"a create was lost and requested again": {func(h *history) {
			h.add(nil)
			again := h.add(nil)
			h.knows(again, "")
			h.has(minigroup.Ready, again)
		}, "close close close"},
		"a recreate was lost": {func(h *history) {
			c := h.add(nil)
			h.knows(c, "")
			h.has(minigroup.Ready, c)
			h.add(recreate)
		}, "recreate keep keep"},
		"the first of two recreates was lost, too": {func(h *history) {
			h.has(minigroup.Ready, &workflows.Trace{})
			h.add(recreate)
			h.add(recreate)
		}, "recreate close close keep keep"},
		"a recreate failed since": {func(h *history) {
			h.has(minigroup.Ready, &workflows.Trace{})
			end(h.add(recreate), false, true)
		}, "close close close"},
		"the sweeper has failed it already": {func(h *history) {
			h.has(minigroup.Ready, &workflows.Trace{})
			r := h.add(recreate)
			h.known.updates[r.UpdateID] = minigroup.UpdateFailed
		}, "close close close"},
		"a recreate is open": {func(h *history) {
			h.has(minigroup.Ready, &workflows.Trace{})
			end(h.add(recreate), true, true)
		}, "recreate keep keep terminate"},
		"a recreate and an update were lost": {func(h *history) {
			h.has(minigroup.Ready, &workflows.Trace{})
			h.add(recreate)
			h.add(reserve(1))
		}, "recreate keep keep again"},
		"an update was lost": {func(h *history) {
			h.has(minigroup.Ready, &workflows.Trace{})
			h.add(reserve(1))
		}, "update"},
		"an update that was lost is older than one that was not": {func(h *history) {
			h.has(minigroup.Ready, &workflows.Trace{})
			h.add(reserve(1))
			h.knows(h.add(reserve(2)), minigroup.UpdateDone)
		}, ""},
		"an update is open": {func(h *history) {
			h.has(minigroup.Ready, &workflows.Trace{})
			end(h.add(reserve(1)), true, true)
		}, "update terminate"},
		"the create is too old for Temporal": {func(h *history) { h.add(reserve(1)) }, "nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory()
			test.make(h)
			if got := summary(planClass(h.runs, h.known)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestLostChangesAreMerged(t *testing.T) {
	window := minigroup.Window{Start: new(int64(10)), End: new(int64(20))}
	changes := []*minigroup.Change{
		{Time: &window, Reserve: new(int32(1)), Revision: new(int64(7))}, {Reserve: new(int32(2))},
		{Recreate: &minigroup.Recreation{LockedChat: new(true)}}, {Host: new("x.y.z")},
	}
	h := newHistory()
	h.add(nil)
	for _, c := range changes {
		h.add(c)
	}
	got := planClass(slices.Clone(h.runs), h.known).create
	if got == nil || !got.Time.Equal(window) || got.Slots() != 2 || got.Host != "x.y.z" || !got.LockedChat ||
		got.Fingerprint != h.request.Fingerprint {
		t.Errorf("the create is repeated as %+v", got)
	}
	h.known.row = &minigroup.Minigroup{ID: h.request.ID, State: minigroup.Ready}
	for i := range h.runs {
		if h.runs[i].IsRecreate() {
			h.knows(&h.runs[i], minigroup.UpdateDone)
		}
	}
	update := planClass(h.runs, h.known).update
	if update == nil || !update.Change.Time.Equal(window) || *update.Change.Reserve != 2 ||
		*update.Change.Host != "x.y.z" {
		t.Errorf("the updates are repeated as %+v", update)
	}
}
