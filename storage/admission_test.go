package storage_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

// hours is a window in hours from a fixed moment ahead; an end of 0 is unbounded.
func hours(from, to int64) minigroup.Window {
	base := time.Now().Truncate(time.Hour).Unix() + 24*3600
	w := minigroup.Window{Start: new(base + from*3600)}
	if to > 0 {
		w.End = new(base + to*3600)
	}
	return w
}

// reserve begins a create of a class of its own, and reports the kind of its refusal; empty where it was admitted.
func reserve(t *testing.T, s *storage.Store, slots int32, w minigroup.Window) (minigroup.Draft, minigroup.Kind) {
	t.Helper()
	d := minigroup.Draft{Audience: "example.org", Scope: uuid.NewString(), Host: "h", Time: w, Reserve: &slots}
	_, err := s.BeginCreate(t.Context(), entry("run-1", d))
	var refusal *minigroup.Error
	if err != nil && !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	if refusal != nil {
		return d, refusal.Kind
	}
	return d, ""
}

func TestAdmission(t *testing.T) {
	t.Run("goes by the peak within the window, not by the sum", func(t *testing.T) {
		s, _ := storagetest.New(t)
		gateways(t, s, 10)
		for _, c := range []struct {
			slots    int32
			from, to int64
			want     minigroup.Kind
		}{
			{8, 10, 11, ""},
			{8, 11, 12, ""},
			{3, 10, 12, minigroup.CapacityExceeded},
			{2, 10, 12, ""},
			{1, 10, 11, minigroup.CapacityExceeded},
			{10, 12, 0, ""},
			{1, 100, 101, minigroup.CapacityExceeded},
			{10, 9, 10, ""},
		} {
			if _, got := reserve(t, s, c.slots, hours(c.from, c.to)); got != c.want {
				t.Fatalf("%d slots from %d to %d: got %q, want %q", c.slots, c.from, c.to, got, c.want)
			}
		}
	})
	t.Run("a refusal leaves nothing behind", func(t *testing.T) {
		s, db := storagetest.New(t)
		gateways(t, s, 1)
		d, kind := reserve(t, s, 2, hours(1, 2))
		var rows int
		err := db.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM minigroup) + (SELECT count(*) FROM room_attempt) + (SELECT count(*) FROM janus_reservation)`).Scan(&rows)
		if kind != minigroup.CapacityExceeded || err != nil || rows != 0 {
			t.Fatalf("%s: %d rows, %q, %v", d.Scope, rows, kind, err)
		}
	})
	t.Run("fills the fullest gateway that fits, within the group, up to its balancer capacity", func(t *testing.T) {
		s, db := storagetest.New(t)
		err := s.SyncBackends(t.Context(), []minigroup.Backend{
			{ID: "a", AdminURL: "u", Group: "minigroup", Capacity: new(int32(100)), BalancerCapacity: new(int32(10))},
			{ID: "b", AdminURL: "u", Group: "minigroup", Capacity: new(int32(20))},
			{ID: "c", AdminURL: "u", Group: "webinar"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"a", "b", "b", ""} { // 8 of 10; 8 of 20; 16 of 20
			d := minigroup.Draft{Audience: "example.org", Scope: fmt.Sprint(i), Host: "h", Time: hours(1, 2), Reserve: new(int32(8))}
			e := entry("run-1", d)
			e.Group = "minigroup"
			_, err := s.BeginCreate(t.Context(), e)
			var got string
			if scanErr := db.QueryRow(t.Context(), `SELECT coalesce((SELECT backend_id FROM janus_reservation WHERE class_id = $1), '')`, classID(d)).Scan(&got); scanErr != nil {
				t.Fatal(scanErr)
			}
			if got != want || (want == "") != (err != nil) {
				t.Fatalf("class %d is on %q, want %q: %v", i, got, want, err)
			}
		}
	})
	t.Run("passes over a gateway that does not answer, unless the slots fit on no other", func(t *testing.T) {
		s, db := storagetest.New(t)
		gateways(t, s, 10, 5)
		on := func(slots int32) (backend string) {
			t.Helper()
			d, kind := reserve(t, s, slots, hours(1, 2))
			if kind != "" {
				t.Fatalf("%d slots are refused: %s", slots, kind)
			}
			if err := db.QueryRow(t.Context(), `SELECT backend_id FROM janus_reservation WHERE class_id = $1`, classID(d)).Scan(&backend); err != nil {
				t.Fatal(err)
			}
			return backend
		}
		answers := func(backend string, yes bool) {
			t.Helper()
			if err := s.GatewayAnswers(t.Context(), backend, yes); err != nil {
				t.Fatal(err)
			}
		}
		answers("janus-2", false)
		if got := on(1); got != "janus-1" {
			t.Errorf("got %s, which is away", got)
		}
		answers("janus-2", true)
		if got := on(1); got != "janus-2" {
			t.Errorf("got %s, want the fuller one that answers again", got)
		}
		answers("janus-1", false)
		if got := on(6); got != "janus-1" {
			t.Errorf("got %s, on which 6 slots do not fit", got)
		}
	})
	t.Run("concurrent creates never overbook and never refuse what fits", func(t *testing.T) {
		s, _ := storagetest.New(t)
		gateways(t, s, 150, 150)
		var wg sync.WaitGroup
		admitted := make(chan bool, 200)
		for range 200 {
			wg.Go(func() {
				_, kind := reserve(t, s, 3, hours(1, 2))
				admitted <- kind == ""
			})
		}
		wg.Wait()
		close(admitted)
		n := 0
		for ok := range admitted {
			if ok {
				n++
			}
		}
		if n != 100 {
			t.Fatalf("%d classes of 3 slots were admitted to two gateways of 150", n)
		}
	})
	t.Run("agrees with counting hour by hour, also while updates are undecided", func(t *testing.T) {
		s, db := storagetest.New(t)
		const capacity = 12
		gateways(t, s, capacity)
		seed := uint64(time.Now().UnixNano())
		rnd := rand.New(rand.NewPCG(seed, 0))
		window := func() (from, to int64) {
			from = rnd.Int64N(23)
			return from, from + 1 + rnd.Int64N(24-from)
		}
		type taken [24]int32
		span := func(from, to int64, slots int32) (t taken) {
			for h := from; h < to; h++ {
				t[h] = slots
			}
			return t
		}
		var admitted []taken
		var classes []uuid.UUID
		fits := func(but int, more taken) bool {
			for h := range more {
				sum := more[h]
				for i, t := range admitted {
					if i != but {
						sum += t[h]
					}
				}
				if more[h] > 0 && sum > capacity {
					return false
				}
			}
			return true
		}
		for range 200 {
			from, to := window()
			slots := 1 + rnd.Int32N(5)
			if len(admitted) > 0 && rnd.IntN(3) == 0 { // what an update asks for stands beside what there is
				i := rnd.IntN(len(admitted))
				both := admitted[i]
				for h, n := range span(from, to, slots) {
					both[h] = max(both[h], n)
				}
				if !fits(i, both) {
					continue
				}
				w := hours(from, to)
				tag, err := db.Exec(t.Context(), `UPDATE janus_reservation SET next_slots = $2, next_during = tstzrange(to_timestamp($3::bigint), to_timestamp($4::bigint))
					WHERE class_id = $1 AND next_slots IS NULL`, classes[i], slots, w.Start, w.End)
				if err != nil {
					t.Fatal(err)
				}
				if tag.RowsAffected() == 1 {
					admitted[i] = both
				}
				continue
			}
			want, asked := fits(-1, span(from, to, slots)), span(from, to, slots)
			d, kind := reserve(t, s, slots, hours(from, to))
			if (kind == "") != want {
				t.Fatalf("seed %d: %d slots from %d to %d: refused with %q, taken %v", seed, slots, from, to, kind, admitted)
			}
			if want {
				admitted, classes = append(admitted, asked), append(classes, classID(d))
			}
		}
		if len(admitted) < 10 {
			t.Fatalf("only %d were admitted", len(admitted))
		}
	})
	t.Run("an update is not refused the slots it has, and takes none before it commits", func(t *testing.T) {
		s, _ := storagetest.New(t)
		gateways(t, s, 10)
		d := minigroup.Draft{Audience: "example.org", Scope: "update", Host: "h", Time: hours(10, 12), Reserve: new(int32(8))}
		m := ready(t, s, "run-1", d)
		reserve(t, s, 2, hours(9, 13)) // full from 10 to 12
		longer := minigroup.UpdatePlan{Time: hours(10, 13), Reserve: new(int32(9)), Host: "h"}
		if _, err := beginUpdate(t, s, "run-2", m, longer); err == nil {
			t.Fatal("9 of 8 free slots were given")
		}
		longer.Reserve = new(int32(8))
		id, err := beginUpdate(t, s, "run-2", m, longer)
		if err != nil {
			t.Fatal(err)
		}
		if _, kind := reserve(t, s, 1, hours(12, 13)); kind != minigroup.CapacityExceeded {
			t.Fatal("slots of an undecided update were given away")
		}
		if err := s.CommitUpdate(t.Context(), "run-2", id); err != nil {
			t.Fatal(err)
		}
		m.Time = longer.Time
		shorter := minigroup.UpdatePlan{Time: hours(10, 13), Reserve: new(int32(1)), Host: "h"}
		if id, err = beginUpdate(t, s, "run-2", m, shorter); err != nil {
			t.Fatal(err)
		}
		if _, kind := reserve(t, s, 1, hours(10, 11)); kind != minigroup.CapacityExceeded {
			t.Fatal("slots were given away before the update that frees them committed")
		}
		if err := s.CommitUpdate(t.Context(), "run-2", id); err != nil {
			t.Fatal(err)
		}
		if _, kind := reserve(t, s, 7, hours(10, 11)); kind != "" {
			t.Fatalf("freed slots are refused: %s", kind)
		}
	})
}

// A gateway that is drained while an admission waits takes no class from then on, and an admission under way is over
// before Drain and SyncBackends return.
func TestAdmissionsAndChangesOfGatewaysWaitForEachOther(t *testing.T) {
	t.Run("an admission sees what was changed while it waited", func(t *testing.T) {
		s, db := storagetest.New(t)
		gateways(t, s, 10, 10)
		meanwhile(t, db, storage.LockAdmission, `UPDATE janus_backend SET draining_since = now()`, nil, func() error {
			if _, kind := reserve(t, s, 1, hours(1, 2)); kind != minigroup.CapacityExceeded {
				t.Errorf("got %q", kind)
			}
			return nil
		})
	})
	t.Run("an admission sees what was reserved while it waited", func(t *testing.T) {
		s, db := storagetest.New(t)
		m := readyWith(t, s, hours(1, 2))
		meanwhile(t, db, storage.LockAdmission, `UPDATE janus_reservation SET slots = 10`, nil, func() error {
			if _, kind := reserve(t, s, 1, m.Time); kind != minigroup.CapacityExceeded {
				t.Errorf("got %q", kind)
			}
			return nil
		})
	})
	for name, change := range map[string]func(*storage.Store) error{
		"a drain waits": func(s *storage.Store) error { return s.Drain(t.Context(), "janus-1", true) },
		"a synchronisation waits": func(s *storage.Store) error {
			return s.SyncBackends(t.Context(), []minigroup.Backend{{ID: "janus-2", AdminURL: "u"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, db := storagetest.New(t)
			gateways(t, s, 10)
			meanwhile(t, db, storage.LockAdmission, `SELECT`, nil, func() error { return change(s) })
		})
	}
}
