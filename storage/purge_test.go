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
)

const retention = 90 * 24 * time.Hour

// age makes all finished records older.
func (l ledger) age(by string) {
	l.Helper()
	for table, column := range map[string]string{
		"room_attempt": "changed_at", "announced_room": "changed_at", "closed_room": "received_at",
		"janus_reservation": "changed_at", "minigroup_update": "decided_at",
	} {
		l.exec(`UPDATE `+table+` SET `+column+` = `+column+` - $1::text::interval`, by)
	}
}

// mustPurge purges at most limit records of each table, and checks how many are deleted; the tables without any are
// omitted in want.
func (l ledger) mustPurge(limit int, want map[string]int64) {
	l.Helper()
	got, err := l.Purge(l.Context(), retention, limit)
	l.must(err)
	if tables := slices.Sorted(maps.Keys(got)); len(tables) != 6 {
		l.Errorf("it counts %v", tables)
	}
	maps.DeleteFunc(got, func(_ string, n int64) bool { return n == 0 })
	if !maps.Equal(got, want) {
		l.Errorf("%v were deleted, want %v", got, want)
	}
}

var nothing = map[string]int64{}

// texts lists the values of a query, sorted.
func (l ledger) texts(sql string, args ...any) []string {
	l.Helper()
	rows, _ := l.db.Query(l.Context(), sql, args...) // CollectRows returns its error
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	l.must(err)
	slices.Sort(all)
	return all
}

// undone leaves a failed create by run-1: a closed room, a refused request and released slots.
func (l ledger) undone(d minigroup.Draft) {
	l.Helper()
	b := l.begin(entry("run-1", d))
	room := uuid.New()
	l.answer(b.EventAttempt, room)
	l.must(l.RefuseAttempt(l.Context(), b.ConferenceAttempt))
	l.beginUndo(minigroup.Claim{Run: "run-1"}, d, minigroup.Failure{Kind: minigroup.UpstreamRefused})
	l.released(room)
	l.must(l.ReservationReleased(l.Context(), b.Reservation))
	_, _, err := l.EndUndo(l.Context(), "run-1", classID(d))
	l.must(err)
}

func TestPurgeDeletesFinishedRecordsAfterTheirRetention(t *testing.T) {
	l, d := newLedger(t, 100), draft(1)
	l.undone(d)
	l.age("89 days")
	l.mustPurge(10, nothing)
	l.age("2 days")
	l.mustPurge(10, map[string]int64{"room_attempt": 2, "janus_reservation": 1})
	if m := l.read(classID(d)); m.State != minigroup.Failed || m.Failure.Kind != minigroup.UpstreamRefused {
		t.Errorf("the minigroup is %+v", m)
	}
	l.mustPurge(10, nothing)
}

func TestPurgeKeepsWhatAClassHas(t *testing.T) {
	l, d := newLedger(t, 100), draft(1)
	l.undone(d)
	b := l.begin(replacing("run-1", "run-2", d))
	event := uuid.New()
	l.answer(b.EventAttempt, event)
	l.answer(b.ConferenceAttempt, uuid.New())
	l.locked(event)
	l.held(b.Reservation)
	l.age("1 year")
	l.mustPurge(10, nothing) // the create is undecided
	_, err := l.Establish(t.Context(), "run-2", classID(d), true)
	l.must(err)
	l.mustPurge(10, map[string]int64{"room_attempt": 2, "janus_reservation": 1})
	left := l.texts(`SELECT state FROM room_attempt UNION ALL SELECT state FROM janus_reservation`)
	if !slices.Equal(left, []string{"held", "held", "held"}) {
		t.Errorf("left are %v", left)
	}
}

func TestPurgeDeletesTheOldestFirstUpToItsLimit(t *testing.T) {
	l := newLedger(t, 100)
	var classes []string
	for range 3 {
		d := draft(1)
		d.Scope = uuid.NewString()
		l.undone(d)
		l.age("100 days")
		classes = append(classes, classID(d).String())
	}
	for n, want := range []map[string]int64{
		{"room_attempt": 2, "janus_reservation": 2}, {"room_attempt": 2, "janus_reservation": 1}, {"room_attempt": 2},
	} {
		l.mustPurge(2, want)
		left := slices.Sorted(slices.Values(classes[n+1:]))
		if got := l.texts(`SELECT DISTINCT class_id::text FROM room_attempt`); !slices.Equal(got, left) {
			t.Errorf("attempts are left of %v, want %v of %v", got, left, classes)
		}
	}
}

func TestPurgeKeepsALostAttemptUntilItIsResolved(t *testing.T) {
	l, d := newLedger(t, 100), draft(0)
	l.unanswered(d)
	room := announced(d)
	l.announce(room)
	l.pendingClose()
	l.exec(`UPDATE minigroup SET state = 'undoing', failure = '{}'`)
	l.exec(`UPDATE minigroup SET state = 'failed', failed_at = now()`)
	l.age("1 year")
	l.mustPurge(10, nothing)
	l.released(room.ID)
	l.mustPurge(10, nothing) // finished since now
	l.age("1 year")
	l.mustPurge(10, map[string]int64{"room_attempt": 1, "announced_room": 1})
	if left := l.texts(`SELECT kind || ' ' || state FROM room_attempt`); !slices.Equal(left, []string{"event lost"}) {
		t.Errorf("left are %v", left)
	}
	_, err := l.ResolveUnseen(t.Context(), 0)
	l.must(err)
	l.mustPurge(10, nothing)
	l.age("1 year")
	l.mustPurge(10, map[string]int64{"room_attempt": 1})
}

func TestPurgeKeepsAClosedRoomUntilItHasEndedItsClass(t *testing.T) {
	l, d := newLedger(t, 100), draft(0)
	m := l.ready("run-1", d)
	running := l.updates(m, "running")
	l.record(closing(m, true))
	l.age("1 year")
	l.endClosed()
	l.mustPurge(10, nothing)
	l.commit(l.read(m.ID).Run, running[0])
	l.endClosed()
	l.mustPurge(10, map[string]int64{"closed_room": 1})
	if m := l.read(m.ID); !m.TimedOut || m.ClosedAt.IsZero() {
		t.Errorf("the minigroup is %+v", m)
	}
	l.record(closingOf(d, uuid.New())) // a room that the class never had
	l.age("1 year")
	l.mustPurge(10, map[string]int64{"minigroup_update": 1}) // the room is not settled
	l.endClosed()
	l.mustPurge(10, map[string]int64{"closed_room": 1})
}

func TestTwoPurgesAtTheSameTimeDeleteDifferentRowsAndDoNotWait(t *testing.T) {
	l, d := newLedger(t, 100), draft(1)
	l.undone(d)
	l.age("1 year")
	tx, err := l.db.Begin(t.Context())
	l.must(err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	_, err = tx.Exec(t.Context(), `SELECT FROM room_attempt WHERE state = 'released' FOR UPDATE`)
	l.must(err)
	l.mustPurge(10, map[string]int64{"room_attempt": 1, "janus_reservation": 1})
}
