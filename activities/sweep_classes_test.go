package activities

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// sweptClasses is a ledger whose calls fail from one on, and which answers the others with different numbers.
type sweptClasses struct {
	SweepLedger
	fails string
	calls []string
	due   []minigroup.Lookup
}

var errSwept = errors.New("the ledger is unavailable")

func (l *sweptClasses) call(name string) error {
	l.calls = append(l.calls, name)
	if name == l.fails {
		return errSwept
	}
	return nil
}

func (l *sweptClasses) ExpireAttempts(context.Context) (int64, error) { return 1, l.call("expire") }

func (l *sweptClasses) MarkAnnouncedForClosing(context.Context) (int64, error) {
	return 2, l.call("mark")
}

func (l *sweptClasses) ResolveUnseen(context.Context, time.Duration) (int64, error) {
	return 3, l.call("resolve")
}

func (l *sweptClasses) EndClosed(context.Context, int) (int, error) { return 4, l.call("end closed") }

func (l *sweptClasses) EndOverdue(context.Context, time.Duration, int) (int, error) {
	return 5, l.call("end overdue")
}

func (l *sweptClasses) OpenSagas(context.Context, time.Duration, int) ([]minigroup.OpenSaga, error) {
	return nil, l.call("open sagas")
}

func (l *sweptClasses) StaleClosings(context.Context, time.Duration, int) ([]minigroup.RoomPendingClose, error) {
	return nil, l.call("closings")
}

func (l *sweptClasses) DueLookups(context.Context, time.Duration, int) ([]minigroup.Lookup, error) {
	return l.due, l.call("look-ups")
}

func (l *sweptClasses) RecordRoomEvents(context.Context, minigroup.RoomEvents) (int, error) {
	return 6, l.call("events")
}

func (l *sweptClasses) LookedUp(context.Context, []uuid.UUID) error { return l.call("looked up") }

func (l *sweptClasses) Purge(context.Context, time.Duration, int) (map[string]int64, error) {
	return map[string]int64{"outbox": 7, "room_attempt": 8}, l.call("purge")
}

// parts are the parts of a sweep.
var parts = map[string]func(*Sweeper, context.Context) (SweptClasses, error){
	"expire": (*Sweeper).ExpireAttempts, "recover": (*Sweeper).RecoverSagas, "close": (*Sweeper).StartClosings,
	"end": (*Sweeper).EndClasses, "look up": (*Sweeper).LookUpRooms, "purge": (*Sweeper).PurgeHistory,
}

func TestAPartOfASweep(t *testing.T) {
	for name, c := range map[string]struct {
		part  string
		lost  time.Duration // LostRoomTimeout
		keep  time.Duration // Retention
		fails string
		want  SweptClasses
		calls []string
		count map[string]int // unless it fails
	}{
		"with a broker": {
			part: "expire", lost: time.Hour, want: SweptClasses{Lost: 1, MarkedForClosing: 2, NeverSeen: 3},
			calls: []string{"expire", "mark", "resolve"},
			count: map[string]int{"lost": 1, "marked_for_closing": 2, "never_seen": 3},
		},
		"without a broker": {
			part: "expire", want: SweptClasses{Lost: 1, MarkedForClosing: 2}, calls: []string{"expire", "mark"},
			count: map[string]int{"lost": 1, "marked_for_closing": 2, "never_seen": 0},
		},
		"that expires nothing marks nothing": {part: "expire", fails: "expire", calls: []string{"expire"}},
		"that marks nothing resolves nothing": {
			part: "expire", lost: time.Hour, fails: "mark", calls: []string{"expire", "mark"},
		},
		"that resolves nothing": {
			part: "expire", lost: time.Hour, fails: "resolve", calls: []string{"expire", "mark", "resolve"},
		},
		"that lists no sagas":   {part: "recover", fails: "open sagas", calls: []string{"open sagas"}},
		"that lists no rooms":   {part: "close", fails: "closings", calls: []string{"closings"}},
		"that lists no classes": {part: "look up", fails: "look-ups", calls: []string{"look-ups"}},
		"that records no events": {
			part: "look up", fails: "events", calls: []string{"look-ups", "events"},
		},
		"that records no look-ups": {
			part: "look up", fails: "looked up", calls: []string{"look-ups", "events", "looked up"},
		},
		"that ends classes": {
			part: "end", want: SweptClasses{Ended: 9}, calls: []string{"end closed", "end overdue"},
			count: map[string]int{"ended": 9},
		},
		"that ends no closed ones ends no others": {part: "end", fails: "end closed", calls: []string{"end closed"}},
		"that purges": {
			part: "purge", keep: time.Hour, want: SweptClasses{Purged: 15}, calls: []string{"purge"},
			count: map[string]int{"purged_outbox": 7, "purged_room_attempt": 8},
		},
		"that keeps everything": {part: "purge", count: map[string]int{}},
		"that fails":            {part: "purge", keep: time.Hour, fails: "purge", calls: []string{"purge"}},
	} {
		t.Run(name, func(t *testing.T) {
			l, counts := &sweptClasses{fails: c.fails}, map[string]int{}
			s := &Sweeper{
				Ledger: l, LostRoomTimeout: c.lost, Retention: c.keep, Budget: time.Minute,
				Count: func(what string, n int) { counts[what] += n },
			}
			swept, err := parts[c.part](s, t.Context())
			if !reflect.DeepEqual(l.calls, c.calls) {
				t.Errorf("the calls are %q, want %q", l.calls, c.calls)
			}
			if c.fails != "" {
				if err == nil {
					t.Error("it has succeeded")
				}
				return
			}
			if err != nil || !reflect.DeepEqual(swept, c.want) || !maps.Equal(counts, c.count) {
				t.Errorf("got %+v, %v, counted %v", swept, err, counts)
			}
		})
	}
}

func TestPartsOfASweepAreAdded(t *testing.T) {
	id := uuid.New()
	part := SweptClasses{
		Recovered: 1, Closing: 2, Lost: 3, MarkedForClosing: 4, NeverSeen: 5, Repairing: 6, Ended: 7, Purged: 8,
		RoomGone: []uuid.UUID{id}, Failed: 9,
	}
	var sum SweptClasses
	sum.Add(part)
	sum.Add(part)
	want := SweptClasses{
		Recovered: 2, Closing: 4, Lost: 6, MarkedForClosing: 8, NeverSeen: 10, Repairing: 12, Ended: 14, Purged: 16,
		RoomGone: []uuid.UUID{id, id}, Failed: 18,
	}
	if !reflect.DeepEqual(sum, want) {
		t.Errorf("got %+v", sum)
	}
}

func TestNothingFollowsALookUpOfAnOpenRoom(t *testing.T) {
	l := &sweptClasses{due: []minigroup.Lookup{{}}}
	read := func(context.Context) error { return nil }
	s := &Sweeper{
		Ledger: l, Count: func(string, int) {}, Steps: &Activities{Conference: scriptedConference{read: read}},
	}
	swept, err := s.LookUpRooms(t.Context())
	if err != nil || swept.Failed != 0 || !reflect.DeepEqual(l.calls, []string{"look-ups", "events", "looked up"}) {
		t.Errorf("got %+v, %v after %q", swept, err, l.calls)
	}
}

// recoveries is a Temporal with runs of which some are open.
type recoveries struct {
	recovered []string
}

func (r *recoveries) IsOpen(_ context.Context, saga minigroup.OpenSaga) (bool, error) {
	if saga.Run == "unknown" {
		return false, errSwept
	}
	return saga.Run == "open", nil
}

func (r *recoveries) Recover(_ context.Context, saga minigroup.OpenSaga) (bool, error) {
	r.recovered = append(r.recovered, saga.Run)
	return true, nil
}

// threeSagas is a ledger with three undecided sagas.
type threeSagas struct{ SweepLedger }

func (threeSagas) OpenSagas(context.Context, time.Duration, int) ([]minigroup.OpenSaga, error) {
	return []minigroup.OpenSaga{{Run: "unknown"}, {Run: "open"}, {Run: "gone"}}, nil
}

func TestOnlySagasWhoseRunIsGoneAreRecovered(t *testing.T) {
	r := &recoveries{}
	s := &Sweeper{Ledger: threeSagas{}, Recovery: r, Budget: time.Minute, Count: func(string, int) {}}
	swept, err := s.RecoverSagas(t.Context())
	if err != nil || swept.Recovered != 1 || swept.Failed != 1 || !reflect.DeepEqual(r.recovered, []string{"gone"}) {
		t.Errorf("got %+v, %v, recovered %q", swept, err, r.recovered)
	}
}
