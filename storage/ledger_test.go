package storage_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

// ledger is a Store on a database of its own. Its methods fail the test if the Store returns an error.
type ledger struct {
	*testing.T
	*storage.Store
	db *pgx.Conn
}

// newLedger returns an empty ledger with a gateway for each capacity: janus-1, janus-2 and so on.
func newLedger(t *testing.T, capacities ...int32) ledger {
	t.Helper()
	s, db := storagetest.New(t)
	l := ledger{t, s, db}
	l.gateways(capacities...)
	return l
}

func (l ledger) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l ledger) gateways(capacities ...int32) {
	l.Helper()
	var backends []minigroup.Backend
	for i, c := range capacities {
		id := "janus-" + string(rune('1'+i))
		backends = append(backends, minigroup.Backend{ID: id, AdminURL: "http://127.0.0.1:1/admin", Capacity: new(c)})
	}
	l.must(l.SyncBackends(l.Context(), backends))
}

// exec executes SQL that the Store does not.
func (l ledger) exec(sql string, args ...any) {
	l.Helper()
	_, err := l.db.Exec(l.Context(), sql, args...)
	l.must(err)
}

// count returns the number that a query returns.
func (l ledger) count(sql string, args ...any) (n int) {
	l.Helper()
	l.must(l.db.QueryRow(l.Context(), sql, args...).Scan(&n))
	return n
}

// draft has a value in every field, except that reserve 0 reserves nothing.
func draft(reserve int32) minigroup.Draft {
	start := time.Now().Unix() + 3600
	d := minigroup.Draft{
		Audience: "example.org", Scope: "math/7b Ж%", Host: "host.example.org",
		Time: minigroup.Window{Start: new(start), End: new(start + 3600)},
		Tags: json.RawMessage(`{"a":[1,2.5,{"b":null}]}`), LockedChat: true, LockedQuestions: true,
		Properties: json.RawMessage(`{"p":{"q":[true]}}`),
	}
	if reserve > 0 {
		d.Reserve = new(reserve)
	}
	return d
}

// named is a draft with this scope that asks for two rooms and nothing else.
func named(scope string) minigroup.Draft {
	return minigroup.Draft{Audience: "example.org", Scope: scope, Host: "h"}
}

func classID(d minigroup.Draft) uuid.UUID { return minigroup.NewClassID(d.Audience, d.Scope) }

func fingerprint(d minigroup.Draft) string { return minigroup.NewCreateRequest(d).Fingerprint }

// hours is a window of hours from a fixed time tomorrow; an end of 0 is no end.
func hours(from, to int64) minigroup.Window {
	base := time.Now().Truncate(time.Hour).Unix() + 24*3600
	w := minigroup.Window{Start: new(base + from*3600)}
	if to > 0 {
		w.End = new(base + to*3600)
	}
	return w
}

// running is the window of a class that has begun.
func running() minigroup.Window {
	now := time.Now().Unix()
	return minigroup.Window{Start: new(now - 60), End: new(now + 3600)}
}

func entry(run string, d minigroup.Draft) minigroup.CreateEntry {
	return minigroup.CreateEntry{
		Claim: minigroup.Claim{Run: run}, CreateRequest: minigroup.NewCreateRequest(d),
		EventAttempt: uuid.New(), ConferenceAttempt: uuid.New(), Reservation: uuid.New(),
		RequestTimeout: time.Minute, Gateways: true,
	}
}

// replacing is the entry of a run that may replace the owner.
func replacing(owner, run string, d minigroup.Draft) minigroup.CreateEntry {
	e := entry(run, d)
	e.Replaces = owner
	return e
}

// begin begins a create.
func (l ledger) begin(e minigroup.CreateEntry) minigroup.BegunCreate {
	l.Helper()
	b, err := l.BeginCreate(l.Context(), e)
	l.must(err)
	return b
}

// unanswered begins a create whose requests are not answered before their deadline, which has passed.
func (l ledger) unanswered(d minigroup.Draft) minigroup.BegunCreate {
	l.Helper()
	e := entry("run-1", d)
	e.RequestTimeout, e.Gateways = 0, false
	return l.begin(e)
}

// attemptAt is a further attempt at a room of a create.
func attemptAt(kind minigroup.RoomKind, run string, d minigroup.Draft) minigroup.AttemptEntry {
	return minigroup.AttemptEntry{
		ID: uuid.New(), Run: run, ClassID: classID(d), Kind: kind, Operation: minigroup.ForCreate,
		Fingerprint: fingerprint(d), RequestTimeout: time.Minute,
	}
}

func (l ledger) open(a minigroup.AttemptEntry) minigroup.Attempt {
	l.Helper()
	attempt, err := l.OpenAttempt(l.Context(), a)
	l.must(err)
	return attempt
}

func (l ledger) answer(attempt, room uuid.UUID) minigroup.AttemptState {
	l.Helper()
	state, _, err := l.AnswerAttempt(l.Context(), attempt, room, minigroup.RunningCreate{})
	l.must(err)
	return state
}

// locked records that everything is locked in a room.
func (l ledger) locked(room uuid.UUID) {
	l.Helper()
	_, err := l.RoomLocked(l.Context(), room, minigroup.RunningCreate{})
	l.must(err)
}

// expire moves the deadline of an attempt to now.
func (l ledger) expire(attempt uuid.UUID) {
	l.Helper()
	l.exec(`UPDATE room_attempt SET sent_at = sent_at - interval '1 hour', expires_at = now() WHERE id = $1`, attempt)
}

// ready creates a minigroup.
func (l ledger) ready(run string, d minigroup.Draft) minigroup.Minigroup {
	l.Helper()
	b := l.begin(entry(run, d))
	event := uuid.New()
	l.answer(b.EventAttempt, event)
	l.answer(b.ConferenceAttempt, uuid.New())
	if d.Locks().Any() {
		l.locked(event)
	}
	if b.Reservation != uuid.Nil {
		l.held(b.Reservation)
	}
	m, err := l.Establish(l.Context(), run, classID(d), true)
	l.must(err)
	if is := l.read(classID(d)); !reflect.DeepEqual(m, is) {
		l.Fatalf("established as %+v, and read as %+v", m, is)
	}
	return m
}

// readyDuring creates a minigroup with this window and eight slots, on a gateway of ten.
func (l ledger) readyDuring(w minigroup.Window) minigroup.Minigroup {
	l.Helper()
	l.gateways(10)
	d := draft(8)
	d.Time = w
	return l.ready("run-1", d)
}

func (l ledger) read(id uuid.UUID) minigroup.Minigroup {
	l.Helper()
	m, err := l.ByID(l.Context(), id)
	l.must(err)
	return m
}

// beginUndo begins the undo of a create.
func (l ledger) beginUndo(claim minigroup.Claim, d minigroup.Draft, reason minigroup.Failure) minigroup.BegunUndo {
	l.Helper()
	undo, err := l.BeginUndo(l.Context(), claim, classID(d), new(minigroup.NewCreateRequest(d)), reason)
	l.must(err)
	return undo
}

// tryUpdate begins an update of a minigroup that run-1 has created. It returns the error of BeginUpdate.
func (l ledger) tryUpdate(run string, m minigroup.Minigroup, plan minigroup.UpdatePlan) (uuid.UUID, error) {
	l.Helper()
	id := uuid.New()
	b, err := l.TakeForUpdate(l.Context(), minigroup.Claim{Run: run, Replaces: "run-1"}, m.ID, id)
	if err != nil || b.State != minigroup.UpdateRequested {
		l.Fatalf("got %+v, %v", b, err)
	}
	plan.Revision = b.Minigroup.Revision
	return id, l.BeginUpdate(l.Context(), minigroup.UpdateEntry{
		Claim: minigroup.Claim{Run: run}, ID: id, ClassID: m.ID, Change: minigroup.Change{Time: &plan.Time}, Plan: plan,
		Reservation: uuid.New(), Gateways: true,
	})
}

// update begins an update by run-2.
func (l ledger) update(m minigroup.Minigroup, plan minigroup.UpdatePlan) uuid.UUID {
	l.Helper()
	id, err := l.tryUpdate("run-2", m, plan)
	l.must(err)
	return id
}

// accept accepts an update that changes the host.
func (l ledger) accept(claim minigroup.Claim, classID, update uuid.UUID, host string) {
	l.Helper()
	l.must(l.AcceptUpdate(l.Context(), claim, classID, update, minigroup.Change{Host: &host}))
}

func (l ledger) commit(run string, update uuid.UUID) (changesGateway bool) {
	l.Helper()
	changesGateway, err := l.CommitUpdate(l.Context(), run, update)
	l.must(err)
	return changesGateway
}

// fail fails an update and returns its state. With unlessSent, a PATCH that may have been sent prevents that.
func (l ledger) fail(
	run string, classID, update uuid.UUID, kind minigroup.Kind, unlessSent bool,
) minigroup.UpdateState {
	l.Helper()
	change, mode := minigroup.Change{Host: new("a.b.c")}, minigroup.FailRefused
	if unlessSent {
		mode = minigroup.FailUnlessSent
	}
	state, err := l.FailUpdate(
		l.Context(), minigroup.Claim{Run: run}, classID, update, change, minigroup.Failure{Kind: kind}, mode)
	l.must(err)
	return state
}

// recordOf reads an update.
func (l ledger) recordOf(update uuid.UUID) minigroup.UpdateRecord {
	l.Helper()
	rec, err := l.UpdateRecord(l.Context(), update)
	l.must(err)
	return rec
}

// openReservations lists the reservations of a class that are not released.
func (l ledger) openReservations(classID uuid.UUID) []minigroup.Reservation {
	l.Helper()
	open, err := l.OpenReservations(l.Context(), classID)
	l.must(err)
	return open
}

func isKind(err error, kind minigroup.Kind) bool {
	var e *minigroup.Error
	return errors.As(err, &e) && e.Kind == kind
}

func isSuperseded(err error) bool {
	var e *minigroup.SupersededError
	return errors.As(err, &e)
}

// isOwned reports whether err says that this run owns the minigroup.
func isOwned(err error, owner string) bool {
	var e *minigroup.OwnedError
	return errors.As(err, &e) && e.Owner == owner
}

// held records that the gateway has the room of a reservation.
func (l ledger) held(reservation uuid.UUID) {
	l.Helper()
	if _, _, err := l.ReservationHeld(l.Context(), reservation, minigroup.RunningCreate{}); err != nil {
		l.Fatal(err)
	}
}
