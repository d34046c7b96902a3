package storage_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/storage/storagetest"
)

const keep = 90 * 24 * time.Hour

// history is a ledger of which the test says how old it is.
type history struct{ exerciser }

func newHistory(t *testing.T) history {
	t.Helper()
	s, db := storagetest.New(t)
	gateways(t, s, 100)
	return history{exerciser{t, s, db}}
}

// age makes all that there is so old.
func (h history) age(by string) {
	h.Helper()
	for _, sql := range []string{
		`UPDATE room_attempt SET changed_at = changed_at - $1::text::interval`,
		`UPDATE announced_room SET changed_at = changed_at - $1::text::interval`,
		`UPDATE closed_room SET received_at = received_at - $1::text::interval`,
		`UPDATE janus_reservation SET changed_at = changed_at - $1::text::interval`,
		`UPDATE minigroup_update SET decided_at = decided_at - $1::text::interval`,
	} {
		if _, err := h.db.Exec(h.Context(), sql, by); err != nil {
			h.Fatal(err)
		}
	}
}

// forgets has what is over go, and wants so much of it to, by table.
func (h history) forgets(limit int, want map[string]int64) {
	h.Helper()
	got, err := h.Purge(h.Context(), keep, limit)
	if err != nil {
		h.Fatal(err)
	}
	if tables := slices.Sorted(maps.Keys(got)); len(tables) != 5 {
		h.Errorf("it tells of %v", tables)
	}
	maps.DeleteFunc(got, func(_ string, n int64) bool { return n == 0 })
	if !maps.Equal(got, want) {
		h.Errorf("%v went, want %v", got, want)
	}
}

// left lists what is left of a column, sorted.
func (h history) left(sql string, args ...any) []string {
	h.Helper()
	rows, _ := h.db.Query(h.Context(), sql, args...) // its error is also that of the rows
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		h.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// undone leaves a create that failed: a room that was closed, a request that was refused, slots that were given back.
func (h history) undone(d minigroup.Draft) {
	h.Helper()
	b := begun(h.T, h.Store, entry("run-1", d))
	room := uuid.New()
	answer(h.T, h.Store, b.EventAttempt, room)
	for _, err := range []error{
		h.RefuseAttempt(h.Context(), b.ConferenceAttempt),
		second(h.BeginUndo(h.Context(), minigroup.Claim{Run: "run-1"}, classID(d), new(minigroup.NewCreateRequest(d)), minigroup.Failure{Kind: minigroup.UpstreamRefused})),
		h.RoomReleased(h.Context(), room), h.ReservationReleased(h.Context(), b.Reservation),
	} {
		if err != nil {
			h.Fatal(err)
		}
	}
	if _, _, err := h.EndUndo(h.Context(), "run-1", classID(d)); err != nil {
		h.Fatal(err)
	}
}

func second[T any](_ T, err error) error { return err }

// updated has the class updated by each of these, the first by run-2: "done", "failed", "refused at once", "repaired"
// or "running".
func (h history) updated(m minigroup.Minigroup, ends ...string) (ids []uuid.UUID) {
	h.Helper()
	for _, end := range ends {
		change, kind := minigroup.Change{Host: new("a.b.c")}, minigroup.UpstreamRefused
		switch end {
		case "repaired":
			change.Repair = true
		case "refused at once":
			kind = minigroup.PreconditionFailed
		}
		id := uuid.New()
		claim := minigroup.Claim{Run: uuid.NewString(), Replaces: read(h.T, h.Store, m.ID).Run}
		_, err := h.TakeForUpdate(h.Context(), claim, m.ID, id)
		if err == nil && end != "refused at once" {
			err = h.BeginUpdate(h.Context(), minigroup.UpdateEntry{
				ID: id, Run: claim.Run, ClassID: m.ID, Change: change, Plan: minigroup.UpdatePlan{Time: m.Time, Host: m.Host},
			})
		}
		switch {
		case err != nil:
		case end == "done" || end == "repaired":
			err = h.CommitUpdate(h.Context(), claim.Run, id)
		case end != "running":
			_, err = h.FailUpdate(h.Context(), minigroup.Claim{Run: claim.Run}, m.ID, id, change, minigroup.Failure{Kind: kind}, false)
		}
		if err != nil {
			h.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func TestForget(t *testing.T) {
	t.Run("what has been over for long goes, and nothing before", func(t *testing.T) {
		h, d := newHistory(t), draft(1)
		h.undone(d)
		h.age("89 days")
		h.forgets(10, map[string]int64{})
		h.age("2 days")
		h.forgets(10, map[string]int64{"room_attempt": 2, "janus_reservation": 1})
		if m := read(t, h.Store, classID(d)); m.State != minigroup.Failed || m.Failure.Kind != minigroup.UpstreamRefused {
			t.Errorf("it is %+v", m)
		}
		h.forgets(10, map[string]int64{})
	})
	t.Run("what a class has stays, and it can be created again", func(t *testing.T) {
		h, d := newHistory(t), draft(1)
		h.undone(d)
		e := entry("run-2", d)
		e.Replaces = "run-1"
		b := begun(t, h.Store, e)
		event := uuid.New()
		answer(t, h.Store, b.EventAttempt, event)
		answer(t, h.Store, b.ConferenceAttempt, uuid.New())
		h.RoomLocked(t.Context(), event)
		h.ReservationHeld(t.Context(), b.Reservation)
		h.age("1 year")
		h.forgets(10, map[string]int64{}) // not decided
		if _, err := h.Establish(t.Context(), "run-2", classID(d), true); err != nil {
			t.Fatal(err)
		}
		h.forgets(10, map[string]int64{"room_attempt": 2, "janus_reservation": 1})
		if left := h.left(`SELECT state FROM room_attempt UNION ALL SELECT state FROM janus_reservation`); !slices.Equal(left, []string{"held", "held", "held"}) {
			t.Errorf("left are %v", left)
		}
	})
	t.Run("the oldest go first, so many at a time", func(t *testing.T) {
		h := newHistory(t)
		var classes []string
		for range 3 {
			d := h.class()
			h.undone(d)
			h.age("100 days")
			classes = append(classes, classID(d).String())
		}
		for n, want := range []map[string]int64{
			{"room_attempt": 2, "janus_reservation": 2}, {"room_attempt": 2, "janus_reservation": 1}, {"room_attempt": 2},
		} {
			h.forgets(2, want)
			left := slices.Sorted(slices.Values(classes[n+1:]))
			if got := h.left(`SELECT DISTINCT class_id::text FROM room_attempt`); !slices.Equal(got, left) {
				t.Errorf("attempts are left of %v, want %v of %v", got, left, classes)
			}
		}
	})
	t.Run("a lost attempt goes once it is known what became of it, and a room that was found once it is closed", func(t *testing.T) {
		h, d := newHistory(t), draft(0)
		unanswered(t, h.Store, d)
		room := made(d)
		announce(t, h.Store, room)
		roomsPendingClose(t, h.Store)
		if _, err := h.db.Exec(t.Context(), `UPDATE minigroup SET state = 'undoing', failure = '{}'`); err != nil {
			t.Fatal(err)
		}
		if _, err := h.db.Exec(t.Context(), `UPDATE minigroup SET state = 'failed', failed_at = now()`); err != nil {
			t.Fatal(err)
		}
		h.age("1 year")
		h.forgets(10, map[string]int64{})
		if err := h.RoomReleased(t.Context(), room.ID); err != nil {
			t.Fatal(err)
		}
		h.forgets(10, map[string]int64{}) // it is over since now
		h.age("1 year")
		h.forgets(10, map[string]int64{"room_attempt": 1, "announced_room": 1})
		if left := h.left(`SELECT kind || ' ' || state FROM room_attempt`); !slices.Equal(left, []string{"event lost"}) {
			t.Errorf("left are %v", left)
		}
		if _, err := h.ResolveUnseen(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		h.forgets(10, map[string]int64{})
		h.age("1 year")
		h.forgets(10, map[string]int64{"room_attempt": 1})
	})
	t.Run("that a room was closed goes once it has ended its class", func(t *testing.T) {
		h, d := newHistory(t), draft(0)
		m := ready(t, h.Store, "run-1", d)
		running := h.updated(m, "running")
		take(t, h.Store, closing(m, true))
		h.age("1 year")
		h.EndClosed(t.Context(), 10)
		h.forgets(10, map[string]int64{})
		if err := h.CommitUpdate(t.Context(), read(t, h.Store, m.ID).Run, running[0]); err != nil {
			t.Fatal(err)
		}
		h.EndClosed(t.Context(), 10)
		h.forgets(10, map[string]int64{"closed_room": 1})
		if m := read(t, h.Store, m.ID); !m.TimedOut || m.ClosedAt.IsZero() {
			t.Errorf("it is %+v", m)
		}
		m.ConferenceRoomID = uuid.New() // one that the class never had
		take(t, h.Store, closing(m, false))
		h.age("1 year")
		h.forgets(10, map[string]int64{"minigroup_update": 1}) // what follows from the room was not looked at
		h.EndClosed(t.Context(), 10)
		h.forgets(10, map[string]int64{"closed_room": 1})
	})
	for name, c := range map[string]struct {
		ends []string
		// left are those that stay, by their place.
		left []int
	}{
		"updates that are done go":                         {[]string{"done", "done", "done"}, nil},
		"a failure that is shown stays":                    {[]string{"done", "failed"}, []int{1}},
		"a failure does not come back":                     {[]string{"failed", "done"}, nil},
		"a repair goes, and hides no failure":              {[]string{"failed", "repaired", "repaired"}, []int{0}},
		"a refusal that is not shown goes, and hides none": {[]string{"failed", "refused at once"}, []int{0}},
		"a refusal that is not shown goes before the next": {[]string{"refused at once", "failed"}, []int{1}},
		"beside one that is not decided nothing goes":      {[]string{"failed", "done", "running"}, []int{0, 1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(t)
			m := ready(t, h.Store, "run-1", draft(0))
			ids := h.updated(m, c.ends...)
			before := read(t, h.Store, m.ID)
			want := map[string]int64{}
			h.forgets(10, want)
			h.age("1 year")
			if gone := len(ids) - len(c.left); gone > 0 {
				want["minigroup_update"] = int64(gone)
			}
			h.forgets(10, want)
			var left []string
			for _, n := range c.left {
				left = append(left, ids[n].String())
			}
			slices.Sort(left)
			if got := h.left(`SELECT id::text FROM minigroup_update`); !slices.Equal(got, left) {
				t.Errorf("left are %v, want %v of %v", got, left, ids)
			}
			after := read(t, h.Store, m.ID)
			if (before.Update == nil) != (after.Update == nil) || before.Update != nil && before.Update.ID != after.Update.ID {
				t.Errorf("it shows %+v, and showed %+v", after.Update, before.Update)
			}
		})
	}
	t.Run("an update whose PATCH is still to be looked for stays", func(t *testing.T) {
		h := newHistory(t)
		m := ready(t, h.Store, "run-1", draft(0))
		ids := h.updated(m, "done", "done")
		if _, err := h.db.Exec(t.Context(), `UPDATE minigroup_update SET look_up_at = now() WHERE id = $1`, ids[0]); err != nil {
			t.Fatal(err)
		}
		h.age("1 year")
		h.forgets(10, map[string]int64{"minigroup_update": 1})
		due, err := h.DueLookups(t.Context(), time.Hour, 10)
		if err != nil || len(due) != 1 || h.NothingToRepair(t.Context(), due[0]) != nil {
			t.Fatalf("got %+v, %v", due, err)
		}
		h.forgets(10, map[string]int64{"minigroup_update": 1})
	})
	t.Run("two at once take different ones, and wait for nobody", func(t *testing.T) {
		h, d := newHistory(t), draft(1)
		h.undone(d)
		h.age("1 year")
		tx, err := h.db.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(context.Background()) }()
		if _, err := tx.Exec(t.Context(), `SELECT FROM room_attempt WHERE state = 'released' FOR UPDATE`); err != nil {
			t.Fatal(err)
		}
		h.forgets(10, map[string]int64{"room_attempt": 1, "janus_reservation": 1})
	})
}
