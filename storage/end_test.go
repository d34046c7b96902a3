package storage_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

// closing announces that conference has closed the room of a minigroup.
func closing(m minigroup.Minigroup, timedOut bool) minigroup.RoomEvents {
	return minigroup.RoomEvents{Closed: []minigroup.ClosedRoom{{ID: m.ConferenceRoomID, ClassID: m.ID, Audience: m.Audience, TimedOut: timedOut}}}
}

// readyWith brings a draft with this window, and eight slots, to a ready minigroup.
func readyWith(t *testing.T, s *storage.Store, w minigroup.Window) minigroup.Minigroup {
	t.Helper()
	gateways(t, s, 10)
	d := draft(8)
	d.Time = w
	return ready(t, s, "run-1", d)
}

func read(t *testing.T, s *storage.Store, id uuid.UUID) minigroup.Minigroup {
	t.Helper()
	m, err := s.ByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// stops are the broadcasts of the outbox, which is empty then.
func stops(t *testing.T, s *storage.Store) (all []minigroup.OutboxEvent) {
	t.Helper()
	_, err := s.PublishOutbox(t.Context(), 100, func(_ context.Context, b minigroup.OutboxEvent) error {
		all = append(all, b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func running() minigroup.Window {
	now := time.Now().Unix()
	return minigroup.Window{Start: new(now - 60), End: new(now + 3600)}
}

func TestEnd(t *testing.T) {
	t.Run("a class whose room was closed ends now, gives its slots back and is told of once", func(t *testing.T) {
		s, _ := storagetest.New(t)
		m := readyWith(t, s, running())
		if !take(t, s, closing(m, true)) {
			t.Fatal("it has not ended")
		}
		for range 2 {
			if take(t, s, closing(m, true)) {
				t.Fatal("it has ended twice")
			}
		}
		after := read(t, s, m.ID)
		if now := time.Now().Unix(); after.Status(now) != minigroup.StatusClosed || !after.TimedOut || after.ClosedAt.IsZero() || *after.Time.End > now || *after.Time.Start != *m.Time.Start {
			t.Fatalf("got %+v", after)
		}
		if open, err := s.OpenReservations(t.Context(), m.ID); err != nil || len(open) != 1 || open[0].State != minigroup.ReservationReleasing {
			t.Fatalf("slots: %+v, %v", open, err)
		}
		told := stops(t, s)
		var payload map[string]any
		if len(told) != 1 || told[0].Label != "minigroup.stop" || told[0].Audience != m.Audience || json.Unmarshal(told[0].Payload, &payload) != nil ||
			payload["id"] != m.ID.String() || payload["scope"] != m.Scope || payload["tags"] == nil || len(payload) != 3 {
			t.Fatalf("told: %+v", told)
		}
	})
	t.Run("one that has not begun keeps its time, one that is over its end", func(t *testing.T) {
		for name, w := range map[string]minigroup.Window{"ahead": hours(1, 2), "over": {Start: new(int64(1000)), End: new(int64(2000))}} {
			s, _ := storagetest.New(t)
			m := readyWith(t, s, w)
			take(t, s, closing(m, false))
			if after := read(t, s, m.ID); after.ClosedAt.IsZero() || after.TimedOut || !after.Time.Equal(w) {
				t.Errorf("%s: got %+v", name, after)
			}
		}
	})
	t.Run("one without start and end gets an end, and one without tags none", func(t *testing.T) {
		s, _ := storagetest.New(t)
		d := minigroup.Draft{Audience: "example.org", Scope: "endless", Host: "h"}
		m := ready(t, s, "run-1", d)
		take(t, s, closing(m, false))
		if after := read(t, s, m.ID); after.Time.End == nil || after.Time.Start != nil {
			t.Fatalf("got %+v", after)
		}
		if told := stops(t, s); len(told) != 1 || string(told[0].Payload) != `{"id": "`+m.ID.String()+`", "scope": "endless"}` {
			t.Fatalf("told: %+v", told)
		}
	})
	t.Run("other rooms and other classes end nothing", func(t *testing.T) {
		s, _ := storagetest.New(t)
		m := readyWith(t, s, running())
		other, stranger, elsewhere := closing(m, false), closing(m, false), closing(m, false)
		other.Closed[0].ID = uuid.New()
		stranger.Closed[0].ClassID = uuid.New()
		elsewhere.Closed[0].Audience = "other.org"
		for _, a := range []minigroup.RoomEvents{other, stranger, elsewhere} {
			if take(t, s, a) {
				t.Errorf("%+v has ended the class", a)
			}
		}
		if n, err := s.EndClosed(t.Context(), 10); err != nil || n != 0 {
			t.Fatalf("%d have ended, %v", n, err)
		}
	})
	t.Run("a room that was closed before its reply was read ends its class when that is ready", func(t *testing.T) {
		s, _ := storagetest.New(t)
		d := minigroup.Draft{Audience: "example.org", Scope: "quick", Host: "h"}
		b := begun(t, s, entry("run-1", d))
		room := uuid.New()
		take(t, s, minigroup.RoomEvents{Closed: []minigroup.ClosedRoom{{ID: room, ClassID: classID(d), Audience: d.Audience}}})
		answer(t, s, b.EventAttempt, uuid.New())
		answer(t, s, b.ConferenceAttempt, room)
		established, err := s.Establish(t.Context(), "run-1", classID(d), true)
		if err != nil {
			t.Fatal(err)
		}
		if m := read(t, s, classID(d)); m.ClosedAt.IsZero() || !reflect.DeepEqual(established, m) {
			t.Fatalf("established as %+v, and found as %+v", established, m)
		}
	})
	t.Run("a room that an undo of ours has closed is not remembered", func(t *testing.T) {
		s, db := storagetest.New(t)
		d := minigroup.Draft{Audience: "example.org", Scope: "undone", Host: "h"}
		b := begun(t, s, entry("run-1", d))
		room := uuid.New()
		answer(t, s, b.ConferenceAttempt, room)
		if _, err := s.BeginUndo(t.Context(), minigroup.Claim{Run: "run-1"}, classID(d), new(minigroup.NewCreateRequest(d)), minigroup.Failure{Kind: minigroup.UpstreamRefused}); err != nil {
			t.Fatal(err)
		}
		take(t, s, minigroup.RoomEvents{Closed: []minigroup.ClosedRoom{{ID: room, ClassID: classID(d), Audience: d.Audience}}})
		if n := count(t, db, `SELECT count(*) FROM closed_room`); n != 0 {
			t.Fatalf("%d are remembered", n)
		}
	})
	t.Run("nor is one that was found and condemned", func(t *testing.T) {
		s, db := storagetest.New(t)
		d := draft(0)
		unanswered(t, s, d)
		room := made(d)
		announce(t, s, room)
		roomsPendingClose(t, s)
		take(t, s, minigroup.RoomEvents{Closed: []minigroup.ClosedRoom{{ID: room.ID, ClassID: classID(d), Audience: d.Audience}}})
		if n := count(t, db, `SELECT count(*) FROM closed_room`); n != 0 {
			t.Fatalf("%d are remembered", n)
		}
	})
	t.Run("while an update is undecided nothing ends; whoever decides it ends the class", func(t *testing.T) {
		for name, decide := range map[string]func(*storage.Store, minigroup.Minigroup, uuid.UUID) error{
			"committed": func(s *storage.Store, _ minigroup.Minigroup, id uuid.UUID) error {
				return s.CommitUpdate(t.Context(), "run-2", id)
			},
			"failed": func(s *storage.Store, m minigroup.Minigroup, id uuid.UUID) error {
				_, err := s.FailUpdate(t.Context(), minigroup.Claim{Run: "run-2"}, m.ID, id, minigroup.Change{}, minigroup.Failure{Kind: minigroup.Closed}, false)
				return err
			},
		} {
			s, _ := storagetest.New(t)
			m := readyWith(t, s, running())
			id, err := beginUpdate(t, s, "run-2", m, minigroup.UpdatePlan{Time: minigroup.Window{Start: m.Time.Start, End: new(*m.Time.End + 60)}, Host: m.Host, Reserve: m.Reserve})
			if err != nil {
				t.Fatal(err)
			}
			if take(t, s, closing(m, true)) {
				t.Errorf("%s: it has ended before", name)
			}
			if n, err := s.EndClosed(t.Context(), 10); err != nil || n != 0 {
				t.Errorf("%s: %d have ended before, %v", name, n, err)
			}
			if err := decide(s, m, id); err != nil {
				t.Fatal(err)
			}
			if after := read(t, s, m.ID); after.ClosedAt.IsZero() || !after.TimedOut || len(stops(t, s)) != 1 {
				t.Errorf("%s: got %+v", name, after)
			}
		}
	})
	t.Run("an update that ends the class tells of it once, whenever the announcement comes", func(t *testing.T) {
		s, db := storagetest.New(t)
		m := readyWith(t, s, running())
		ended := minigroup.Window{Start: m.Time.Start, End: new(time.Now().Unix() - 1)}
		id, err := beginUpdate(t, s, "run-2", m, minigroup.UpdatePlan{Time: ended, Host: m.Host, Reserve: m.Reserve, Ends: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.CommitUpdate(t.Context(), "run-2", id); err != nil {
			t.Fatal(err)
		}
		take(t, s, closing(m, false))
		if after := read(t, s, m.ID); after.ClosedAt.IsZero() || !after.Time.Equal(ended) || len(stops(t, s)) != 1 {
			t.Fatalf("got %+v", after)
		}
		if _, err := s.EndClosed(t.Context(), 10); err != nil || count(t, db, `SELECT count(*) FROM closed_room WHERE NOT settled`) != 0 {
			t.Fatalf("what has ended is looked at for ever, %v", err)
		}
	})
	t.Run("a class ends when its end has passed by the grace, and not before", func(t *testing.T) {
		s, _ := storagetest.New(t)
		now := time.Now().Unix()
		m := readyWith(t, s, minigroup.Window{Start: new(now - 7200), End: new(now - 3600)})
		ready(t, s, "run-1", minigroup.Draft{Audience: "example.org", Scope: "endless", Host: "h"})
		if n, err := s.EndOverdue(t.Context(), 2*time.Hour, 10); err != nil || n != 0 {
			t.Fatalf("%d have ended within the grace, %v", n, err)
		}
		if n, err := s.EndOverdue(t.Context(), 30*time.Minute, 10); err != nil || n != 1 {
			t.Fatalf("%d have ended, %v", n, err)
		}
		if after := read(t, s, m.ID); after.ClosedAt.IsZero() || !after.Time.Equal(m.Time) || len(stops(t, s)) != 1 {
			t.Fatalf("got %+v", after)
		}
	})
	t.Run("it ends once, whoever ends it at the same time", func(t *testing.T) {
		s, _ := storagetest.New(t)
		now := time.Now().Unix()
		m := readyWith(t, s, minigroup.Window{Start: new(now - 7200), End: new(now - 3600)})
		var ended atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				n, err := s.RecordRoomEvents(t.Context(), closing(m, false))
				over, overErr := s.EndOverdue(t.Context(), 0, 10)
				if err := errors.Join(err, overErr); err != nil {
					t.Error(err)
				}
				ended.Add(int64(n + over))
			})
		}
		wg.Wait()
		if told := stops(t, s); ended.Load() != 1 || len(told) != 1 {
			t.Fatalf("it has ended %d times, and was told of %d times", ended.Load(), len(told))
		}
	})
}
