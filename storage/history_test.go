package storage_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// history returns the history of a class, the earliest first.
func (l ledger) history(class uuid.UUID) []minigroup.HistoryEntry {
	l.Helper()
	entries, err := l.History(l.Context(), class, 0, 100)
	l.must(err)
	slices.Reverse(entries)
	return entries
}

// wantHistory checks the kinds of the history of a class, each with its requester and its run.
func (l ledger) wantHistory(class uuid.UUID, want ...string) {
	l.Helper()
	var got []string
	for _, e := range l.history(class) {
		who := e.By.Account.Label + e.By.Operator
		if who == "" {
			who = "service"
		}
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s by %s %s", e.Kind, who, e.Run)))
		if time.Since(e.At) > time.Hour || !json.Valid(e.Details) {
			l.Errorf("the entry is %+v", e)
		}
	}
	if !slices.Equal(got, want) {
		l.Errorf("the history is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// details returns the details of the only entry of a kind.
func (l ledger) details(class uuid.UUID, kind minigroup.HistoryKind) map[string]any {
	l.Helper()
	var details map[string]any
	for _, e := range l.history(class) {
		if e.Kind == kind {
			if details != nil {
				l.Fatalf("there is more than one entry %s", kind)
			}
			l.must(json.Unmarshal(e.Details, &details))
		}
	}
	return details
}

// knownKinds are the kinds that the schema allows.
func (l ledger) knownKinds() (kinds []string) {
	l.Helper()
	for _, check := range l.texts(`
		SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'history_kind_is_known'`) {
		for _, quoted := range regexp.MustCompile(`'(\w+)'`).FindAllStringSubmatch(check, -1) {
			kinds = append(kinds, quoted[1])
		}
	}
	slices.Sort(kinds)
	return kinds
}

// TestEveryTransitionSaysWhatItTells reads the arguments of the triggers that check transitions: each names a kind of
// history, or a dash.
func TestEveryTransitionSaysWhatItTells(t *testing.T) {
	l := newLedger(t)
	kinds := l.knownKinds()
	transitions := l.texts(`
		SELECT t.tgname || ': ' || a FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid AND p.proname = 'check_transition',
			unnest(string_to_array(encode(t.tgargs, 'escape'), '\000')) a
		WHERE a <> ''`)
	if len(transitions) < 20 {
		t.Fatalf("found only %q", transitions)
	}
	for _, transition := range transitions {
		parts := strings.Split(transition, ": ")
		if len(parts) != 3 || parts[2] != "-" && !slices.Contains(kinds, parts[2]) {
			t.Errorf("%q names no kind of history", transition)
		}
	}
	var known []string
	for _, kind := range minigroup.HistoryKinds() {
		known = append(known, string(kind))
	}
	if slices.Sort(known); !slices.Equal(known, kinds) {
		t.Errorf("the kinds of the code are %q, those of the schema %q", known, kinds)
	}
}

// TestEveryKindOfHistoryIsWritten makes the Store do everything that it can.
func TestEveryKindOfHistoryIsWritten(t *testing.T) {
	l := newLedger(t)
	exercise(l)
	written := l.texts(`SELECT DISTINCT kind FROM minigroup_history`)
	for _, kind := range l.knownKinds() {
		if !slices.Contains(written, kind) {
			t.Errorf("nothing has written %s", kind)
		}
	}
}

func TestTheHistoryOfACreate(t *testing.T) {
	l, d := newLedger(t, 100), draft(8)
	e := entry("run-1", d)
	e.RequestedBy = teacher
	l.begin(e)
	l.must(l.RecordCancel(t.Context(), e.ID, "run-1", operator))
	l.must(l.RecordCancel(t.Context(), e.ID, "run-1", teacher))
	l.beginUndo(minigroup.Claim{Run: "run-1"}, d, minigroup.Failure{Kind: minigroup.OperationCancelled})
	_, _, err := l.EndUndo(t.Context(), "run-1", e.ID)
	l.must(err)
	again := replacing("run-1", "run-2", d)
	again.RequestedBy, again.Retry = operator, true
	l.begin(again)
	l.wantHistory(e.ID,
		"create_requested by teacher run-1", "cancel_requested by ada run-1", "undo_begun by teacher run-1",
		"create_failed by teacher run-1", "create_retried by ada run-2")
	requested := l.history(e.ID)[0]
	if requested.By != teacher {
		t.Errorf("it was requested by %+v", requested.By)
	}
	want := map[string]any{
		"time": []any{float64(*d.Time.Start), float64(*d.Time.End)}, "host": d.Host, "reserve": 8.0,
		"locked_chat": true, "locked_questions": true,
	}
	if got := l.details(e.ID, minigroup.HistoryCreateRequested); !reflect.DeepEqual(got, want) {
		t.Errorf("the details are %v, want %v", got, want)
	}
	failure := map[string]any{"failure": map[string]any{"kind": "operation_cancelled"}}
	if got := l.details(e.ID, minigroup.HistoryUndoBegun); !reflect.DeepEqual(got, failure) {
		t.Errorf("the details are %v, want %v", got, failure)
	}
}

func TestTheHistoryOfAnUpdateThatEndsTheClass(t *testing.T) {
	l, d := newLedger(t, 100), draft(0)
	d.Time = running()
	m := l.ready("run-1", d)
	id, now := uuid.New(), time.Now().Unix()-1
	c := minigroup.Change{Time: &minigroup.Window{Start: m.Time.Start, End: &now}, RequestedBy: teacher}
	_, err := l.TakeForUpdate(t.Context(), minigroup.Claim{Run: "run-2", Replaces: "run-1"}, m.ID, id)
	l.must(err)
	l.must(l.BeginUpdate(t.Context(), minigroup.UpdateEntry{
		Claim: minigroup.Claim{Run: "run-2"}, ID: id, ClassID: m.ID, Change: c,
		Plan: minigroup.UpdatePlan{Time: *c.Time, Host: "a.b.c", Ends: true, Revision: m.Revision},
	}))
	_, err = l.TakeForUpdate(t.Context(), minigroup.Claim{Run: "run-3", Replaces: "run-2"}, m.ID, id)
	l.must(err)
	l.commit("run-3", id)
	l.wantHistory(m.ID, "create_requested by service run-1", "create_done by service run-1",
		"update_requested by teacher run-2", "recovered by service run-3", "update_done by teacher run-3",
		"ended by teacher run-3")
	start := float64(*m.Time.Start)
	want := map[string]any{
		"update_id": id.String(),
		"old":       map[string]any{"time": []any{start, float64(*m.Time.End)}, "host": m.Host},
		"new":       map[string]any{"time": []any{start, float64(now)}, "host": "a.b.c"},
	}
	if got := l.details(m.ID, minigroup.HistoryUpdateDone); !reflect.DeepEqual(got, want) {
		t.Errorf("the details are %v, want %v", got, want)
	}
	if got := l.details(m.ID, minigroup.HistoryEnded); got["cause"] != "update" {
		t.Errorf("the class was ended by %v", got)
	}
	if got := l.recordOf(id).Requested.RequestedBy; got != teacher {
		t.Errorf("the update was requested by %+v", got)
	}
}

func TestWhatAnOperatorForcesIsTold(t *testing.T) {
	l := newLedger(t, 100)
	m := l.ready("run-1", draft(0))
	id := l.update(m, minigroup.UpdatePlan{Time: m.Time, Reserve: m.Reserve, Host: "a.b.c"})
	_, err := l.ForceFailUpdate(t.Context(), m.ID, operator, minigroup.Failure{Kind: minigroup.OperationCancelled})
	l.must(err)
	l.wantHistory(m.ID, "create_requested by service run-1", "create_done by service run-1",
		"update_requested by service run-2", "update_force_failed by ada run-2")
	if got := l.details(m.ID, minigroup.HistoryUpdateForceFailed); got["update_id"] != id.String() {
		t.Errorf("the details are %v", got)
	}
	// The next transaction of the connection is not his.
	l.EndOverdue(t.Context(), -48*time.Hour, 10)
	if last := l.history(m.ID)[4]; last.Kind != minigroup.HistoryEnded || last.By != (minigroup.Requester{}) {
		t.Errorf("the last entry is %+v", last)
	}
}

func TestTheHistoryIsReadInPages(t *testing.T) {
	l := newLedger(t, 100)
	m := l.ready("run-1", draft(0))
	other := unique()
	l.ready("run-1", other)
	l.must(l.RecordCancel(t.Context(), m.ID, "run-1", teacher))
	var kinds []minigroup.HistoryKind
	for before := int64(0); ; {
		page, err := l.History(t.Context(), m.ID, before, 2)
		l.must(err)
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			kinds, before = append(kinds, e.Kind), e.Number
		}
	}
	want := []minigroup.HistoryKind{
		minigroup.HistoryCancelRequested, minigroup.HistoryCreateDone, minigroup.HistoryCreateRequested,
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("got %v, want %v", kinds, want)
	}
}

func TestTheHistoryIsNotChanged(t *testing.T) {
	l := newLedger(t, 100)
	l.ready("run-1", draft(0))
	for _, sql := range []string{
		`UPDATE minigroup_history SET by_whom = '{}'`, `UPDATE minigroup_history SET details = '{}'`,
		`UPDATE minigroup_history SET erased = true, kind = 'ended'`,
		`UPDATE minigroup_history SET erased = true, at = now() - interval '1 day'`,
	} {
		if _, err := l.db.Exec(t.Context(), sql); err == nil {
			t.Errorf("the schema allows %s", sql)
		}
	}
}

func TestPurgeDeletesOldHistory(t *testing.T) {
	l := newLedger(t, 100)
	m := l.ready("run-1", draft(0))
	l.exec(`ALTER TABLE minigroup_history DISABLE TRIGGER history_is_kept`)
	l.exec(`UPDATE minigroup_history SET at = at - interval '91 days' WHERE kind = 'create_requested'`)
	l.mustPurge(10, map[string]int64{"minigroup_history": 1})
	l.wantHistory(m.ID, "create_done by service run-1")
}
