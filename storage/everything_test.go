package storage_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/storage"
)

// exerciser has a Store do all that it can do, whatever comes of each: other tests say what should.
type exerciser struct {
	*testing.T
	*storage.Store
	db *pgx.Conn
}

// everything has a Store issue every statement that it has.
func everything(t *testing.T, s *storage.Store, db *pgx.Conn) {
	t.Helper()
	e := exerciser{t, s, db}
	gateways(t, s, 100, 100)
	for _, part := range []func(){e.creates, e.undoes, e.updates, e.recreates, e.announcements, e.ends, e.keeps, e.operates} {
		part()
	}
}

// class is a draft of a class of its own.
func (e exerciser) class() minigroup.Draft {
	d := draft(1)
	d.Scope = uuid.NewString()
	return d
}

// late has all that is written look as if it were of an hour ago.
func (e exerciser) late() {
	e.Helper()
	for _, sql := range []string{
		`UPDATE room_attempt SET expires_at = now() - interval '1 hour' WHERE state = 'sent'`,
		`UPDATE minigroup_update SET look_up_at = now() - interval '1 hour' WHERE look_up_at IS NOT NULL`,
		`UPDATE minigroup_update SET patch_until = now() - interval '1 hour' WHERE patch_until IS NOT NULL`,
	} {
		if _, err := e.db.Exec(e.Context(), sql); err != nil {
			e.Fatal(err)
		}
	}
}

func (e exerciser) creates() {
	ctx, d := e.Context(), e.class()
	m := ready(e.T, e.Store, "run-1", d)
	e.Establish(ctx, "run-1", classID(d), true)
	e.ByIDForAccount(ctx, m.ID, minigroup.Account{Audience: "example.org", Label: "me"})

	d = e.class()
	first := entry("run-1", d)
	begun(e.T, e.Store, first)
	first.EventAttempt, first.ConferenceAttempt = uuid.New(), uuid.New()
	e.BeginCreate(ctx, first)
	other := minigroup.AttemptEntry{
		ID: uuid.New(), Run: "run-1", ClassID: classID(d), Kind: minigroup.EventRoom, Operation: minigroup.ForCreate,
		Fingerprint: fingerprint(d), RequestTimeout: time.Minute,
	}
	e.late()
	e.OpenAttempt(ctx, other)
	e.AnswerAttempt(ctx, other.ID, uuid.New())
	e.AnswerAttempt(ctx, other.ID, uuid.New())
	e.RefuseAttempt(ctx, uuid.New())
	e.AttemptLost(ctx, uuid.New())
	e.MoveReservation(ctx, "run-1", minigroup.NewCreateRequest(d), first.Reservation, uuid.New(), "")
	e.ReservationDoubtful(ctx, first.Reservation)
	e.ReservationReleased(ctx, first.Reservation)
	e.Reservation(ctx, first.Reservation)
	e.OpenReservations(ctx, classID(d))
	e.Establish(ctx, "run-1", classID(d), true)
}

func (e exerciser) undoes() {
	ctx, d := e.Context(), e.class()
	e.AcceptCreate(ctx, minigroup.Claim{Run: "run-1"}, minigroup.NewCreateRequest(d))
	b := begun(e.T, e.Store, entry("run-1", d))
	room := uuid.New()
	answer(e.T, e.Store, b.EventAttempt, room)
	e.BeginUndo(ctx, minigroup.Claim{Run: "run-1"}, classID(d), new(minigroup.NewCreateRequest(d)), minigroup.Failure{Kind: minigroup.OperationCancelled})
	e.RoomsPendingClose(ctx, classID(d))
	e.RoomPendingClose(ctx, room)
	e.RoomReleased(ctx, room)
	e.EndUndo(ctx, "run-1", classID(d))
	e.AcceptCreate(ctx, minigroup.Claim{Run: "run-2", Replaces: "run-1"}, minigroup.NewCreateRequest(d))
}

func (e exerciser) updates() {
	ctx := e.Context()
	begins := func(m minigroup.Minigroup, run string, plan minigroup.UpdatePlan) uuid.UUID {
		id, err := beginUpdate(e.T, e.Store, run, m, plan)
		if err != nil {
			e.Fatal(err)
		}
		return id
	}
	m := ready(e.T, e.Store, "run-1", e.class())
	later := minigroup.Window{Start: new(*m.Time.Start + 60), End: new(*m.Time.End + 60)}
	plan := minigroup.UpdatePlan{Time: later, Reserve: new(int32(2)), Host: m.Host, Patch: minigroup.ConferencePatch{Time: &later}}
	id := begins(m, "run-2", plan)
	e.SendPatch(ctx, "run-2", id, time.Minute)
	e.PatchUndone(ctx, "run-2", id, 1)
	e.SendPatch(ctx, "run-2", id, time.Minute)
	e.late()
	e.PatchUnanswered(ctx, "run-2", id, time.Minute)
	e.AdoptStart(ctx, "run-2", id, *later.Start)
	e.CommitUpdate(ctx, "run-2", id)
	e.late()
	due, err := e.DueLookups(ctx, time.Hour, 10)
	if err != nil || len(due) != 1 {
		e.Fatalf("to look up: %+v, %v", due, err)
	}
	e.NothingToRepair(ctx, due[0])

	m = ready(e.T, e.Store, "run-1", e.class())
	id = begins(m, "run-2", plan)
	e.FailUpdate(ctx, minigroup.Claim{Run: "run-2"}, m.ID, id, minigroup.Change{}, minigroup.Failure{Kind: minigroup.OperationCancelled}, false)
	e.AcceptUpdate(ctx, minigroup.Claim{Run: "run-3", Replaces: "run-2"}, m.ID, uuid.New(), minigroup.Change{Host: new("a.b.c")})
	e.UpdateRecord(ctx, id)
}

func (e exerciser) recreates() {
	m := ready(e.T, e.Store, "run-1", e.class())
	r := begunRecreate(e.T, e.Store, m, minigroup.Change{})
	e.OpenAttempt(e.Context(), r.another())
	r.answered(e.T)
	e.SwapRooms(e.Context(), r.Run, r.ID)
	m = ready(e.T, e.Store, "run-1", e.class())
	r = begunRecreate(e.T, e.Store, m, minigroup.Change{})
	e.FailUpdate(e.Context(), minigroup.Claim{Run: r.Run}, r.ClassID, r.ID, r.Change, minigroup.Failure{Kind: minigroup.OperationCancelled}, false)
}

func (e exerciser) announcements() {
	ctx, d := e.Context(), e.class()
	unanswered(e.T, e.Store, d)
	room := made(d)
	announce(e.T, e.Store, room)
	e.ExpireAttempts(ctx)
	e.MarkAnnouncedForClosing(ctx)
	e.StaleClosings(ctx, 0, 10)
	e.RoomReleased(ctx, room.ID)
	e.ResolveUnseen(ctx, 0)
}

func (e exerciser) ends() {
	ctx, d := e.Context(), e.class()
	d.Time = running()
	take(e.T, e.Store, closing(ready(e.T, e.Store, "run-1", d), true))
	e.EndClosed(ctx, 10)
	d = e.class()
	d.Time = running()
	ready(e.T, e.Store, "run-1", d)
	e.EndOverdue(ctx, -time.Hour, 10) // whose end is less than an hour ahead
	e.DueLookups(ctx, time.Hour, 10)
	e.PublishOutbox(ctx, 10, func(context.Context, minigroup.OutboxEvent) error { return nil })
}

func (e exerciser) keeps() {
	ctx := e.Context()
	me := minigroup.Account{Audience: "example.org", Label: "me"}
	e.SetProperty(ctx, uuid.New(), "k", json.RawMessage(`1`))
	e.SetAccountProperty(ctx, me, "k", json.RawMessage(`1`))
	e.AccountProperties(ctx, me)
	key := minigroup.NewRequestKey("web", "example.org", "key", "POST /x", "{}")
	e.ClaimKey(ctx, key, time.Hour)
	e.RecordAnswer(ctx, key, minigroup.Answer{Status: 200, Body: []byte("{}")})
}

func (e exerciser) operates() {
	ctx, id := e.Context(), uuid.New()
	e.Ready(ctx)
	e.Now(ctx)
	e.Gauges(ctx)
	e.FailedMinigroups(ctx, minigroup.FailedFilter{}, nil, 10)
	e.CountFailed(ctx, minigroup.FailedFilter{})
	e.WaitingSagas(ctx, "", time.Minute, 10)
	e.OpenSagas(ctx, time.Minute, 10)
	e.AttemptsOf(ctx, id)
	e.ReservationsOf(ctx, id)
	e.UpdatesOf(ctx, id)
	e.LostAttempts(ctx, true, 10)
	e.BackendLoads(ctx)
	e.Backends(ctx)
	e.Drain(ctx, "janus-1", true)
	e.GatewayRooms(ctx, "janus-1", 0)
	e.GatewayAnswers(ctx, "janus-1", false)
	e.Strays(ctx, []uuid.UUID{id}, 0)
	e.Purge(ctx, time.Hour, 10)
}
