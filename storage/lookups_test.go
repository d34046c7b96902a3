package storage_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// due lists at most limit minigroups that are to be looked up; every class without an end is.
func (l ledger) due(limit int) []minigroup.Lookup {
	l.Helper()
	due, err := l.DueLookups(l.Context(), 0, limit)
	l.must(err)
	return due
}

// toLookFor counts the PATCHes that are to be looked for.
func (l ledger) toLookFor() int {
	l.Helper()
	return l.count(`SELECT count(*) FROM minigroup_update WHERE look_up_at IS NOT NULL`)
}

// patched is a minigroup whose last update has failed after its PATCH for another host was not answered.
func (l ledger) patched(scope string) (m minigroup.Minigroup, update uuid.UUID) {
	l.Helper()
	m = l.ready("run-1", named(scope))
	update = l.update(m, minigroup.UpdatePlan{
		Time: m.Time, Host: "a.b.c", Patch: minigroup.ConferencePatch{Host: new("a.b.c")},
	})
	if _, sent, err := l.SendPatch(l.Context(), "run-2", update, 0); err != nil || !sent {
		l.Fatalf("sent: %t, %v", sent, err)
	}
	l.must(l.PatchUnanswered(l.Context(), "run-2", update, 0))
	l.fail("run-2", m.ID, update, minigroup.UpstreamRefused, false)
	return l.read(m.ID), update
}

// hasPatch reports whether a minigroup is listed with a PATCH to look for.
func hasPatch(due []minigroup.Lookup, id uuid.UUID) bool {
	return slices.ContainsFunc(due, func(l minigroup.Lookup) bool { return l.ID == id && len(l.Unanswered) > 0 })
}

func TestClassesWithoutAnEndAreLookedUpOncePerPeriodAFewAtATime(t *testing.T) {
	l := newLedger(t)
	ahead := named("ahead")
	ahead.Time.Start = new(time.Now().Unix() + 3600)
	l.ready("run-1", ahead)
	l.readyDuring(running())
	for _, scope := range []string{"one", "two", "three"} {
		l.ready("run-1", named(scope))
	}
	if due, err := l.DueLookups(t.Context(), time.Hour, 10); err != nil || len(due) != 0 {
		t.Fatalf("got %+v, %v", due, err)
	}
	seen := map[string]int{}
	for range 2 {
		due := l.due(2)
		if len(due) != 2 || due[0].ConferenceRoomID == uuid.Nil {
			t.Fatalf("got %+v", due)
		}
		for _, lookup := range due {
			seen[lookup.Scope]++
		}
	}
	if len(seen) != 3 || seen["ahead"] != 0 {
		t.Fatalf("looked up: %v", seen)
	}
}

func TestAnUnansweredPatchIsLookedUpOnceAnHour(t *testing.T) {
	l := newLedger(t)
	l.ready("run-1", named("endless"))
	m, update := l.patched("patched")
	due := l.due(1)
	if len(due) != 1 || !hasPatch(due, m.ID) || due[0].Host != m.Host || due[0].Revision != m.Revision {
		t.Fatalf("due are %+v, want the one with the PATCH first", due)
	}
	u := due[0].Unanswered
	if len(u) != 1 || u[0].UpdateID != update || *u[0].Patch.Host != "a.b.c" || u[0].Patch.Time != nil {
		t.Errorf("to look for: %+v", u)
	}
	if again := l.due(10); hasPatch(again, m.ID) {
		t.Errorf("listed again: %+v", again)
	}
	if n := l.count(`SELECT count(*) FROM minigroup_update WHERE look_up_at > now() + interval '59 minutes'`); n != 1 {
		t.Errorf("%d are due in an hour", n)
	}
	l.must(l.NothingToRepair(t.Context(), due[0]))
	if n := l.toLookFor(); n != 0 {
		t.Errorf("%d are still to be looked for", n)
	}
}

func TestALookUpIsRepeatedIfTheMinigroupHasChangedSince(t *testing.T) {
	for name, change := range map[string]func(ledger, minigroup.Minigroup){
		"another host": func(l ledger, m minigroup.Minigroup) {
			l.commit("run-2", l.update(m, minigroup.UpdatePlan{Time: m.Time, Host: "d.e.f"}))
		},
		"an update has begun": func(l ledger, m minigroup.Minigroup) {
			l.update(m, minigroup.UpdatePlan{Time: m.Time, Host: "d.e.f"})
		},
		"an update is accepted": func(l ledger, m minigroup.Minigroup) {
			l.accept(minigroup.Claim{Run: "run-2"}, m.ID, uuid.New(), "d.e.f")
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(t)
			m, _ := l.patched("patched")
			due := l.due(10)
			change(l, m)
			l.must(l.NothingToRepair(t.Context(), due[0]))
			if n := l.toLookFor(); n != 1 {
				t.Errorf("%d are still to be looked for", n)
			}
		})
	}
}

func TestUnansweredPatchesThatAreNotLookedUp(t *testing.T) {
	l := newLedger(t)
	m, _ := l.patched("undecided")
	l.update(m, minigroup.UpdatePlan{Time: m.Time, Host: "d.e.f"})
	if due := l.due(10); hasPatch(due, m.ID) {
		t.Errorf("while an update is undecided: %+v", due)
	}
	over, _ := l.patched("over")
	l.record(closing(over, false))
	if due := l.due(10); hasPatch(due, over.ID) || l.toLookFor() != 1 {
		t.Errorf("of a closed class: %+v; %d are to be looked for", due, l.toLookFor())
	}
}

func TestARepairIsNotShownAndBeginsOnlyAtItsRevision(t *testing.T) {
	l := newLedger(t)
	m, failed := l.patched("patched")
	mustShow := func(when string) {
		t.Helper()
		if now := l.read(m.ID); now.Update == nil || now.Update.ID != failed {
			t.Errorf("%s, the minigroup shows %+v", when, now.Update)
		}
	}
	repair := minigroup.UpdateEntry{
		Claim: minigroup.Claim{Run: "run-2"}, ID: uuid.New(), ClassID: m.ID,
		Plan:   minigroup.UpdatePlan{Revision: m.Revision, Time: m.Time, Host: "a.b.c"},
		Change: minigroup.Change{Host: new("a.b.c"), Revision: new(m.Revision - 1), Repair: true},
	}
	if err := l.BeginUpdate(t.Context(), repair); !isKind(err, minigroup.PreconditionFailed) {
		t.Fatalf("got %v", err)
	}
	_, err := l.FailUpdate(t.Context(), minigroup.Claim{Run: "run-2"}, m.ID, repair.ID, repair.Change,
		minigroup.Failure{Kind: minigroup.CapacityExceeded}, minigroup.FailRefused)
	l.must(err)
	mustShow("when a repair has failed")
	repair.ID, repair.Change.Revision = uuid.New(), &m.Revision
	l.must(l.BeginUpdate(t.Context(), repair))
	mustShow("while a repair runs")
	l.commit("run-2", repair.ID)
	mustShow("when a repair is done")
	if now := l.read(m.ID); now.Host != "a.b.c" {
		t.Errorf("the repair has made the host %s", now.Host)
	}
	if n := l.toLookFor(); n != 1 {
		t.Errorf("%d PATCHes are to be looked for, want that of the failed update, so that the repair is verified", n)
	}
}

func TestALookUpThatFailedIsRepeatedAfterAnHourAndASuccessfulOneAfterThePeriod(t *testing.T) {
	l := newLedger(t)
	m := l.ready("run-1", named("endless"))
	pass := func(d time.Duration) (due int) {
		t.Helper()
		l.exec(`UPDATE minigroup SET looked_up_at = looked_up_at - $1::interval`, d)
		all, err := l.DueLookups(t.Context(), 24*time.Hour, 10)
		l.must(err)
		return len(all)
	}
	for _, c := range []struct {
		after time.Duration
		due   int
	}{{25 * time.Hour, 1}, {time.Minute, 0}, {time.Hour, 1}} {
		if n := pass(c.after); n != c.due {
			t.Errorf("%d are due %s after the last failure, want %d", n, c.after, c.due)
		}
	}
	l.must(l.LookedUp(t.Context(), []uuid.UUID{m.ID}))
	for _, c := range []struct {
		after time.Duration
		due   int
	}{{23 * time.Hour, 0}, {time.Hour, 1}} {
		if n := pass(c.after); n != c.due {
			t.Errorf("%d are due %s after the last success, want %d", n, c.after, c.due)
		}
	}
}
