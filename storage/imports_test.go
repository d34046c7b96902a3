package storage_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// olga imports classes, with slots on gateways.
var olga = minigroup.ImportOptions{By: minigroup.Requester{Operator: "olga", Reason: "moving in"}, Gateways: true}

// foreign returns a class of dispatcher.
func foreign(scope string, reserve int32) minigroup.ImportedClass {
	d := named(scope)
	d.Time, d.LockedChat = hours(1, 2), true
	if reserve != 0 {
		d.Reserve = &reserve
	}
	return minigroup.ImportedClass{
		Draft: d, ID: uuid.New(), EventRoomID: uuid.New(), ConferenceRoomID: uuid.New(),
		CreatedAt: time.Unix(1_700_000_000, 0), Source: "source of " + scope,
	}
}

func (l ledger) imports(o minigroup.ImportOptions, classes ...minigroup.ImportedClass) []minigroup.ImportResult {
	l.Helper()
	results, err := l.ImportClasses(l.Context(), classes, o)
	l.must(err)
	return results
}

// wantImport checks the outcome of one class.
func (l ledger) wantImport(
	c minigroup.ImportedClass, outcome minigroup.ImportOutcome, reason minigroup.ImportReason,
) {
	l.Helper()
	if r := l.imports(olga, c)[0]; r.Outcome != outcome || r.Reason != reason {
		l.Fatalf("%s: got %+v, want %s %s", c.Scope, r, outcome, reason)
	}
}

func TestAnImportedClassIsAsIfItHadBeenCreatedHere(t *testing.T) {
	l := newLedger(t, 10)
	c := foreign("moved", 4)
	dry := olga
	dry.DryRun = true
	if r := l.imports(dry, c)[0]; r.Outcome != minigroup.ImportCreated || l.count(`SELECT count(*) FROM minigroup`) != 0 {
		t.Fatalf("the dry run: %+v", r)
	}
	l.wantImport(c, minigroup.ImportCreated, "")
	m := l.read(c.ID)
	if m.Scope != c.Scope || m.State != minigroup.Ready || m.EventRoomID != c.EventRoomID || !m.LockedChat ||
		!m.CreatedAt.Equal(c.CreatedAt) || m.Fingerprint != fingerprint(c.Draft) {
		t.Errorf("got %+v", m)
	}
	n := l.count(`
		SELECT count(*) FROM room_attempt WHERE state = 'held' AND locked = (kind = 'event') AND fingerprint = $1`,
		m.Fingerprint)
	if slots := l.count(`SELECT sum(slots) FROM janus_reservation WHERE state = 'pending'`); n != 2 || slots != 4 {
		t.Errorf("%d rooms and %d slots", n, slots)
	}
	history, err := l.History(t.Context(), c.ID, 0, 10)
	if l.must(err); len(history) != 1 || history[0].Kind != minigroup.HistoryImported || history[0].By != olga.By {
		t.Errorf("the history is %+v", history)
	}
	sources, err := l.ImportedSources(t.Context(), []uuid.UUID{c.ID, uuid.New()})
	if l.must(err); len(sources) != 1 || sources[c.ID] != c.Source {
		t.Errorf("the sources are %v", sources)
	}
}

func TestAClassThatCannotBeImportedKeepsNoOther(t *testing.T) {
	l := newLedger(t, 10)
	existing := l.ready("run-1", named("here"))
	taken, large, room := foreign("here", 0), foreign("large", 11), foreign("room", 0)
	room.ConferenceRoomID = existing.ConferenceRoomID
	last := foreign("last", 10)
	got := l.imports(olga, taken, large, room, last)
	for i, want := range []minigroup.ImportReason{
		minigroup.ImportScopeTaken, minigroup.ImportCapacity, minigroup.ImportRoomTaken, "",
	} {
		if got[i].Reason != want {
			t.Errorf("got %+v, want %q", got[i], want)
		}
	}
	if n := l.count(`SELECT count(*) FROM minigroup`); n != 2 {
		t.Errorf("there are %d minigroups", n)
	}
}

func TestAClassThatHasChangedInDispatcherIsUpdated(t *testing.T) {
	l := newLedger(t, 10)
	c := foreign("moved", 4)
	l.wantImport(c, minigroup.ImportCreated, "")
	c.Source, c.Host, c.Reserve, c.ConferenceRoomID = "changed", "a.b.c", new(int32(6)), uuid.New()
	l.wantImport(c, minigroup.ImportUpdated, "")
	c.Source, c.Host = "changed again", "d.e.f"
	l.wantImport(c, minigroup.ImportUpdated, "")
	if m := l.read(c.ID); m.Host != "d.e.f" || m.ConferenceRoomID != c.ConferenceRoomID || *m.Reserve != 6 {
		t.Errorf("got %+v", m)
	}
	rooms := l.count(`SELECT count(*) FROM room_attempt`)
	slots := l.texts(`SELECT state || ' ' || slots FROM janus_reservation `)
	if rooms != 2 || len(slots) != 2 || slots[0] != "pending 6" || slots[1] != "releasing 4" {
		t.Errorf("%d rooms, slots %v", rooms, slots)
	}

	// It has changed here, too.
	_, err := l.SetProperty(t.Context(), c.ID, "k", []byte(`1`))
	l.must(err)
	c.Source = "changed once more"
	l.wantImport(c, minigroup.ImportSkipped, minigroup.ImportChangedHere)
	untouched, err := l.ImportedUntouched(t.Context(), []uuid.UUID{c.ID})
	if l.must(err); len(untouched) != 1 || untouched[c.ID] {
		t.Errorf("untouched are %v", untouched)
	}
}

func TestAClassThatIsOverIsImportedClosed(t *testing.T) {
	l := newLedger(t, 1)
	c := foreign("over", 5)
	c.Time, c.ClosedAt, c.TimedOut = minigroup.Window{Start: new(int64(10)), End: new(int64(20))}, time.Unix(20, 0), true
	l.wantImport(c, minigroup.ImportCreated, "")
	m := l.read(c.ID)
	if m.Status(time.Now().Unix()) != minigroup.StatusClosed || !m.TimedOut ||
		l.count(`SELECT count(*) FROM outbox`) != 0 || l.count(`SELECT count(*) FROM janus_reservation`) != 0 {
		t.Errorf("got %+v", m)
	}
}

func TestWhatHasChangedHereIsExportedOnce(t *testing.T) {
	l := newLedger(t)
	c := foreign("moved", 0)
	l.wantImport(c, minigroup.ImportCreated, "")
	exported := func() (scopes []string) {
		t.Helper()
		var after uuid.UUID
		for {
			page, last, err := l.ExportClasses(t.Context(), "example.org", after)
			if l.must(err); last == uuid.Nil {
				return scopes
			}
			for _, c := range page {
				scopes = append(scopes, c.Scope+": "+c.Source)
				l.must(l.RecordExport(t.Context(), c.Minigroup, "exported", olga.By))
			}
			after = last
		}
	}
	if got := exported(); len(got) != 0 {
		t.Errorf("exported %v", got)
	}
	_, err := l.SetProperty(t.Context(), c.ID, "k", []byte(`1`))
	l.must(err)
	if got := exported(); len(got) != 1 || got[0] != "moved: source of moved" {
		t.Errorf("exported %v", got)
	}
	m := l.ready("run-1", named("new"))
	stale := m
	stale.Revision--
	l.must(l.RecordExport(t.Context(), stale, "exported", olga.By))
	if got := exported(); len(got) != 1 || got[0] != "new: " {
		t.Errorf("exported %v", got)
	}
	if got := exported(); len(got) != 0 {
		t.Errorf("exported %v", got)
	}
	if kinds := l.texts(`SELECT kind FROM minigroup_history WHERE class_id = $1`, c.ID); len(kinds) != 2 ||
		kinds[0] != "exported" || kinds[1] != "imported" {
		t.Errorf("the history is %v", kinds)
	}
}

func TestAnAccountKeepsThePropertiesThatItHasHere(t *testing.T) {
	l := newLedger(t)
	a := minigroup.Account{Audience: "example.org", Label: "a"}
	for i, step := range []struct {
		properties string
		dry        bool
		changed    bool
	}{{`{"k": 1}`, true, true}, {`{"k": 1}`, false, true}, {`{"k": 2}`, false, false}, {`{"k": 2, "l": 3}`, false, true}} {
		if changed, err := l.ImportAccount(t.Context(), a, []byte(step.properties), step.dry); err != nil ||
			changed != step.changed {
			t.Errorf("step %d: %v, %v", i, changed, err)
		}
	}
	accounts, properties, err := l.Accounts(t.Context(), "", minigroup.Account{}, 10)
	if err != nil || len(accounts) != 1 || accounts[0] != a || string(properties[0]) != `{"k": 1, "l": 3}` {
		t.Errorf("got %v, %s, %v", accounts, properties, err)
	}
}

func exerciseImports(l ledger) {
	ctx, c := l.Context(), foreign(uuid.NewString(), 1)
	l.ImportClasses(ctx, []minigroup.ImportedClass{c}, olga)
	c.Reserve = new(int32(2))
	l.ImportClasses(ctx, []minigroup.ImportedClass{c}, olga)
	l.ImportedSources(ctx, []uuid.UUID{c.ID})
	l.ImportedUntouched(ctx, []uuid.UUID{c.ID})
	l.ImportAccount(ctx, minigroup.Account{Audience: "example.org", Label: "imported"}, []byte(`{}`), false)
	l.ExportClasses(ctx, "", uuid.Nil)
	l.RecordExport(ctx, l.read(c.ID), "s", olga.By)
	l.Accounts(ctx, "", minigroup.Account{}, 10)
}
