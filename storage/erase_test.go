package storage_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// personal are the values of the class of TestErasedDataIsNowhereInTheDatabase that are personal.
var personal = []string{"personal-host", "personal-label", "personal-reason", "personal-tag", "personal-property"}

// TestErasedDataIsNowhereInTheDatabase looks for personal values in all rows of all tables.
func TestErasedDataIsNowhereInTheDatabase(t *testing.T) {
	l, d := newLedger(t, 100), draft(0)
	d.Time, d.Host = running(), "personal-host"
	d.Tags, d.Properties = []byte(`{"a":"personal-tag"}`), []byte(`{"a":"personal-property"}`)
	by := minigroup.Requester{
		Account: minigroup.Account{Label: "personal-label", Audience: "example.org"}, Reason: "personal-reason",
		RequestID: "request-1",
	}
	e := entry("run-1", d)
	e.RequestedBy = by
	b := l.begin(e)
	l.answer(b.EventAttempt, uuid.New())
	l.locked(l.roomOf(b.EventAttempt))
	l.answer(b.ConferenceAttempt, uuid.New())
	m, err := l.Establish(t.Context(), "run-1", e.ID, true)
	l.must(err)
	for owner, run := range map[string]string{"run-1": "run-2"} {
		host := "personal-host.b.c"
		c, id := minigroup.Change{Host: &host, RequestedBy: by}, uuid.New()
		_, err := l.TakeForUpdate(t.Context(), minigroup.Claim{Run: run, Replaces: owner}, m.ID, id)
		l.must(err)
		l.must(l.BeginUpdate(t.Context(), minigroup.UpdateEntry{
			Claim: minigroup.Claim{Run: run}, ID: id, ClassID: m.ID, Change: c, Plan: minigroup.UpdatePlan{
				Revision: m.Revision, Time: m.Time, Host: host, Patch: minigroup.ConferencePatch{Host: &host},
			},
		}))
		if err := l.ErasePersonalData(t.Context(), m.ID, operator); !isKind(err, minigroup.NotClosed) {
			t.Errorf("during an update: %v", err)
		}
		l.commit(run, id)
	}
	l.must(l.RecordCancel(t.Context(), m.ID, "run-2", by))
	if err := l.ErasePersonalData(t.Context(), m.ID, operator); !isKind(err, minigroup.NotClosed) {
		t.Errorf("while the class is open: %v", err)
	}
	for _, value := range personal {
		if len(l.rowsWith(value)) == 0 {
			t.Errorf("no row has %s", value)
		}
	}
	if _, err := l.EndOverdue(t.Context(), -48*time.Hour, 10); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l.must(l.ErasePersonalData(t.Context(), m.ID, operator))
	}
	for _, value := range personal {
		if rows := l.rowsWith(value); len(rows) > 0 {
			t.Errorf("%s is in %v", value, rows)
		}
	}
	l.wantHistory(m.ID, "create_requested by service run-1", "create_done by service run-1",
		"update_requested by service run-2", "update_done by service run-2", "cancel_requested by service run-2",
		"ended by service run-2", "personal_data_erased by ada")
	if first := l.history(m.ID)[0]; !first.Erased || first.By.RequestID != "request-1" ||
		first.By.Account.Audience != "example.org" {
		t.Errorf("the first entry is %+v", first)
	}
	if now := l.read(m.ID); now.ErasedAt.IsZero() || now.Host != "" || now.Tags != nil || string(now.Properties) != "{}" {
		t.Errorf("the minigroup is %+v", now)
	}
}

// roomOf returns the room of an attempt.
func (l ledger) roomOf(attempt uuid.UUID) uuid.UUID {
	l.Helper()
	return uuid.MustParse(l.texts(`SELECT room_id::text FROM room_attempt WHERE id = '` + attempt.String() + `'`)[0])
}

// rowsWith lists the rows of all tables that contain a text, with their tables.
func (l ledger) rowsWith(text string) (rows []string) {
	l.Helper()
	for _, table := range l.texts(`SELECT relname::text FROM pg_class
		WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`) {
		for _, row := range l.texts(`SELECT to_jsonb(r)::text FROM ` + table + ` r`) {
			if strings.Contains(row, text) {
				rows = append(rows, table+": "+row)
			}
		}
	}
	return rows
}

func TestAnErasedClassGetsNoNewRooms(t *testing.T) {
	l := newLedger(t, 100)
	l.undone(draft(0))
	failed := l.read(classID(draft(0)))
	l.must(l.ErasePersonalData(t.Context(), failed.ID, operator))
	retry := replacing(failed.Run, "run-2", draft(0))
	retry.Retry = true
	if _, err := l.BeginCreate(t.Context(), retry); !isSuperseded(err) {
		t.Errorf("a retry that was read before it: %v", err)
	}
	l.begin(replacing(failed.Run, "run-3", draft(0)))
	if now := l.read(failed.ID); !now.ErasedAt.IsZero() || now.Host != draft(0).Host {
		t.Errorf("created again, it is %+v", now)
	}

	d := unique()
	d.Time = running()
	m := l.ready("run-1", d)
	l.record(closing(m, false))
	id := uuid.New()
	_, err := l.TakeForUpdate(t.Context(), minigroup.Claim{Run: "run-2", Replaces: "run-1"}, m.ID, id)
	l.must(err)
	l.must(l.ErasePersonalData(t.Context(), m.ID, operator))
	_, _, err = l.BeginRecreate(t.Context(), minigroup.RecreateEntry{UpdateEntry: minigroup.UpdateEntry{
		Claim: minigroup.Claim{Run: "run-2"}, ID: id, ClassID: m.ID,
		Change: minigroup.Change{Recreate: &minigroup.Recreation{}},
		Plan:   minigroup.UpdatePlan{Revision: m.Revision, Time: m.Time},
	}})
	if !isKind(err, minigroup.Closed) {
		t.Errorf("a recreate that had taken the row: %v", err)
	}
	if err := l.ErasePersonalData(t.Context(), uuid.New(), operator); !isKind(err, minigroup.ClassNotFound) {
		t.Errorf("an unknown class: %v", err)
	}
}
