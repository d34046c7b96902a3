package storage_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/storage"
)

// reserve begins a create of a new class. It returns the kind of the refusal, or empty if it was admitted.
func (l ledger) reserve(slots int32, w minigroup.Window) (minigroup.Draft, minigroup.Kind) {
	l.Helper()
	d := named(uuid.NewString())
	d.Time, d.Reserve = w, &slots
	_, err := l.BeginCreate(l.Context(), entry("run-1", d))
	var refusal *minigroup.Error
	if err != nil && !errors.As(err, &refusal) {
		l.Fatal(err)
	}
	if refusal != nil {
		return d, refusal.Kind
	}
	return d, ""
}

// gatewayOf is the gateway on which a class has slots; empty: none.
func (l ledger) gatewayOf(d minigroup.Draft) (id string) {
	l.Helper()
	l.must(l.db.QueryRow(l.Context(), `
		SELECT coalesce((SELECT backend_id FROM janus_reservation WHERE class_id = $1), '')`, classID(d)).Scan(&id))
	return id
}

func TestAdmission(t *testing.T) {
	t.Run("is by the peak within the window, not by the sum", func(t *testing.T) {
		l := newLedger(t, 10)
		for _, c := range []struct {
			slots    int32
			from, to int64
			want     minigroup.Kind
		}{
			{slots: 8, from: 10, to: 11},
			{slots: 8, from: 11, to: 12},
			{slots: 3, from: 10, to: 12, want: minigroup.CapacityExceeded},
			{slots: 2, from: 10, to: 12},
			{slots: 1, from: 10, to: 11, want: minigroup.CapacityExceeded},
			{slots: 10, from: 12, to: 0},
			{slots: 1, from: 100, to: 101, want: minigroup.CapacityExceeded},
			{slots: 10, from: 9, to: 10},
		} {
			if _, got := l.reserve(c.slots, hours(c.from, c.to)); got != c.want {
				t.Fatalf("%d slots from %d to %d: got %q, want %q", c.slots, c.from, c.to, got, c.want)
			}
		}
	})
	t.Run("a refusal leaves nothing behind", func(t *testing.T) {
		l := newLedger(t, 1)
		d, kind := l.reserve(2, hours(1, 2))
		rows := l.count(`
			SELECT (SELECT count(*) FROM minigroup) + (SELECT count(*) FROM room_attempt)
				+ (SELECT count(*) FROM janus_reservation)`)
		if kind != minigroup.CapacityExceeded || rows != 0 {
			t.Fatalf("%s: %d rows, %q", d.Scope, rows, kind)
		}
	})
	for name, c := range map[string]struct {
		capacities []int32
		want       string
	}{
		"without a gateway":   {want: "no gateway is there to reserve 9 slots on"},
		"with some slots":     {capacities: []int32{4, 6}, want: "the most that is free is 6"},
		"without a free slot": {capacities: []int32{0}, want: "the most that is free is 0"},
	} {
		t.Run("a refusal says how many slots are free: "+name, func(t *testing.T) {
			l, d := newLedger(t, c.capacities...), draft(9)
			_, err := l.BeginCreate(t.Context(), entry("run-1", d))
			if !isKind(err, minigroup.CapacityExceeded) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("chooses the fullest gateway that fits, in the group, up to its balancer capacity", func(t *testing.T) {
		l := newLedger(t)
		l.must(l.SyncBackends(t.Context(), []minigroup.Backend{
			{ID: "a", AdminURL: "u", Group: "minigroup", Capacity: new(int32(100)), BalancerCapacity: new(int32(10))},
			{ID: "b", AdminURL: "u", Group: "minigroup", Capacity: new(int32(20))},
			{ID: "c", AdminURL: "u", Group: "webinar"},
		}))
		for i, want := range []string{"a", "b", "b", ""} { // 8 of 10; 8 of 20; 16 of 20
			d := named(fmt.Sprint(i))
			d.Time, d.Reserve = hours(1, 2), new(int32(8))
			e := entry("run-1", d)
			e.Group = "minigroup"
			_, err := l.BeginCreate(t.Context(), e)
			if got := l.gatewayOf(d); got != want || (want == "") != (err != nil) {
				t.Fatalf("class %d is on %q, want %q: %v", i, got, want, err)
			}
		}
	})
	t.Run("avoids a gateway that does not answer, unless the slots fit on no other", func(t *testing.T) {
		l := newLedger(t, 10, 5)
		gateway := func(slots int32) string {
			t.Helper()
			d, kind := l.reserve(slots, hours(1, 2))
			if kind != "" {
				t.Fatalf("%d slots are refused: %s", slots, kind)
			}
			return l.gatewayOf(d)
		}
		away := minigroup.GatewayState{Reason: "no answer"}
		l.must(l.RecordGateway(t.Context(), "janus-2", away))
		if got := gateway(1); got != "janus-1" {
			t.Errorf("got %s, which is away", got)
		}
		l.must(l.RecordGateway(t.Context(), "janus-2", minigroup.GatewayState{}))
		if got := gateway(1); got != "janus-2" {
			t.Errorf("got %s, want the fuller one that answers again", got)
		}
		l.must(l.RecordGateway(t.Context(), "janus-1", away))
		if got := gateway(6); got != "janus-1" {
			t.Errorf("got %s, on which 6 slots do not fit", got)
		}
	})
	t.Run("of an update does not refuse the slots it has, and frees none before it commits", func(t *testing.T) {
		l := newLedger(t, 10)
		d := named("update")
		d.Time, d.Reserve = hours(10, 12), new(int32(8))
		m := l.ready("run-1", d)
		l.reserve(2, hours(9, 13)) // full from 10 to 12
		longer := minigroup.UpdatePlan{Time: hours(10, 13), Reserve: new(int32(9)), Host: "h"}
		if _, err := l.tryUpdate("run-2", m, longer); !isKind(err, minigroup.CapacityExceeded) {
			t.Fatalf("9 of 8 free slots were admitted: %v", err)
		}
		longer.Reserve = new(int32(8))
		id := l.update(m, longer)
		if _, kind := l.reserve(1, hours(12, 13)); kind != minigroup.CapacityExceeded {
			t.Fatal("slots of an undecided update were given to another class")
		}
		l.commit("run-2", id)
		m.Time = longer.Time
		id = l.update(m, minigroup.UpdatePlan{Time: hours(10, 13), Reserve: new(int32(1)), Host: "h"})
		if _, kind := l.reserve(1, hours(10, 11)); kind != minigroup.CapacityExceeded {
			t.Fatal("slots were given to another class before the update that frees them was committed")
		}
		l.commit("run-2", id)
		if _, kind := l.reserve(7, hours(10, 11)); kind != "" {
			t.Fatalf("freed slots are refused: %s", kind)
		}
	})
}

func TestConcurrentCreatesNeverOverbookAndNeverRefuseWhatFits(t *testing.T) {
	l := newLedger(t, 150, 150)
	var wg sync.WaitGroup
	admitted := make(chan bool, 200)
	for range 200 {
		wg.Go(func() {
			_, kind := l.reserve(3, hours(1, 2))
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
}

// hourly is a number of slots for each hour of a day.
type hourly [24]int32

func reservedFrom(from, to int64, slots int32) (h hourly) {
	for hour := from; hour < to; hour++ {
		h[hour] = slots
	}
	return h
}

// schedule is what is reserved on one gateway, by class.
type schedule struct {
	capacity int32
	classes  []uuid.UUID
	slots    []hourly
}

// fits reports whether a class may have these slots; replaced is the number of the class that has them instead of its
// present ones, or -1.
func (s schedule) fits(replaced int, more hourly) bool {
	for hour := range more {
		sum := more[hour]
		for i, h := range s.slots {
			if i != replaced {
				sum += h[hour]
			}
		}
		if more[hour] > 0 && sum > s.capacity {
			return false
		}
	}
	return true
}

func TestAdmissionAgreesWithCountingHourByHour(t *testing.T) {
	day := schedule{capacity: 40} // enough for any eight classes
	l := newLedger(t, day.capacity)
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	refused := 0
	for range 200 {
		from := rnd.Int64N(23)
		to := from + 1 + rnd.Int64N(24-from)
		slots := 1 + rnd.Int32N(5)
		if len(day.classes) > 0 && rnd.IntN(3) == 0 {
			i := rnd.IntN(len(day.classes))
			l.reserveNext(&day, i, from, to, slots)
			continue
		}
		want := day.fits(-1, reservedFrom(from, to, slots))
		d, kind := l.reserve(slots, hours(from, to))
		if (kind == "") != want {
			t.Fatalf("seed %d: %d slots from %d to %d: refused with %q, reserved %v", seed, slots, from, to, kind, day.slots)
		}
		if want {
			day.classes = append(day.classes, classID(d))
			day.slots = append(day.slots, reservedFrom(from, to, slots))
		} else {
			refused++
		}
	}
	if len(day.classes) < 10 || refused < 10 {
		t.Fatalf("seed %d: only %d were admitted, or only %d refused", seed, len(day.classes), refused)
	}
}

// reserveNext reserves the slots of an undecided update beside those of a class, if they fit and it has no such update.
func (l ledger) reserveNext(day *schedule, class int, from, to int64, slots int32) {
	l.Helper()
	both := day.slots[class]
	for hour, n := range reservedFrom(from, to, slots) {
		both[hour] = max(both[hour], n)
	}
	if !day.fits(class, both) {
		return
	}
	w := hours(from, to)
	tag, err := l.db.Exec(l.Context(), `
		UPDATE janus_reservation SET next_slots = $2,
			next_during = tstzrange(to_timestamp($3::bigint), to_timestamp($4::bigint))
		WHERE class_id = $1 AND next_slots IS NULL`, day.classes[class], slots, w.Start, w.End)
	l.must(err)
	if tag.RowsAffected() == 1 {
		day.slots[class] = both
	}
}

func TestTheWindowOfSlotsIsNeverEmpty(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, c := range []struct{ given, want minigroup.Window }{
		{given: minigroup.Window{}, want: minigroup.Window{Start: new(int64(1000))}},
		{
			given: minigroup.Window{Start: new(int64(900)), End: new(int64(901))},
			want:  minigroup.Window{Start: new(int64(900)), End: new(int64(901))},
		},
		{ // begins when it ends
			given: minigroup.Window{End: new(int64(1000))},
			want:  minigroup.Window{Start: new(int64(999)), End: new(int64(1000))},
		},
		{ // is over
			given: minigroup.Window{End: new(int64(500))},
			want:  minigroup.Window{Start: new(int64(499)), End: new(int64(500))},
		},
	} {
		if got := storage.SlotsWindow(c.given, now); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: got %+v, want %+v", c.given, got, c.want)
		}
	}
}
