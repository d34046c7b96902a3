package storage_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// inOneGroup calls writes at the same time, so that they are one group.
func (l ledger) inOneGroup(writes ...func()) {
	l.Helper()
	l.WriteOneGroupAtATime()
	blocked := named("blocked")
	l.begin(entry("run-b", blocked))
	tx, err := l.db.Begin(l.Context())
	l.must(err)
	_, err = tx.Exec(l.Context(), `UPDATE minigroup SET locked_chat = locked_chat WHERE id = $1`, classID(blocked))
	l.must(err)
	var calls sync.WaitGroup
	calls.Go(func() { l.begin(entry("run-b", blocked)) }) // it waits for the transaction, and the writes for it
	l.eventually("a write waits for a lock", func() bool {
		return l.count(`SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
			AND datname = current_database()`) == 1
	})
	for _, write := range writes {
		calls.Go(write)
	}
	l.eventually("the other writes wait", func() bool { return l.WaitingWrites() == len(writes) })
	l.must(tx.Commit(l.Context()))
	calls.Wait()
}

func (l ledger) eventually(what string, holds func() bool) {
	l.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			l.Fatalf("%s: not within 10 s", what)
		}
	}
}

func TestWritesThatComeAtTheSameTimeShareATransaction(t *testing.T) {
	l, five, eight := newLedger(t, 100), draft(5), draft(8)
	five.Scope = "five"
	begunFive, begunEight := l.begin(entry("run-5", five)), l.begin(entry("run-8", eight))
	l.beginUndo(minigroup.Claim{Run: "run-8"}, eight, minigroup.Failure{Kind: minigroup.OperationCancelled})
	states := make([]minigroup.AttemptState, 2)
	var slots int32
	var slotsErr error
	begun := make([]minigroup.BegunCreate, 2)
	l.inOneGroup(
		func() { states[0] = l.answer(begunFive.EventAttempt, uuid.New()) },
		func() { states[1] = l.answer(begunEight.EventAttempt, uuid.New()) },
		func() {
			slots, _, slotsErr = l.ReservationHeld(t.Context(), begunFive.Reservation, minigroup.RunningCreate{})
		},
		func() { begun[0] = l.begin(entry("run-c", named("c"))) },
		func() { begun[1] = l.begin(entry("run-d", named("d"))) },
	)
	if states[0] != minigroup.AttemptHeld || states[1] != minigroup.AttemptReleasing || slots != 5 || slotsErr != nil {
		t.Errorf("got %s, %d slots, %v", states, slots, slotsErr)
	}
	for i, d := range []minigroup.Draft{named("c"), named("d")} {
		n := l.count(`SELECT count(*) FROM room_attempt WHERE class_id = $1 AND id IN ($2, $3)`,
			classID(d), begun[i].EventAttempt, begun[i].ConferenceAttempt)
		if n != 2 || begun[i].State != minigroup.Creating {
			t.Errorf("%s began with %+v, of which %d attempts are its own", d.Scope, begun[i], n)
		}
	}
	n := l.count(`
		SELECT count(DISTINCT xmin::text) FROM (
			SELECT xmin FROM room_attempt WHERE id = ANY($1)
			UNION ALL SELECT xmin FROM janus_reservation WHERE id = $2
			UNION ALL SELECT xmin FROM minigroup WHERE scope IN ('c', 'd')) written`,
		[]uuid.UUID{begunFive.EventAttempt, begunEight.EventAttempt}, begunFive.Reservation)
	if n != 1 {
		t.Errorf("they were %d transactions", n)
	}
}

func TestAWriteFailsAlone(t *testing.T) {
	l := newLedger(t, 8)
	other := l.begin(entry("run-1", named("other")))
	tooMany, enough := draft(9), draft(8)
	enough.Scope = "enough"
	var refused error
	var state minigroup.AttemptState
	var begun minigroup.BegunCreate
	l.inOneGroup(
		func() { _, refused = l.BeginCreate(t.Context(), entry("run-9", tooMany)) },
		func() { begun = l.begin(entry("run-8", enough)) },
		func() { state = l.answer(other.EventAttempt, uuid.New()) },
	)
	if !isKind(refused, minigroup.CapacityExceeded) || state != minigroup.AttemptHeld || begun.Reservation == uuid.Nil {
		t.Errorf("got %v, %s and %+v", refused, state, begun)
	}
	if n := l.count(`SELECT count(*) FROM minigroup WHERE id IN ($1, $2)`, classID(tooMany), classID(enough)); n != 1 {
		t.Errorf("%d of the creates have a row", n)
	}
}

func TestAWriteIsDoneWhenItIsCommitted(t *testing.T) {
	l := newLedger(t)
	good, bad := l.begin(entry("run-1", named("good"))), l.begin(entry("run-1", named("bad")))
	l.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not committed''; END'`)
	l.exec(`CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON room_attempt DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW WHEN (NEW.class_id = '` + classID(named("bad")).String() + `') EXECUTE FUNCTION refuse()`)
	var state minigroup.AttemptState
	var err error
	l.inOneGroup(
		func() { state = l.answer(good.EventAttempt, uuid.New()) },
		func() {
			_, _, err = l.AnswerAttempt(t.Context(), bad.EventAttempt, uuid.New(), minigroup.RunningCreate{})
		},
	)
	if state != minigroup.AttemptHeld || err == nil {
		t.Errorf("got %s, and %v for a write that was not committed", state, err)
	}
	if n := l.count(`SELECT count(*) FROM room_attempt WHERE state = 'held'`); n != 1 {
		t.Errorf("%d rooms are held", n)
	}
}

func TestAWriteThatWaitsForALockLetsTheOthersGo(t *testing.T) {
	l := newLedger(t)
	locked, free := l.begin(entry("run-1", named("locked"))), l.begin(entry("run-1", named("free")))
	conn, err := l.Acquire(t.Context())
	l.must(err)
	defer conn.Release()
	tx, err := conn.Begin(t.Context())
	l.must(err)
	_, err = tx.Exec(t.Context(), `SELECT FROM room_attempt WHERE id = $1 FOR UPDATE`, locked.EventAttempt)
	l.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var late error
	l.inOneGroup(
		func() { _, _, late = l.AnswerAttempt(ctx, locked.EventAttempt, uuid.New(), minigroup.RunningCreate{}) },
		func() {
			defer cancel()
			bounded, end := context.WithTimeout(ctx, 10*time.Second)
			defer end()
			_, _, err := l.AnswerAttempt(bounded, free.EventAttempt, uuid.New(), minigroup.RunningCreate{})
			l.must(err)
		},
	)
	l.must(tx.Rollback(t.Context()))
	if !errors.Is(late, context.Canceled) {
		t.Errorf("the write that waits returned %v", late)
	}
}
