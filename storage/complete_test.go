package storage_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// parts gives a create what it needs, in the order of names, and returns what each write has established.
func (l ledger) parts(
	b minigroup.BegunCreate, c minigroup.RunningCreate, names ...string,
) (got []*minigroup.Minigroup) {
	l.Helper()
	event := uuid.New()
	for _, name := range names {
		var established *minigroup.Minigroup
		var err error
		switch name {
		case "event":
			_, established, err = l.AnswerAttempt(l.Context(), b.EventAttempt, event, c)
		case "locks":
			established, err = l.RoomLocked(l.Context(), event, c)
		case "conference":
			_, established, err = l.AnswerAttempt(l.Context(), b.ConferenceAttempt, uuid.New(), c)
		case "slots":
			_, established, err = l.ReservationHeld(l.Context(), b.Reservation, c)
		}
		l.must(err)
		got = append(got, established)
	}
	return got
}

func TestTheLastThingThatACreateNeedsEstablishesTheMinigroup(t *testing.T) {
	for _, order := range [][]string{
		{"event", "locks", "conference", "slots"}, {"slots", "event", "locks", "conference"},
		{"conference", "slots", "event", "locks"},
	} {
		l, d := newLedger(t, 10), draft(8)
		b := l.begin(entry("run-1", d))
		c := minigroup.RunningCreate{ClassID: classID(d), Run: "run-1", Gateways: true}
		got := l.parts(b, c, order...)
		last := got[len(got)-1]
		if now := l.read(classID(d)); now.State != minigroup.Ready || last == nil || !reflect.DeepEqual(*last, now) {
			t.Errorf("%s: established %+v, and read %+v", order, last, now)
		}
		if slices.ContainsFunc(got[:len(got)-1], func(m *minigroup.Minigroup) bool { return m != nil }) {
			t.Errorf("%s: established too early", order)
		}
		if m, err := l.Establish(t.Context(), "run-1", classID(d), true); err != nil || m.State != minigroup.Ready {
			t.Errorf("%s: established again: %+v, %v", order, m, err)
		}
	}
	t.Run("an event room alone, if it is the last", func(t *testing.T) {
		l, d := newLedger(t), named("a")
		b := l.begin(entry("run-1", d))
		got := l.parts(b, minigroup.RunningCreate{ClassID: classID(d), Run: "run-1", Gateways: true}, "conference", "event")
		if got[0] != nil || got[1] == nil || got[1].State != minigroup.Ready {
			t.Errorf("got %+v", got)
		}
	})
}

func TestAWriteEstablishesNothingThatItMayNot(t *testing.T) {
	for name, c := range map[string]struct {
		run    string
		before func(l ledger, id uuid.UUID)
	}{
		"another run has the row": {run: "run-2"},
		"conference has closed the room": {run: "run-1", before: func(l ledger, id uuid.UUID) {
			l.exec(`INSERT INTO closed_room (room_id, class_id, timed_out)
				SELECT room_id, class_id, false FROM room_attempt WHERE class_id = $1 AND kind = 'conference'`, id)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l, d := newLedger(t, 10), draft(8)
			b := l.begin(entry("run-1", d))
			running := minigroup.RunningCreate{ClassID: classID(d), Run: c.run, Gateways: true}
			l.parts(b, running, "event", "locks", "conference")
			if c.before != nil {
				c.before(l, classID(d))
			}
			if got := l.parts(b, running, "slots"); got[0] != nil || l.read(classID(d)).State != minigroup.Creating {
				t.Errorf("established %+v", got[0])
			}
		})
	}
}

func TestAnAnswerDoesNotWaitForTheMinigroup(t *testing.T) {
	l, d := newLedger(t), named("a")
	b := l.begin(entry("run-1", d))
	c := minigroup.RunningCreate{ClassID: classID(d), Run: "run-1", Gateways: true}
	l.parts(b, c, "event")
	conn, err := l.Acquire(t.Context())
	l.must(err)
	defer conn.Release()
	tx, err := conn.Begin(t.Context())
	l.must(err)
	_, err = tx.Exec(t.Context(), `SELECT FROM minigroup WHERE id = $1 FOR UPDATE`, classID(d))
	l.must(err)
	if got := l.parts(b, c, "conference"); got[0] != nil {
		t.Errorf("established %+v", got[0])
	}
	l.must(tx.Rollback(t.Context()))
	if n := l.count(`SELECT count(*) FROM room_attempt WHERE state = 'held'`); n != 2 {
		t.Errorf("%d rooms are held", n)
	}
	if m, err := l.Establish(t.Context(), "run-1", classID(d), true); err != nil || m.State != minigroup.Ready {
		t.Errorf("got %+v, %v", m, err)
	}
}
