package storage_test

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// exercise makes the Store issue every statement that it has. It ignores results: other tests check them.
func exercise(l ledger) {
	l.gateways(100)
	for _, part := range []func(ledger){
		exerciseCreates, exerciseUndoes, exerciseUpdates, exerciseRecreates, exerciseRoomEvents, exerciseEnds,
		exerciseProperties, exerciseHistory, exerciseForcedUpdates, exerciseRecoveries, exerciseOperations, exerciseLeases,
		exerciseLists, exerciseImports,
	} {
		part(l)
	}
}

func exerciseLeases(l ledger) {
	id := uuid.New()
	l.RenewLease(l.Context(), id, time.Minute)
	l.EndLease(l.Context(), id)
}

// unique is a draft of a new class with slots.
func unique() minigroup.Draft {
	d := draft(1)
	d.Scope = uuid.NewString()
	return d
}

// expireAll moves deadlines and look-ups into the past.
func (l ledger) expireAll() {
	l.Helper()
	l.exec(`UPDATE room_attempt SET expires_at = now() - interval '1 hour' WHERE state = 'sent'`)
	l.exec(`UPDATE minigroup_update SET look_up_at = now() - interval '1 hour' WHERE look_up_at IS NOT NULL`)
	l.exec(`UPDATE minigroup_update SET patch_until = now() - interval '1 hour' WHERE patch_until IS NOT NULL`)
}

func exerciseCreates(l ledger) {
	ctx, d := l.Context(), unique()
	m := l.ready("run-1", d)
	l.Establish(ctx, "run-1", m.ID, true)
	l.ReadFor(ctx, minigroup.ByID(m.ID), minigroup.Account{Audience: "example.org", Label: "me"})

	d = unique()
	first := entry("run-1", d)
	l.begin(first)
	l.begin(entry("run-1", d))
	l.expire(first.EventAttempt)
	other := l.open(attemptAt(minigroup.EventRoom, "run-1", d))
	l.AnswerAttempt(ctx, other.ID, uuid.New(), minigroup.RunningCreate{ClassID: other.ID})
	l.AnswerAttempt(ctx, other.ID, uuid.New(), minigroup.RunningCreate{ClassID: other.ID})
	l.RefuseAttempt(ctx, uuid.New())
	l.AttemptLost(ctx, uuid.New())
	l.RoomKnownSince(ctx, uuid.New())
	l.MoveReservation(ctx, "run-1", minigroup.NewCreateRequest(d), first.Reservation, uuid.New(), "")
	l.ReservationDoubtful(ctx, first.Reservation)
	l.ReservationReleased(ctx, first.Reservation)
	l.Reservation(ctx, first.Reservation)
	l.ReservationOf(ctx, classID(d), "")
	l.OpenReservations(ctx, classID(d))
	l.Establish(ctx, "run-1", classID(d), true)
	l.begin(replacing("run-1", "run-2", d))
}

func exerciseUndoes(l ledger) {
	ctx, d, room := l.Context(), unique(), uuid.New()
	l.AcceptCreate(ctx, minigroup.Claim{Run: "run-1"}, minigroup.NewCreateRequest(d))
	l.answer(l.begin(entry("run-1", d)).EventAttempt, room)
	l.beginUndo(minigroup.Claim{Run: "run-1"}, d, minigroup.Failure{Kind: minigroup.OperationCancelled})
	l.RoomsPendingClose(ctx, classID(d))
	l.RoomPendingClose(ctx, room)
	l.RoomReleased(ctx, room)
	l.EndUndo(ctx, "run-1", classID(d))
	l.AcceptCreate(ctx, minigroup.Claim{Run: "run-2", Replaces: "run-1"}, minigroup.NewCreateRequest(d))
}

func exerciseUpdates(l ledger) {
	ctx := l.Context()
	m := l.ready("run-1", unique())
	later := minigroup.Window{Start: new(*m.Time.Start + 60), End: new(*m.Time.End + 60)}
	plan := minigroup.UpdatePlan{
		Time: later, Reserve: new(int32(2)), Host: m.Host, Patch: minigroup.ConferencePatch{Time: &later},
	}
	id := l.update(m, plan)
	l.SendPatch(ctx, "run-2", id, time.Minute)
	l.PatchUndone(ctx, "run-2", id, 1)
	l.SendPatch(ctx, "run-2", id, time.Minute)
	l.expireAll()
	l.PatchUnanswered(ctx, "run-2", id, time.Minute)
	l.AdoptStart(ctx, "run-2", id, *later.Start)
	l.commit("run-2", id)
	l.expireAll()
	due, err := l.DueLookups(ctx, time.Hour, 10)
	if err != nil || len(due) != 1 {
		l.Fatalf("to look up: %+v, %v", due, err)
	}
	l.NothingToRepair(ctx, due[0])
	l.LookedUp(ctx, []uuid.UUID{m.ID})
	l.PatchedHost(ctx, m.ID)

	m = l.ready("run-1", unique())
	id = l.update(m, plan)
	l.fail("run-2", m.ID, id, minigroup.OperationCancelled, false)
	l.accept(minigroup.Claim{Run: "run-3", Replaces: "run-2"}, m.ID, uuid.New(), "a.b.c")
	l.UpdateRecord(ctx, id)
	l.UndecidedUpdate(ctx, m.ID)
	l.ForceFailUpdate(ctx, m.ID, operator, minigroup.Failure{Kind: minigroup.OperationCancelled})
}

func exerciseRecreates(l ledger) {
	r := l.recreateOf(l.ready("run-1", unique()), minigroup.Recreation{})
	l.OpenAttempt(l.Context(), r.another())
	r.answered()
	r.swap()
	l.OpenAttempt(l.Context(), r.another()) // of a run that has completed it
	l.recreateOf(l.ready("run-1", unique()), minigroup.Recreation{}).cancel()
}

func exerciseRoomEvents(l ledger) {
	ctx, d := l.Context(), unique()
	l.unanswered(d)
	room := announced(d)
	l.announce(room)
	l.ExpireAttempts(ctx)
	l.MarkAnnouncedForClosing(ctx)
	l.StaleClosings(ctx, 0, 10)
	l.RoomReleased(ctx, room.ID)
	l.ResolveUnseen(ctx, 0)
}

func exerciseEnds(l ledger) {
	ctx, d := l.Context(), unique()
	d.Time = running()
	l.record(closing(l.ready("run-1", d), true))
	l.EndClosed(ctx, 10)
	d = unique()
	d.Time = running()
	l.ready("run-1", d)
	l.EndOverdue(ctx, -2*time.Hour, 10) // its end is an hour from now
	l.DueLookups(ctx, time.Hour, 10)
	l.WaitingEvents(ctx, nil, 10)
	l.ClaimOutbox(ctx, 10, time.Minute)
	l.SettleOutbox(ctx, minigroup.OutboxOutcome{}, time.Minute)
}

func exerciseProperties(l ledger) {
	ctx := l.Context()
	me := minigroup.Account{Audience: "example.org", Label: "me"}
	l.SetProperty(ctx, uuid.New(), "k", json.RawMessage(`1`))
	l.SetAccountProperty(ctx, me, "k", json.RawMessage(`1`))
	l.AccountProperties(ctx, me)
	key := minigroup.NewRequestKey("web", "example.org", "key", "POST /x", "{}")
	l.ClaimKey(ctx, key, time.Hour)
	l.RecordAnswer(ctx, key, minigroup.Answer{Status: 200, Body: []byte("{}")})
}

func exerciseOperations(l ledger) {
	ctx, id := l.Context(), uuid.New()
	l.Ready(ctx)
	l.CheckSessions(ctx)
	l.Warnings(ctx)
	l.Now(ctx)
	l.Gauges(ctx)
	l.FailedMinigroups(ctx, minigroup.FailedFilter{}, nil, 10)
	l.CountFailed(ctx, minigroup.FailedFilter{})
	l.WaitingSagas(ctx, "", time.Minute, 10)
	l.UnfinishedSagas(ctx)
	l.OpenSagas(ctx, time.Minute, 10)
	l.AttemptsOf(ctx, id)
	l.ReservationsOf(ctx, id)
	l.UpdatesOf(ctx, id)
	l.LostAttempts(ctx, true, 10)
	l.exerciseFoundRooms()
	l.PendingReleases(ctx, time.Minute, 10)
	l.PendingRelease(ctx, id)
	l.BackendLoads(ctx)
	l.Backends(ctx)
	l.Drain(ctx, "janus-1", true)
	l.GatewayRooms(ctx, "janus-1", 0)
	l.RecordGateway(ctx, "janus-1", minigroup.GatewayState{Reason: "no answer"})
	l.Strays(ctx, []minigroup.GatewayRoom{{ID: id, ClassID: id}}, 0)
	l.Purge(ctx, time.Hour, 10)
}

func (l ledger) exerciseFoundRooms() {
	ctx, m := l.Context(), l.ready("run-1", unique())
	for _, keep := range []bool{true, false} {
		room := minigroup.FoundRoom{
			ID: uuid.New(), ClassID: m.ID, Kind: minigroup.EventRoom, Operation: minigroup.ForCreate, Run: "run-1", Keep: keep,
		}
		l.RecordFoundRoom(ctx, room)
		l.KnownRooms(ctx, []uuid.UUID{room.ID})
	}
	l.LookUpSoon(ctx)
}
