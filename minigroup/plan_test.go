package minigroup_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"minigroups/minigroup"
)

func show(w *minigroup.Window) string {
	if w == nil {
		return "-"
	}
	side := func(s *int64) string {
		if s == nil {
			return "null"
		}
		return fmt.Sprintf("%+d", *s-now)
	}
	return "[" + side(w.Start) + "," + side(w.End) + "]"
}

// at is a moment so many seconds from now.
func at(seconds int64) *int64 { return new(now + seconds) }

func TestPlanUpdateTime(t *testing.T) {
	const forbidden, invalid, closed = minigroup.RoomTimeChangeForbidden, minigroup.InvalidPayload, minigroup.Closed
	begun, ahead := window(at(-60), nil), window(at(60), nil)
	begunBounded, aheadBounded := window(at(-60), at(600)), window(at(60), at(600))
	for _, c := range []struct {
		name       string
		room, want minigroup.Window
		// class and patch are the windows of the class and of the PATCH; "-" is none.
		class, patch string
		ends         bool
		refused      minigroup.Kind
	}{
		{name: "begun, without end: gets an end", room: begun, want: window(at(-60), at(900)), class: "[-60,+900]", patch: "[-60,+900]"},
		{name: "begun, without end: a null start is the room's", room: begun, want: window(nil, at(900)), class: "[-60,+900]", patch: "[-60,+900]"},
		{name: "begun, without end: another start", room: begun, want: window(at(-30), at(900)), class: "[-30,+900]", patch: "[-30,+900]"},
		{name: "begun, without end: a start ahead keeps it without end", room: begun, want: window(at(30), at(900)), class: "[+30,+900]", patch: "[+30,null]"},
		{name: "begun, without end: no end stays none", room: begun, want: window(nil, nil), class: "[-60,null]", patch: "-"},
		{name: "begun, without end: an end in the past closes", room: begun, want: window(nil, at(-5)), class: "[-60,-5]", patch: "[-60,-5]", ends: true},
		{name: "begun, without end: an end now closes", room: begun, want: window(nil, at(0)), class: "[-60,+0]", patch: "[-60,+0]", ends: true},
		{name: "begun, without end: an end before its start closes", room: begun, want: window(nil, at(-90)), class: "[-91,-90]", patch: "[-91,-90]", ends: true},

		{name: "ahead, without end: an end is kept from conference until it opens", room: ahead, want: window(at(60), at(900)), class: "[+60,+900]", patch: "-"},
		{name: "ahead, without end: moves", room: ahead, want: window(at(120), at(900)), class: "[+120,+900]", patch: "[+120,null]"},
		{name: "ahead, without end: a null start is the room's", room: ahead, want: window(nil, at(900)), class: "[+60,+900]", patch: "-"},
		{name: "ahead, without end: a start in the past opens it", room: ahead, want: window(at(-30), at(900)), class: "[-30,+900]", patch: "[-30,+900]"},
		{name: "ahead, without end: a start now opens it", room: ahead, want: window(at(0), at(900)), class: "[+0,+900]", patch: "[+0,+900]"},
		{name: "ahead, without end: an end before the start is a mistake", room: ahead, want: window(nil, at(30)), refused: invalid},
		{name: "ahead, without end: an end at the start is a mistake", room: ahead, want: window(nil, at(60)), refused: invalid},
		{name: "ahead, without end: an end in the past closes", room: ahead, want: window(nil, at(-5)), class: "[-6,-5]", patch: "[-6,-5]", ends: true},
		{name: "ahead, without end: an end now closes", room: ahead, want: window(nil, at(0)), class: "[-1,+0]", patch: "[-1,+0]", ends: true},
		{name: "ahead, without end: a window in the past closes", room: ahead, want: window(at(-30), at(-5)), class: "[-30,-5]", patch: "[-30,-5]", ends: true},
		{name: "ahead, without end: the epoch is no end", room: ahead, want: window(nil, new(int64(0))), refused: invalid},

		{name: "begun, with an end: another end", room: begunBounded, want: window(at(-60), at(900)), class: "[-60,+900]", patch: "[-60,+900]"},
		{name: "begun, with an end: a null start is the room's", room: begunBounded, want: window(nil, at(900)), class: "[-60,+900]", patch: "[-60,+900]"},
		{name: "begun, with an end: the same", room: begunBounded, want: window(nil, at(600)), class: "[-60,+600]", patch: "-"},
		{name: "begun, with an end: does not move", room: begunBounded, want: window(at(-30), at(900)), refused: forbidden},
		{name: "begun, with an end: is not moved ahead", room: begunBounded, want: window(at(30), at(900)), refused: forbidden},
		{name: "begun, with an end: does not become endless", room: begunBounded, want: window(nil, nil), refused: forbidden},
		{name: "begun, with an end: an end in the past closes", room: begunBounded, want: window(nil, at(-5)), class: "[-60,-5]", patch: "[-60,-5]", ends: true},

		{name: "ahead, with an end: another end", room: aheadBounded, want: window(nil, at(900)), class: "[+60,+900]", patch: "[+60,+900]"},
		{name: "ahead, with an end: does not move", room: aheadBounded, want: window(at(120), at(900)), refused: forbidden},
		{name: "ahead, with an end: does not become endless", room: aheadBounded, want: window(at(60), nil), refused: forbidden},
		{name: "ahead, with an end: cannot be closed", room: aheadBounded, want: window(nil, at(-5)), refused: forbidden},
		{name: "ahead, with an end: cannot be closed by a window in the past", room: aheadBounded, want: window(at(-30), at(-5)), refused: forbidden},
		{name: "ahead, with an end: an end before the start is a mistake", room: aheadBounded, want: window(nil, at(30)), refused: invalid},

		{name: "without a start or end: a null start is now", room: window(nil, nil), want: window(nil, at(900)), class: "[+0,+900]", patch: "[+0,+900]"},
		{name: "closed: nothing goes", room: window(at(-60), at(-1)), want: window(nil, at(900)), refused: closed},
		{name: "closed this second: nothing goes", room: window(at(-60), at(0)), want: window(nil, at(900)), refused: closed},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := minigroup.Minigroup{Draft: validDraft()}
			plan, err := minigroup.PlanUpdate(m, minigroup.Change{Time: &c.want}, minigroup.ConferenceRoomState{Time: c.room}, now, false)
			if c.refused != "" {
				var known *minigroup.Error
				if !errors.As(err, &known) || known.Kind != c.refused {
					t.Fatalf("got %+v, %v, want %s", plan, err, c.refused)
				}
				return
			}
			if err != nil || show(&plan.Time) != c.class || show(plan.Patch.Time) != c.patch || plan.Ends != c.ends {
				t.Fatalf("the class is %s (ends: %t), the PATCH %s, %v; want %s and %s", show(&plan.Time), plan.Ends, show(plan.Patch.Time), err, c.class, c.patch)
			}
			if plan.Patch.Host != nil || plan.Patch.Reserve != nil || plan.Host != m.Host || plan.Reserve != nil {
				t.Errorf("more than the time changes: %+v", plan)
			}
		})
	}
}

func TestPlanUpdateOfHostAndSlots(t *testing.T) {
	m := minigroup.Minigroup{Draft: validDraft()}
	m.Time, m.Reserve = window(nil, at(600)), new(int32(5))
	room := minigroup.ConferenceRoomState{Time: window(at(-60), nil), Reserve: new(int32(5)), Host: "web.alice.example.org"}
	plan := func(t *testing.T, c minigroup.Change, owns bool) minigroup.UpdatePlan {
		t.Helper()
		p, err := minigroup.PlanUpdate(m, c, room, now, owns)
		if err != nil || !p.Time.Equal(m.Time) || p.Ends {
			t.Fatalf("got %+v, %v", p, err)
		}
		return p
	}
	t.Run("what is not asked for stays", func(t *testing.T) {
		if p := plan(t, minigroup.Change{}, true); !p.Patch.Empty() || p.Host != m.Host || *p.Reserve != 5 {
			t.Errorf("got %+v", p)
		}
	})
	t.Run("a host that the room has already is not sent", func(t *testing.T) {
		if p := plan(t, minigroup.Change{Host: new(room.Host)}, true); !p.Patch.Empty() || p.Host != room.Host {
			t.Errorf("got %+v", p)
		}
		if p := plan(t, minigroup.Change{Host: new("web.bob.example.org")}, true); p.Patch.Host == nil || p.Host != *p.Patch.Host || p.Host != "web.bob.example.org" {
			t.Errorf("got %+v", p)
		}
	})
	t.Run("slots are sent where conference owns them and has another number", func(t *testing.T) {
		for _, c := range []struct {
			slots int32
			owns  bool
			sent  bool
		}{{5, true, false}, {6, true, true}, {0, true, true}, {6, false, false}} {
			p := plan(t, minigroup.Change{Reserve: &c.slots}, c.owns)
			if (p.Patch.Reserve != nil) != c.sent || *p.Reserve != c.slots {
				t.Errorf("%+v: got %+v", c, p)
			}
		}
	})
	t.Run("nothing of a class that was closed changes", func(t *testing.T) {
		over := m
		over.ClosedAt = time.Unix(now-5, 0)
		_, err := minigroup.PlanUpdate(over, minigroup.Change{Host: new("a.b.c")}, room, now, false)
		var known *minigroup.Error
		if !errors.As(err, &known) || known.Kind != minigroup.Closed {
			t.Errorf("got %v", err)
		}
	})
}

func TestPatchApplied(t *testing.T) {
	host, other := "web.alice.example.org", "web.bob.example.org"
	patch := minigroup.ConferencePatch{Time: &minigroup.Window{Start: at(-60), End: at(600)}, Reserve: new(int32(5)), Host: &host}
	room := func(start, end *int64, slots int32, host string) minigroup.ConferenceRoomState {
		return minigroup.ConferenceRoomState{Time: window(start, end), Reserve: &slots, Host: host}
	}
	closing := minigroup.ConferencePatch{Time: &minigroup.Window{Start: at(-60), End: at(-5)}}
	for _, c := range []struct {
		name              string
		patch             minigroup.ConferencePatch
		room              minigroup.ConferenceRoomState
		applied, butStart bool
	}{
		{"all of it shows", patch, room(at(-60), at(600), 5, host), true, true},
		{"nothing was asked for", minigroup.ConferencePatch{}, room(nil, nil, 0, ""), true, false},
		{"another end shows", patch, room(at(-60), at(601), 5, host), false, false},
		{"no end shows", patch, room(at(-60), nil, 5, host), false, false},
		{"another start shows", patch, room(at(-90), at(600), 5, host), false, true},
		{"no start shows", patch, room(nil, at(600), 5, host), false, false},
		{"another start and another host show", patch, room(at(-90), at(600), 5, other), false, false},
		{"another host shows", patch, room(at(-60), at(600), 5, other), false, false},
		{"another number of slots shows", patch, room(at(-60), at(600), 6, host), false, false},
		{"no number of slots shows", patch, minigroup.ConferenceRoomState{Time: window(at(-60), at(600)), Host: host}, false, false},
		{"a closed room shows a closing", closing, room(at(-60), at(-2), 0, ""), true, true},
		{"a room that was closed this second shows it too, from any start", closing, room(at(-30), at(0), 0, ""), true, true},
		{"an open room does not", closing, room(at(-60), at(600), 0, ""), false, false},
		{"a closed room does not show an end that lies ahead", patch, room(at(-60), at(-2), 5, host), false, false},
		{"a start that an endless room shows is not another's", minigroup.ConferencePatch{Time: &minigroup.Window{Start: at(60)}}, room(at(30), nil, 0, ""), false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.patch.Applied(c.room, now); got != c.applied {
				t.Errorf("applied: %t", got)
			}
			if got := c.patch.AppliedButStart(c.room, now); got != c.butStart {
				t.Errorf("applied but the start: %t", got)
			}
		})
	}
}
