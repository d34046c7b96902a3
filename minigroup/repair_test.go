package minigroup_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestPlanRepair(t *testing.T) {
	const now = 10_000
	window := func(bounds ...int64) minigroup.Window {
		w := minigroup.Window{Start: &bounds[0]}
		if len(bounds) > 1 {
			w.End = &bounds[1]
		}
		return w
	}
	room := func(w minigroup.Window) minigroup.ConferenceRoomState {
		return minigroup.ConferenceRoomState{Time: w, Host: "a.b.c", Reserve: new(int32(5))}
	}
	patch := func(w minigroup.Window) minigroup.ConferencePatch { return minigroup.ConferencePatch{Time: &w} }
	for name, c := range map[string]struct {
		time      minigroup.Window // of the minigroup
		host      string
		reserve   *int32
		late      minigroup.ConferencePatch
		room      minigroup.ConferenceRoomState
		needed    bool
		patch     minigroup.ConferencePatch // what conference is asked for
		then      minigroup.Window          // of the minigroup after the repair; zero: as before
		thenHost  string
		thenSlots *int32
	}{
		"a window that does not show needs no repair": {
			time: window(9000, 20000), late: patch(window(9000, 15000)), room: room(window(9000, 20000)),
		},
		"a window that shows and is the minigroup's needs no repair": {
			time: window(9000, 20000), late: patch(window(9000, 20000)), room: room(window(9000, 20000)),
		},
		"a window that shows is changed back": {
			time: window(9000, 20000), late: patch(window(9000, 15000)), room: room(window(9000, 15000)),
			needed: true, patch: patch(window(9000, 20000)),
		},
		"a window that shows except for its start is changed back": {
			time: window(9000, 20000), late: patch(window(9500, 15000)), room: room(window(9000, 15000)),
			needed: true, patch: patch(window(9000, 20000)),
		},
		"a window that shows is changed back for a class without a start, which keeps none": {
			time: minigroup.Window{End: new(int64(20000))}, late: patch(window(9000, 15000)), room: room(window(9000, 15000)),
			needed: true, patch: patch(window(9000, 20000)), then: minigroup.Window{End: new(int64(20000))},
		},
		"a start in the future is changed back": {
			time: window(11000, 20000), late: patch(window(12000)), room: room(window(12000)),
			needed: true, patch: patch(window(11000)),
		},
		"an end that conference does not remove becomes that of the minigroup": {
			time: window(9000), late: patch(window(9000, 15000)), room: room(window(9000, 15000)),
			needed: true, then: window(9000, 15000),
		},
		"a room that the late PATCH has closed cannot be repaired": {
			time: window(9000, 20000), late: patch(window(9000, 9500)), room: room(window(9000, 9900)),
		},
		"a room that conference has closed by itself cannot be repaired": {
			time: window(9000, 20000), late: patch(window(9000, 15000)), room: room(window(9000, 9900)),
		},
		"a minigroup that is over needs no repair": {
			time: window(8000, 9000), late: patch(window(8000, 15000)), room: room(window(8000, 15000)),
		},
		"a host is changed back": {
			time: window(9000), host: "d.e.f", late: minigroup.ConferencePatch{Host: new("a.b.c")},
			room: room(window(9000)), needed: true, patch: minigroup.ConferencePatch{Host: new("d.e.f")},
		},
		"a host that is no agent id cannot be changed back, so the minigroup gets that of the room": {
			time: window(9000), host: "teacher", late: minigroup.ConferencePatch{Host: new("a.b.c")},
			room: room(window(9000)), needed: true, thenHost: "a.b.c",
		},
		"slots are changed back": {
			time: window(9000), reserve: new(int32(9)), late: minigroup.ConferencePatch{Reserve: new(int32(5))},
			room: room(window(9000)), needed: true, patch: minigroup.ConferencePatch{Reserve: new(int32(9))},
			thenSlots: new(int32(9)),
		},
		"slots that do not show need no repair": {
			time: window(9000), reserve: new(int32(9)), late: minigroup.ConferencePatch{Reserve: new(int32(6))},
			room: room(window(9000)),
		},
		"slots that conference cannot unset become those of the minigroup": {
			time: window(9000), late: minigroup.ConferencePatch{Reserve: new(int32(5))}, room: room(window(9000)),
			needed: true, thenSlots: new(int32(5)),
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := minigroup.Lookup{
				Minigroup: minigroup.Minigroup{
					Draft: minigroup.Draft{Time: c.time, Host: c.host, Reserve: c.reserve}, CreatedAt: time.Unix(1, 0),
					Revision: 7,
				},
				Unanswered: []minigroup.UnansweredPatch{{UpdateID: uuid.New(), Patch: c.late}},
			}
			change, needed := l.PlanRepair(c.room, now)
			if needed != c.needed {
				t.Fatalf("needed: %v", needed)
			}
			if !needed {
				return
			}
			if !change.Repair || change.Revision == nil || *change.Revision != l.Revision {
				t.Errorf("the change is %+v", change)
			}
			plan, err := minigroup.PlanUpdate(l.Minigroup, change, c.room, now, true)
			if err != nil {
				t.Fatal(err)
			}
			then, host := c.then, c.thenHost
			if then.Start == nil && then.End == nil {
				then = c.time
			}
			if host == "" {
				host = c.host
			}
			if !plan.Time.Equal(then) || plan.Host != host || plan.Ends || !sameSlots(plan.Reserve, c.thenSlots) {
				t.Errorf("the minigroup becomes %+v", plan)
			}
			is, want := plan.Patch, c.patch
			if (is.Time == nil) != (want.Time == nil) || is.Time != nil && !is.Time.Equal(*want.Time) ||
				!sameSlots(is.Reserve, want.Reserve) ||
				(is.Host == nil) != (want.Host == nil) || is.Host != nil && *is.Host != *want.Host {
				t.Errorf("conference is asked for %+v", plan.Patch)
			}
		})
	}
}

func sameSlots(a, b *int32) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }
