package storage_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestAnUpdateCommitsItsNewValuesAndNothingElse(t *testing.T) {
	l := newLedger(t, 10)
	m := l.ready("run-1", draft(8))
	later := minigroup.Window{Start: new(*m.Time.Start + 60), End: new(*m.Time.End + 60)}
	id := l.update(m, minigroup.UpdatePlan{
		Time: later, Reserve: new(int32(9)), Host: m.Host, Patch: minigroup.ConferencePatch{Time: &later},
	})
	now := l.read(m.ID)
	if now.Update == nil || now.Update.State != minigroup.UpdateRunning || !now.Time.Equal(m.Time) {
		t.Fatalf("got %+v", now)
	}
	if _, sent, err := l.SendPatch(t.Context(), "run-2", id, time.Minute); err != nil || !sent {
		t.Fatal(err)
	}
	rec := l.recordOf(id)
	if !rec.PatchOpen || rec.PatchLeft < 50*time.Second || rec.Patches != 1 || rec.ConferenceRoomID != m.ConferenceRoomID {
		t.Fatalf("got %+v", rec)
	}
	if patch := rec.Plan.Patch; patch.Time == nil || !patch.Time.Equal(later) {
		t.Fatalf("the patch is %+v", patch)
	}
	if state := l.fail("run-2", m.ID, id, minigroup.OperationCancelled, true); state != minigroup.UpdateRunning {
		t.Fatalf("an update whose PATCH may have been sent became %s", state)
	}
	for range 2 {
		l.commit("run-2", id)
	}
	now = l.read(m.ID)
	if now.Update != nil || !now.Time.Equal(later) || *now.Reserve != 9 {
		t.Fatalf("got %+v", now)
	}
	if string(now.Tags) != string(m.Tags) || now.Fingerprint != m.Fingerprint {
		t.Fatalf("got %+v, was %+v", now, m)
	}
	if open := l.openReservations(m.ID); len(open) != 1 || open[0].Slots != 9 {
		t.Fatalf("got %+v", open)
	}
}

func TestAFailedUpdateChangesNothingAndIsShown(t *testing.T) {
	l := newLedger(t, 10)
	m := l.ready("run-1", draft(8))
	id := l.update(m, minigroup.UpdatePlan{Time: m.Time, Reserve: new(int32(10)), Host: "a.b.c"})
	if state := l.fail("run-2", m.ID, id, minigroup.UpstreamRefused, false); state != minigroup.UpdateFailed {
		t.Fatalf("it is %s", state)
	}
	now := l.read(m.ID)
	if now.Host != m.Host || *now.Reserve != 8 {
		t.Fatalf("got %+v", now)
	}
	if u := now.Update; u == nil || u.State != minigroup.UpdateFailed || u.Failure.Kind != minigroup.UpstreamRefused {
		t.Fatalf("it shows %+v", u)
	}
	if open := l.openReservations(m.ID); open[0].Slots != 8 {
		t.Fatalf("got %+v", open)
	}
}

func TestAFailureOfAnUpdateThatNeverBeganKeepsTheSlotsOfTheRunningOne(t *testing.T) {
	l := newLedger(t, 10)
	m := l.ready("run-1", draft(8))
	running, accepted := l.update(m, minigroup.UpdatePlan{Time: m.Time, Reserve: new(int32(9)), Host: m.Host}), uuid.New()
	l.accept(minigroup.Claim{Run: "run-2"}, m.ID, accepted, "d.e.f")
	if state := l.fail("run-2", m.ID, accepted, minigroup.OperationCancelled, false); state != minigroup.UpdateFailed {
		t.Fatalf("it is %s", state)
	}
	l.commit("run-2", running)
	if open := l.openReservations(m.ID); len(open) != 1 || open[0].Slots != 9 {
		t.Fatalf("got %+v", open)
	}
}

func TestAnUpdateIsDecidedOnlyByTheRunThatOwnsIt(t *testing.T) {
	l := newLedger(t, 10)
	m := l.ready("run-1", draft(8))
	id := l.update(m, minigroup.UpdatePlan{Time: m.Time, Reserve: m.Reserve, Host: "a.b.c"})
	if _, err := l.CommitUpdate(t.Context(), "run-1", id); !isSuperseded(err) {
		t.Errorf("committed by another run: %v", err)
	}
	_, err := l.FailUpdate(t.Context(), minigroup.Claim{Run: "run-1"}, m.ID, id, minigroup.Change{},
		minigroup.Failure{Kind: minigroup.OperationCancelled}, minigroup.FailRefused)
	if !isSuperseded(err) {
		t.Errorf("failed by another run: %v", err)
	}
	l.fail("run-2", m.ID, id, minigroup.OperationCancelled, false)
	if _, err := l.CommitUpdate(t.Context(), "run-2", id); !isSuperseded(err) {
		t.Errorf("committed after it has failed: %v", err)
	}
	if now := l.read(m.ID); now.Host != m.Host {
		t.Errorf("got %+v", now)
	}
}

// patchInFlight is a minigroup with eight slots whose update to nine and another host has sent a PATCH.
func (l ledger) patchInFlight() (m minigroup.Minigroup, update uuid.UUID) {
	l.Helper()
	m = l.ready("run-1", draft(8))
	update = l.update(m, minigroup.UpdatePlan{
		Time: m.Time, Reserve: new(int32(9)), Host: "a.b.c", Patch: minigroup.ConferencePatch{Host: new("a.b.c")},
	})
	if _, sent, err := l.SendPatch(l.Context(), "run-2", update, time.Minute); err != nil || !sent {
		l.Fatalf("sent: %t, %v", sent, err)
	}
	return m, update
}

// wantFailedUndecided checks that an update has failed and that its PATCH is looked for when it cannot be in flight any
// more.
func (l ledger) wantFailedUndecided(m minigroup.Minigroup, update uuid.UUID) {
	l.Helper()
	if rec := l.recordOf(update); rec.State != minigroup.UpdateFailed || rec.PatchOpen || !rec.MaybePatched {
		l.Errorf("the update is %+v", rec)
	}
	n := l.count(`SELECT count(*) FROM minigroup_update WHERE look_up_at BETWEEN now() + interval '50 seconds' AND
		now() + interval '1 minute'`)
	if now := l.read(m.ID); now.Host != m.Host || *now.Reserve != 8 || n != 1 {
		l.Errorf("got %+v, and %d look-ups are due in a minute", now, n)
	}
	if open := l.openReservations(m.ID); len(open) != 1 || open[0].Slots != 8 {
		l.Errorf("reserved: %+v", open)
	}
	if _, err := l.CommitUpdate(l.Context(), "run-2", update); !isSuperseded(err) {
		l.Errorf("its run committed it: %v", err)
	}
}

func TestThePatchOfAnUpdateThatFailsUndecidedIsLookedFor(t *testing.T) {
	l := newLedger(t, 10)
	m, id := l.patchInFlight()
	for range 2 {
		state, err := l.FailUpdate(t.Context(), minigroup.Claim{Run: "run-2"}, m.ID, id, minigroup.Change{},
			minigroup.Failure{Kind: minigroup.UpstreamUnavailable}, minigroup.FailUndecided)
		if err != nil || state != minigroup.UpdateFailed {
			t.Fatalf("it is %s, %v", state, err)
		}
	}
	l.wantFailedUndecided(m, id)
}

func TestAnUpdateIsForcedToFailWhicheverRunCarriesItOut(t *testing.T) {
	reason := minigroup.Failure{Kind: minigroup.OperationCancelled}
	l := newLedger(t, 10)
	m, running := l.patchInFlight()
	later := uuid.New()
	l.accept(minigroup.Claim{Run: "run-2"}, m.ID, later, "d.e.f")
	failed, err := l.ForceFailUpdate(t.Context(), m.ID, operator, reason)
	if err != nil || failed == nil || failed.ID != running || !failed.MaybePatched ||
		failed.State != minigroup.UpdateRunning {
		t.Fatalf("first %+v, %v", failed, err)
	}
	l.wantFailedUndecided(m, running)
	if u, err := l.UndecidedUpdate(t.Context(), m.ID); err != nil || u == nil || u.ID != later {
		t.Fatalf("undecided is %+v, %v", u, err)
	}
	failed, err = l.ForceFailUpdate(t.Context(), m.ID, operator, reason)
	if err != nil || failed == nil || failed.ID != later || failed.MaybePatched {
		t.Fatalf("then %+v, %v", failed, err)
	}
	if none, err := l.ForceFailUpdate(t.Context(), m.ID, operator, reason); err != nil || none != nil {
		t.Fatalf("without one: %+v, %v", none, err)
	}
}

func TestAClassWhoseUpdateWasForcedToFailEnds(t *testing.T) {
	l := newLedger(t, 10)
	m, _ := l.patchInFlight()
	l.record(closing(m, false))
	cancelled := minigroup.Failure{Kind: minigroup.OperationCancelled}
	if _, err := l.ForceFailUpdate(t.Context(), m.ID, operator, cancelled); err != nil {
		t.Fatal(err)
	}
	if n := l.endClosed(); n != 1 || l.toLookFor() != 0 {
		t.Errorf("%d classes ended, and %d PATCHes are still looked for", n, l.toLookFor())
	}
}

func TestPatchedHostIsTheLastThatAnUpdateHasSetInConference(t *testing.T) {
	l := newLedger(t)
	m := l.ready("run-1", named("hosted"))
	want := func(host string) {
		t.Helper()
		if got, err := l.PatchedHost(t.Context(), m.ID); err != nil || got != host {
			t.Errorf("got %q, %v; want %q", got, err, host)
		}
	}
	want("")
	patched := minigroup.UpdatePlan{Time: m.Time, Host: "a.b.c", Patch: minigroup.ConferencePatch{Host: new("a.b.c")}}
	l.commit("run-2", l.update(m, patched))
	l.commit("run-2", l.update(m, minigroup.UpdatePlan{Time: m.Time, Host: "d.e.f"}))
	l.fail("run-2", m.ID, l.update(m, minigroup.UpdatePlan{
		Time: m.Time, Host: "g.h.i", Patch: minigroup.ConferencePatch{Host: new("g.h.i")},
	}), minigroup.UpstreamRefused, false)
	want("a.b.c")
}

func TestACommitSaysWhetherAGatewayIsToChange(t *testing.T) {
	window := hours(0, 1)
	for _, c := range []struct {
		name    string
		reserve int32
		changes func(*minigroup.UpdatePlan)
		want    bool
	}{
		{name: "another host", reserve: 4, changes: func(p *minigroup.UpdatePlan) { p.Host = "a.b.c" }},
		{name: "another window", reserve: 4, changes: func(p *minigroup.UpdatePlan) { p.Time = hours(2, 3) }},
		{name: "another host, without slots", changes: func(p *minigroup.UpdatePlan) { p.Host = "a.b.c" }},
		{name: "more slots", reserve: 4, want: true, changes: func(p *minigroup.UpdatePlan) { p.Reserve = new(int32(5)) }},
		{name: "the first slots", want: true, changes: func(p *minigroup.UpdatePlan) { p.Reserve = new(int32(5)) }},
		{name: "no slots", reserve: 4, want: true, changes: func(p *minigroup.UpdatePlan) { p.Reserve = new(int32(0)) }},
		{name: "the end", reserve: 4, want: true, changes: func(p *minigroup.UpdatePlan) { p.Ends = true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, d := newLedger(t, 10), draft(c.reserve)
			d.Time = window
			m := l.ready("run-1", d)
			plan := minigroup.UpdatePlan{Time: m.Time, Reserve: m.Reserve, Host: m.Host}
			c.changes(&plan)
			id := l.update(m, plan)
			for range 2 {
				if got := l.commit("run-2", id); got != c.want {
					t.Errorf("got %v", got)
				}
			}
		})
	}
}
