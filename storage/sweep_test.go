package storage_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/storage/storagetest"
)

func TestSweep(t *testing.T) {
	t.Run("finds creates and updates that are under way, and no others", func(t *testing.T) {
		s, _ := storagetest.New(t)
		creating := minigroup.Draft{Audience: "example.org", Scope: "creating", Host: "h"}
		begun(t, s, entry("run-c", creating))
		done := ready(t, s, "run-1", minigroup.Draft{Audience: "example.org", Scope: "done", Host: "h"})
		moved := hours(3, 4)
		update, err := beginUpdate(t, s, "run-2", done, minigroup.UpdatePlan{Time: moved, Host: "h"})
		if err != nil {
			t.Fatal(err)
		}
		if sagas, err := s.OpenSagas(t.Context(), time.Hour, 10); err != nil || len(sagas) != 0 {
			t.Fatalf("those of the last hour are listed: %+v, %v", sagas, err)
		}
		sagas, err := s.OpenSagas(t.Context(), 0, 10)
		slices.SortFunc(sagas, func(a, b minigroup.OpenSaga) int { return len(b.Scope) - len(a.Scope) })
		if err != nil || len(sagas) != 2 || sagas[0].Run != "run-c" || sagas[0].UpdateID != uuid.Nil ||
			sagas[1].Run != "run-2" || sagas[1].UpdateID != update || !sagas[1].Change.Time.Equal(moved) {
			t.Fatalf("got %+v, %v", sagas, err)
		}
	})
	t.Run("loses what is unanswered when its moment is over, and takes a reply all the same", func(t *testing.T) {
		s, _ := storagetest.New(t)
		e := entry("run-1", minigroup.Draft{Audience: "example.org", Scope: "lost", Host: "h"})
		begun(t, s, e)
		if n, err := s.ExpireAttempts(t.Context()); err != nil || n != 0 {
			t.Fatalf("%d were lost before their moment, %v", n, err)
		}
		e = entry("run-1", minigroup.Draft{Audience: "example.org", Scope: "lost at once", Host: "h"})
		e.RequestTimeout = 0
		b := begun(t, s, e)
		answer(t, s, b.EventAttempt, uuid.New())
		if n, err := s.ExpireAttempts(t.Context()); err != nil || n != 1 {
			t.Fatalf("%d were lost, %v", n, err)
		}
		lost, err := lostAttempts(t, s)
		if err != nil || lost[minigroup.ConferenceRoom] != 1 || lost[minigroup.EventRoom] != 0 || len(lost) != 2 {
			t.Fatalf("lost are told as %v, %v", lost, err)
		}
		late := uuid.New()
		if state := answer(t, s, b.ConferenceAttempt, late); state != minigroup.AttemptReleasing {
			t.Fatalf("the late reply is %s", state)
		}
		rooms, err := s.StaleClosings(t.Context(), 0, 10)
		if err != nil || len(rooms) != 1 || rooms[0].ID != late {
			t.Fatalf("got %+v, %v", rooms, err)
		}
		if lost, err = lostAttempts(t, s); err != nil || lost[minigroup.ConferenceRoom] != 0 {
			t.Fatalf("an answered attempt is told as lost: %v, %v", lost, err)
		}
	})
	t.Run("tells what a gateway should show and what it should not", func(t *testing.T) {
		s, _ := storagetest.New(t)
		gateways(t, s, 100)
		m := ready(t, s, "run-1", draft(8))
		other := minigroup.Draft{Audience: "example.org", Scope: "undone", Host: "h", Reserve: new(int32(3))}
		gone := begun(t, s, entry("run-1", other)).Reservation
		if _, err := s.BeginUndo(t.Context(), minigroup.Claim{Run: "run-1"}, classID(other), new(minigroup.NewCreateRequest(other)), minigroup.Failure{Kind: minigroup.UpstreamRefused}); err != nil {
			t.Fatal(err)
		}
		rooms, err := s.GatewayRooms(t.Context(), "janus-1", 0)
		if err != nil || len(rooms) != 2 || rooms[0].ClassID != m.ID || rooms[0].State != minigroup.ReservationHeld || rooms[1].ID != gone || rooms[1].State != minigroup.ReservationReleasing {
			t.Fatalf("got %+v, %v", rooms, err)
		}
		shown := []uuid.UUID{rooms[0].ID, gone, uuid.New()}
		if strays, err := s.Strays(t.Context(), shown, 0); err != nil || len(strays) != 0 {
			t.Fatalf("got %v, %v", strays, err)
		}
		if err := s.ReservationReleased(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		if strays, err := s.Strays(t.Context(), shown, 0); err != nil || !slices.Equal(strays, []uuid.UUID{gone}) {
			t.Fatalf("got %v, %v", strays, err)
		}
	})
}
