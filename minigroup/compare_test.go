package minigroup_test

import (
	"testing"
	"time"

	"minigroups/minigroup"
)

func TestPlanComparison(t *testing.T) {
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
		patch     minigroup.ConferencePatch
		then      minigroup.Window // empty: as before
		thenHost  string
		thenSlots *int32
		ends      bool
	}{
		"a window that does not show is not looked after": {
			time: window(9000, 20000), late: patch(window(9000, 15000)), room: room(window(9000, 20000)),
		},
		"a window that shows and is told alike needs nothing": {
			time: window(9000, 20000), late: patch(window(9000, 20000)), room: room(window(9000, 20000)),
		},
		"a window that shows is changed back": {
			time: window(9000, 20000), late: patch(window(9000, 15000)), room: room(window(9000, 15000)),
			needed: true, patch: patch(window(9000, 20000)),
		},
		"a window that shows but for its start is changed back": {
			time: window(9000, 20000), late: patch(window(9500, 15000)), room: room(window(9000, 15000)),
			needed: true, patch: patch(window(9000, 20000)),
		},
		"a start that lies ahead is changed back": {
			time: window(11000, 20000), late: patch(window(12000)), room: room(window(12000)),
			needed: true, patch: patch(window(11000)),
		},
		"an end that conference does not take back becomes that of the minigroup": {
			time: window(9000), late: patch(window(9000, 15000)), room: room(window(9000, 15000)),
			needed: true, then: window(9000, 15000),
		},
		"a room that was closed ends the minigroup": {
			time: window(9000, 20000), late: patch(window(9000, 9500)), room: room(window(9000, 9900)),
			needed: true, then: window(9000, 9900), ends: true,
		},
		"a room that conference closed of itself is not looked after": {
			time: window(9000, 20000), late: patch(window(9000, 15000)), room: room(window(9000, 9900)),
		},
		"a minigroup that is over is not looked after": {
			time: window(8000, 9000), late: patch(window(8000, 15000)), room: room(window(8000, 15000)),
		},
		"a host is changed back": {
			time: window(9000), host: "d.e.f", late: minigroup.ConferencePatch{Host: new("a.b.c")}, room: room(window(9000)),
			needed: true, patch: minigroup.ConferencePatch{Host: new("d.e.f")},
		},
		"a host that cannot be given back becomes that of the minigroup": {
			time: window(9000), host: "teacher", late: minigroup.ConferencePatch{Host: new("a.b.c")}, room: room(window(9000)),
			needed: true, thenHost: "a.b.c",
		},
		"slots are changed back": {
			time: window(9000), reserve: new(int32(9)), late: minigroup.ConferencePatch{Reserve: new(int32(5))}, room: room(window(9000)),
			needed: true, patch: minigroup.ConferencePatch{Reserve: new(int32(9))}, thenSlots: new(int32(9)),
		},
		"slots that cannot be unsaid become those of the minigroup": {
			time: window(9000), late: minigroup.ConferencePatch{Reserve: new(int32(5))}, room: room(window(9000)),
			needed: true, thenSlots: new(int32(5)),
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := minigroup.Minigroup{Draft: minigroup.Draft{Time: c.time, Host: c.host, Reserve: c.reserve}, CreatedAt: time.Unix(1, 0)}
			plan, needed := minigroup.PlanComparison(m, []minigroup.ConferencePatch{c.late}, c.room, now)
			if needed != c.needed {
				t.Fatalf("needed: %v", needed)
			}
			then, host := c.then, c.thenHost
			if then.Start == nil {
				then = c.time
			}
			if host == "" {
				host = c.host
			}
			if !plan.Time.Equal(then) || plan.Host != host || plan.Ends != c.ends || !sameSlots(plan.Reserve, c.thenSlots) {
				t.Errorf("the minigroup becomes %+v", plan)
			}
			if (plan.Patch.Time == nil) != (c.patch.Time == nil) || (c.patch.Time != nil && !plan.Patch.Time.Equal(*c.patch.Time)) ||
				!sameSlots(plan.Patch.Reserve, c.patch.Reserve) || (plan.Patch.Host == nil) != (c.patch.Host == nil) || (c.patch.Host != nil && *plan.Patch.Host != *c.patch.Host) {
				t.Errorf("conference is asked for %+v", plan.Patch)
			}
		})
	}
}

func sameSlots(a, b *int32) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }
