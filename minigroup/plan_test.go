package minigroup_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"minigroups/minigroup"
)

// show formats a window with its sides in seconds from now; nil is "-".
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

// at returns the time seconds after now.
func at(seconds int64) *int64 { return new(now + seconds) }

// timeCase is a requested window and what comes of it, as show formats it.
type timeCase struct {
	name  string
	time  minigroup.Window
	class string // the new window of the class
	patch string // the window that is sent to conference
	// ends says that the update ends the class.
	ends    bool
	refused minigroup.Kind
}

func (c timeCase) test(t *testing.T, room minigroup.Window) {
	m := minigroup.Minigroup{Draft: validDraft()}
	change := minigroup.Change{Time: &c.time}
	plan, err := minigroup.PlanUpdate(m, change, minigroup.ConferenceRoomState{Time: room}, now, false)
	if c.refused != "" {
		var known *minigroup.Error
		if !errors.As(err, &known) || known.Kind != c.refused {
			t.Fatalf("got %+v, %v, want %s", plan, err, c.refused)
		}
		return
	}
	if err != nil || show(&plan.Time) != c.class || show(plan.Patch.Time) != c.patch || plan.Ends != c.ends {
		t.Fatalf("the class is %s (ends: %t), the PATCH %s, %v; want %s and %s",
			show(&plan.Time), plan.Ends, show(plan.Patch.Time), err, c.class, c.patch)
	}
	if plan.Patch.Host != nil || plan.Patch.Reserve != nil || plan.Host != m.Host || plan.Reserve != nil {
		t.Errorf("more than the time changes: %+v", plan)
	}
}

func TestPlanUpdateTime(t *testing.T) {
	const forbidden, invalid, closed = minigroup.RoomTimeChangeForbidden, minigroup.InvalidPayload, minigroup.Closed
	begun, ahead := window(at(-60), nil), window(at(60), nil)
	begunBounded, aheadBounded := window(at(-60), at(600)), window(at(60), at(600))
	for _, r := range []struct {
		name  string
		room  minigroup.Window
		cases []timeCase
	}{
		{"a room without an end that has opened", begun, []timeCase{
			{name: "an end is set", time: window(at(-60), at(900)), class: "[-60,+900]", patch: "[-60,+900]"},
			{
				name: "a null start is the start of the room",
				time: window(nil, at(900)), class: "[-60,+900]", patch: "[-60,+900]",
			},
			{name: "another start moves it", time: window(at(-30), at(900)), class: "[-30,+900]", patch: "[-30,+900]"},
			{
				name: "a start in the future keeps it without an end",
				time: window(at(30), at(900)), class: "[+30,+900]", patch: "[+30,null]",
			},
			{name: "no end changes nothing", time: window(nil, nil), class: "[-60,null]", patch: "-"},
			{name: "an end in the past closes it", time: window(nil, at(-5)), class: "[-60,-5]", patch: "[-60,-5]", ends: true},
			{name: "an end now closes it", time: window(nil, at(0)), class: "[-60,+0]", patch: "[-60,+0]", ends: true},
			{
				name: "an end before its start closes it",
				time: window(nil, at(-90)), class: "[-91,-90]", patch: "[-91,-90]", ends: true,
			},
		}},
		{"a room without an end that has not opened", ahead, []timeCase{
			{name: "an end is not sent before it opens", time: window(at(60), at(900)), class: "[+60,+900]", patch: "-"},
			{name: "another start moves it", time: window(at(120), at(900)), class: "[+120,+900]", patch: "[+120,null]"},
			{name: "a null start is the start of the room", time: window(nil, at(900)), class: "[+60,+900]", patch: "-"},
			{name: "a start in the past opens it", time: window(at(-30), at(900)), class: "[-30,+900]", patch: "[-30,+900]"},
			{name: "a start now opens it", time: window(at(0), at(900)), class: "[+0,+900]", patch: "[+0,+900]"},
			{name: "an end before the start is a mistake", time: window(nil, at(30)), refused: invalid},
			{name: "an end at the start is a mistake", time: window(nil, at(60)), refused: invalid},
			{name: "an end in the past closes it", time: window(nil, at(-5)), class: "[-6,-5]", patch: "[-6,-5]", ends: true},
			{name: "an end now closes it", time: window(nil, at(0)), class: "[-1,+0]", patch: "[-1,+0]", ends: true},
			{
				name: "a window in the past closes it",
				time: window(at(-30), at(-5)), class: "[-30,-5]", patch: "[-30,-5]", ends: true,
			},
			{name: "an end at the epoch is a mistake", time: window(nil, new(int64(0))), refused: invalid},
		}},
		{"a room with an end that has opened", begunBounded, []timeCase{
			{name: "another end is set", time: window(at(-60), at(900)), class: "[-60,+900]", patch: "[-60,+900]"},
			{
				name: "a null start is the start of the room",
				time: window(nil, at(900)), class: "[-60,+900]", patch: "[-60,+900]",
			},
			{name: "the same end changes nothing", time: window(nil, at(600)), class: "[-60,+600]", patch: "-"},
			{name: "another start is refused", time: window(at(-30), at(900)), refused: forbidden},
			{name: "a start in the future is refused", time: window(at(30), at(900)), refused: forbidden},
			{name: "no end is refused", time: window(nil, nil), refused: forbidden},
			{name: "an end in the past closes it", time: window(nil, at(-5)), class: "[-60,-5]", patch: "[-60,-5]", ends: true},
		}},
		{"a room with an end that has not opened", aheadBounded, []timeCase{
			{name: "another end is set", time: window(nil, at(900)), class: "[+60,+900]", patch: "[+60,+900]"},
			{name: "another start is refused", time: window(at(120), at(900)), refused: forbidden},
			{name: "no end is refused", time: window(at(60), nil), refused: forbidden},
			{name: "an end in the past is refused", time: window(nil, at(-5)), refused: forbidden},
			{name: "an end now is refused", time: window(nil, at(0)), refused: forbidden},
			{name: "a window in the past is refused", time: window(at(-30), at(-5)), refused: forbidden},
			{name: "an end before the start is a mistake", time: window(nil, at(30)), refused: invalid},
		}},
		{"a room with an end that opens now", window(at(0), at(600)), []timeCase{
			{name: "an end in the past is a mistake", time: window(nil, at(-5)), refused: invalid},
		}},
		{"a room without a start", window(nil, nil), []timeCase{
			{name: "a null start is now", time: window(nil, at(900)), class: "[+0,+900]", patch: "[+0,+900]"},
		}},
		{"a room that is closed", window(at(-60), at(-1)), []timeCase{
			{name: "another end is refused", time: window(nil, at(900)), refused: closed},
		}},
		{"a room that closes now", window(at(-60), at(0)), []timeCase{
			{name: "another end is refused", time: window(nil, at(900)), refused: closed},
		}},
	} {
		t.Run(r.name, func(t *testing.T) {
			for _, c := range r.cases {
				t.Run(c.name, func(t *testing.T) { c.test(t, r.room) })
			}
		})
	}
}

func TestARefusalNamesTheStartOfTheRoom(t *testing.T) {
	change := minigroup.Change{Time: new(window(at(-30), at(900)))}
	for want, start := range map[string]*int64{"unbounded": nil, "2023-11-14T22:12:20Z": at(-60)} {
		room := minigroup.ConferenceRoomState{Time: window(start, at(600))}
		_, err := minigroup.PlanUpdate(minigroup.Minigroup{Draft: validDraft()}, change, room, now, false)
		if err == nil || !strings.Contains(err.Error(), "its start ("+want+")") {
			t.Errorf("got %v, want a start that is %s", err, want)
		}
	}
}

func TestPlanUpdateOfHostAndSlots(t *testing.T) {
	m := minigroup.Minigroup{Draft: validDraft()}
	m.Time, m.Reserve = window(nil, at(600)), new(int32(5))
	room := minigroup.ConferenceRoomState{
		Time: window(at(-60), nil), Reserve: new(int32(5)), Host: "web.alice.example.org",
	}
	plan := func(t *testing.T, c minigroup.Change, conferenceOwnsSlots bool) minigroup.UpdatePlan {
		t.Helper()
		p, err := minigroup.PlanUpdate(m, c, room, now, conferenceOwnsSlots)
		if err != nil || !p.Time.Equal(m.Time) || p.Ends {
			t.Fatalf("got %+v, %v", p, err)
		}
		return p
	}
	t.Run("an empty change keeps everything", func(t *testing.T) {
		if p := plan(t, minigroup.Change{}, true); !p.Patch.Empty() || p.Host != m.Host || *p.Reserve != 5 {
			t.Errorf("got %+v", p)
		}
	})
	t.Run("a host is sent unless the room has it already", func(t *testing.T) {
		if p := plan(t, minigroup.Change{Host: new(room.Host)}, true); !p.Patch.Empty() || p.Host != room.Host {
			t.Errorf("got %+v", p)
		}
		other := "web.bob.example.org"
		p := plan(t, minigroup.Change{Host: &other}, true)
		if p.Patch.Host == nil || *p.Patch.Host != other || p.Host != other {
			t.Errorf("got %+v", p)
		}
	})
	t.Run("slots are sent if conference keeps them and has another number", func(t *testing.T) {
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
	t.Run("a change of a closed class is refused", func(t *testing.T) {
		closed := m
		closed.ClosedAt = time.Unix(now-5, 0)
		_, err := minigroup.PlanUpdate(closed, minigroup.Change{Host: new("a.b.c")}, room, now, false)
		var known *minigroup.Error
		if !errors.As(err, &known) || known.Kind != minigroup.Closed {
			t.Errorf("got %v", err)
		}
	})
}

func TestPatchApplied(t *testing.T) {
	host, other := "web.alice.example.org", "web.bob.example.org"
	patch := minigroup.ConferencePatch{
		Time: &minigroup.Window{Start: at(-60), End: at(600)}, Reserve: new(int32(5)), Host: &host,
	}
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
		{
			name:  "the room shows all of it",
			patch: patch, room: room(at(-60), at(600), 5, host), applied: true, butStart: true,
		},
		{name: "an empty patch is applied", room: room(nil, nil, 0, ""), applied: true},
		{name: "an empty patch has no start", room: room(at(-60), at(600), 0, ""), applied: true},
		{name: "another end", patch: patch, room: room(at(-60), at(601), 5, host)},
		{name: "no end", patch: patch, room: room(at(-60), nil, 5, host)},
		{name: "another start", patch: patch, room: room(at(-90), at(600), 5, host), butStart: true},
		{name: "no start", patch: patch, room: room(nil, at(600), 5, host)},
		{name: "another start and another host", patch: patch, room: room(at(-90), at(600), 5, other)},
		{name: "another host", patch: patch, room: room(at(-60), at(600), 5, other)},
		{name: "another number of slots", patch: patch, room: room(at(-60), at(600), 6, host)},
		{
			name:  "no number of slots",
			patch: patch, room: minigroup.ConferenceRoomState{Time: window(at(-60), at(600)), Host: host},
		},
		{
			name:  "a closing patch is applied to a closed room",
			patch: closing, room: room(at(-60), at(-2), 0, ""), applied: true, butStart: true,
		},
		{
			name:  "a closing patch is applied to a room that closes now, from any start",
			patch: closing, room: room(at(-30), at(0), 0, ""), applied: true, butStart: true,
		},
		{name: "a closing patch is not applied to an open room", patch: closing, room: room(at(-60), at(600), 0, "")},
		{name: "an end in the future is not applied to a closed room", patch: patch, room: room(at(-60), at(-2), 5, host)},
		{
			name:  "another start without an end",
			patch: minigroup.ConferencePatch{Time: &minigroup.Window{Start: at(60)}}, room: room(at(30), nil, 0, ""),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.patch.Applied(c.room, now); got != c.applied {
				t.Errorf("applied: %t", got)
			}
			if got := c.patch.AppliedButStart(c.room, now); got != c.butStart {
				t.Errorf("applied except for the start: %t", got)
			}
		})
	}
}
