package storage_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// record records events, and reports whether they have ended a class.
func (l ledger) record(events minigroup.RoomEvents) bool {
	l.Helper()
	ended, err := l.RecordRoomEvents(l.Context(), events)
	l.must(err)
	return ended > 0
}

// closingOf is the event that conference has closed a room of the class.
func closingOf(d minigroup.Draft, room uuid.UUID) minigroup.RoomEvents {
	return minigroup.RoomEvents{Closed: []minigroup.ClosedRoom{
		{ID: room, ClassID: classID(d), Audience: d.Audience},
	}}
}

// closing is the event that conference has closed the room of a minigroup.
func closing(m minigroup.Minigroup, timedOut bool) minigroup.RoomEvents {
	events := closingOf(m.Draft, m.ConferenceRoomID)
	events.Closed[0].TimedOut = timedOut
	return events
}

// published empties the outbox and returns its events.
func (l ledger) published() (all []minigroup.OutboxEvent) {
	l.Helper()
	all, err := l.ClaimOutbox(l.Context(), 100, time.Minute)
	l.must(err)
	l.must(l.SettleOutbox(l.Context(), minigroup.OutboxOutcome{Published: outboxIDs(all)}, 0))
	return all
}

// endClosed ends classes whose room is closed, and returns how many.
func (l ledger) endClosed() int {
	l.Helper()
	n, err := l.EndClosed(l.Context(), 10)
	l.must(err)
	return n
}

func TestAClosedRoomEndsItsClass(t *testing.T) {
	t.Run("now, once, with its slots given back and an event published", func(t *testing.T) {
		l := newLedger(t)
		m := l.readyDuring(running())
		if !l.record(closing(m, true)) {
			t.Fatal("it has not ended")
		}
		for range 2 {
			if l.record(closing(m, true)) {
				t.Fatal("it has ended twice")
			}
		}
		after, now := l.read(m.ID), time.Now().Unix()
		if after.Status(now) != minigroup.StatusClosed || !after.TimedOut || after.ClosedAt.IsZero() {
			t.Fatalf("got %+v", after)
		}
		if *after.Time.End > now || *after.Time.Start != *m.Time.Start {
			t.Fatalf("its window is %+v", after.Time)
		}
		if open := l.openReservations(m.ID); len(open) != 1 || open[0].State != minigroup.ReservationReleasing {
			t.Fatalf("slots: %+v", open)
		}
		events := l.published()
		if len(events) != 1 || events[0].Label != "minigroup.stop" || events[0].Audience != m.Audience {
			t.Fatalf("published: %+v", events)
		}
		var payload map[string]any
		l.must(json.Unmarshal(events[0].Payload, &payload))
		if payload["id"] != m.ID.String() || payload["scope"] != m.Scope || payload["tags"] == nil || len(payload) != 3 {
			t.Fatalf("published: %v", payload)
		}
	})
	for name, w := range map[string]minigroup.Window{
		"that has not begun":         hours(1, 2),
		"that is past its end":       {Start: new(int64(1000)), End: new(int64(2000))},
		"that has begun and no end":  {Start: new(int64(1000))},
		"that has no start, no end ": {},
	} {
		t.Run("with the right window, if it is one "+name, func(t *testing.T) {
			l := newLedger(t)
			m := l.readyDuring(w)
			l.record(closing(m, false))
			after, want := l.read(m.ID), w
			if w.End == nil {
				want.End = after.Time.End
			}
			if after.ClosedAt.IsZero() || after.TimedOut || after.Time.End == nil || !after.Time.Equal(want) {
				t.Errorf("got %+v", after)
			}
		})
	}
	t.Run("without tags in the event, if it has none", func(t *testing.T) {
		l := newLedger(t)
		m := l.ready("run-1", named("endless"))
		l.record(closing(m, false))
		want := `{"id": "` + m.ID.String() + `", "scope": "endless"}`
		if events := l.published(); len(events) != 1 || string(events[0].Payload) != want {
			t.Fatalf("published: %+v", events)
		}
	})
	t.Run("unless the room or the class is another", func(t *testing.T) {
		l := newLedger(t)
		m := l.readyDuring(running())
		room, class, audience := closing(m, false), closing(m, false), closing(m, false)
		room.Closed[0].ID = uuid.New()
		class.Closed[0].ClassID = uuid.New()
		audience.Closed[0].Audience = "other.org"
		for _, events := range []minigroup.RoomEvents{room, class, audience} {
			if l.record(events) {
				t.Errorf("%+v has ended the class", events)
			}
		}
		if n := l.endClosed(); n != 0 {
			t.Fatalf("%d have ended", n)
		}
	})
	t.Run("when it becomes ready, if its room was closed before the reply was read", func(t *testing.T) {
		l, d, room := newLedger(t), named("quick"), uuid.New()
		b := l.begin(entry("run-1", d))
		l.record(closingOf(d, room))
		l.answer(b.EventAttempt, uuid.New())
		l.answer(b.ConferenceAttempt, room)
		established, err := l.Establish(t.Context(), "run-1", classID(d), true)
		l.must(err)
		if m := l.read(classID(d)); m.ClosedAt.IsZero() || !reflect.DeepEqual(established, m) {
			t.Fatalf("established as %+v, and read as %+v", established, m)
		}
	})
}

func TestARoomThatWeHaveClosedIsNotRecordedAsClosed(t *testing.T) {
	t.Run("by an undo", func(t *testing.T) {
		l, d, room := newLedger(t), named("undone"), uuid.New()
		l.answer(l.begin(entry("run-1", d)).ConferenceAttempt, room)
		l.beginUndo(minigroup.Claim{Run: "run-1"}, d, minigroup.Failure{Kind: minigroup.UpstreamRefused})
		l.record(closingOf(d, room))
		if n := l.count(`SELECT count(*) FROM closed_room`); n != 0 {
			t.Fatalf("%d are recorded", n)
		}
	})
	t.Run("because only its event was known", func(t *testing.T) {
		l, d := newLedger(t), draft(0)
		l.unanswered(d)
		room := announced(d)
		l.announce(room)
		l.pendingClose()
		l.record(closingOf(d, room.ID))
		if n := l.count(`SELECT count(*) FROM closed_room`); n != 0 {
			t.Fatalf("%d are recorded", n)
		}
	})
}

func TestAClassEndsWhenItsUpdateIsDecidedAndNotBefore(t *testing.T) {
	for name, decide := range map[string]func(ledger, uuid.UUID, uuid.UUID){
		"committed": func(l ledger, _, update uuid.UUID) { l.commit("run-2", update) },
		"failed": func(l ledger, class, update uuid.UUID) {
			l.fail("run-2", class, update, minigroup.Closed, false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(t)
			m := l.readyDuring(running())
			longer := minigroup.Window{Start: m.Time.Start, End: new(*m.Time.End + 60)}
			id := l.update(m, minigroup.UpdatePlan{Time: longer, Host: m.Host, Reserve: m.Reserve})
			if l.record(closing(m, true)) {
				t.Error("it has ended before")
			}
			if n := l.endClosed(); n != 0 {
				t.Errorf("%d have ended before", n)
			}
			decide(l, m.ID, id)
			if after := l.read(m.ID); after.ClosedAt.IsZero() || !after.TimedOut || len(l.published()) != 1 {
				t.Errorf("got %+v", after)
			}
		})
	}
}

func TestAnUpdateThatEndsItsClassPublishesThatOnce(t *testing.T) {
	l := newLedger(t)
	m := l.readyDuring(running())
	ended := minigroup.Window{Start: m.Time.Start, End: new(time.Now().Unix() - 1)}
	id := l.update(m, minigroup.UpdatePlan{Time: ended, Host: m.Host, Reserve: m.Reserve, Ends: true})
	l.commit("run-2", id)
	l.record(closing(m, false))
	if after := l.read(m.ID); after.ClosedAt.IsZero() || !after.Time.Equal(ended) || len(l.published()) != 1 {
		t.Fatalf("got %+v", after)
	}
	l.endClosed()
	if n := l.count(`SELECT count(*) FROM closed_room WHERE NOT settled`); n != 0 {
		t.Fatalf("%d closed rooms of closed classes are still checked", n)
	}
}

func TestACommitThatIsRepeatedDoesNotEndAClassThatIsOpenAgain(t *testing.T) {
	l := newLedger(t)
	m := l.readyDuring(running())
	over := minigroup.Window{Start: m.Time.Start, End: new(time.Now().Unix() - 1)}
	id := l.update(m, minigroup.UpdatePlan{Time: over, Host: m.Host, Reserve: m.Reserve, Ends: true})
	l.commit("run-2", id)
	l.exec(`UPDATE minigroup SET closed_at = NULL`) // as a recreate does
	l.commit("run-2", id)
	if after := l.read(m.ID); !after.ClosedAt.IsZero() {
		t.Errorf("it has ended again: %+v", after)
	}
}

func TestAClassEndsWhenItsEndHasPassedByTheGraceAndNotBefore(t *testing.T) {
	l := newLedger(t)
	now := time.Now().Unix()
	m := l.readyDuring(minigroup.Window{Start: new(now - 7200), End: new(now - 3600)})
	l.ready("run-1", named("endless"))
	if n, err := l.EndOverdue(t.Context(), 2*time.Hour, 10); err != nil || n != 0 {
		t.Fatalf("%d have ended within the grace, %v", n, err)
	}
	if n, err := l.EndOverdue(t.Context(), 30*time.Minute, 10); err != nil || n != 1 {
		t.Fatalf("%d have ended, %v", n, err)
	}
	if after := l.read(m.ID); after.ClosedAt.IsZero() || !after.Time.Equal(m.Time) || len(l.published()) != 1 {
		t.Fatalf("got %+v", after)
	}
}

func TestAClassEndsOnceIfSeveralProcessesEndItAtTheSameTime(t *testing.T) {
	l := newLedger(t)
	now := time.Now().Unix()
	m := l.readyDuring(minigroup.Window{Start: new(now - 7200), End: new(now - 3600)})
	var ended atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			closed, err := l.RecordRoomEvents(t.Context(), closing(m, false))
			overdue, overdueErr := l.EndOverdue(t.Context(), 0, 10)
			if err := errors.Join(err, overdueErr); err != nil {
				t.Error(err)
			}
			ended.Add(int64(closed + overdue))
		})
	}
	wg.Wait()
	if events := l.published(); ended.Load() != 1 || len(events) != 1 {
		t.Fatalf("it has ended %d times, and %d events were published", ended.Load(), len(events))
	}
}
