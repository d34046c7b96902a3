package storage_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// updates updates a minigroup once for each end: "done", "failed", "refused" (by a precondition, before it begins),
// "repaired" or "running".
func (l ledger) updates(m minigroup.Minigroup, ends ...string) (ids []uuid.UUID) {
	l.Helper()
	for _, end := range ends {
		id := uuid.New()
		claim := minigroup.Claim{Run: uuid.NewString(), Replaces: l.read(m.ID).Run}
		_, err := l.TakeForUpdate(l.Context(), claim, m.ID, id)
		l.must(err)
		if end != "refused" {
			l.must(l.BeginUpdate(l.Context(), minigroup.UpdateEntry{
				Claim: minigroup.Claim{Run: claim.Run}, ID: id, ClassID: m.ID,
				Plan:   minigroup.UpdatePlan{Revision: m.Revision, Time: m.Time, Host: m.Host},
				Change: minigroup.Change{Host: new("a.b.c"), Repair: end == "repaired"},
			}))
		}
		switch end {
		case "done", "repaired":
			l.commit(claim.Run, id)
		case "failed":
			l.fail(claim.Run, m.ID, id, minigroup.UpstreamRefused, false)
		case "refused":
			l.fail(claim.Run, m.ID, id, minigroup.PreconditionFailed, false)
		}
		ids = append(ids, id)
	}
	return ids
}

func TestPurgeDeletesDecidedUpdatesThatAreNotShown(t *testing.T) {
	for name, c := range map[string]struct {
		ends []string
		left []int // the numbers of those that are left
	}{
		"done updates":                            {ends: []string{"done", "done", "done"}},
		"a shown failure is left":                 {ends: []string{"done", "failed"}, left: []int{1}},
		"a failure before a done update":          {ends: []string{"failed", "done"}},
		"a repair, which hides no failure":        {ends: []string{"failed", "repaired", "repaired"}, left: []int{0}},
		"a refusal, which hides no failure":       {ends: []string{"failed", "refused"}, left: []int{0}},
		"a refusal before a failure":              {ends: []string{"refused", "failed"}, left: []int{1}},
		"nothing while another update is running": {ends: []string{"failed", "done", "running"}, left: []int{0, 1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(t)
			m := l.ready("run-1", draft(0))
			ids := l.updates(m, c.ends...)
			before := l.read(m.ID).Update
			l.mustPurge(10, nothing)
			l.age("1 year")
			want := map[string]int64{}
			if n := len(ids) - len(c.left); n > 0 {
				want["minigroup_update"] = int64(n)
			}
			l.mustPurge(10, want)
			var left []string
			for _, n := range c.left {
				left = append(left, ids[n].String())
			}
			slices.Sort(left)
			if got := l.texts(`SELECT id::text FROM minigroup_update`); !slices.Equal(got, left) {
				t.Errorf("left are %v, want %v of %v", got, left, ids)
			}
			after := l.read(m.ID).Update
			if (before == nil) != (after == nil) || before != nil && before.ID != after.ID {
				t.Errorf("the minigroup shows %+v, and showed %+v", after, before)
			}
		})
	}
}

func TestPurgeKeepsAnUpdateWhosePatchIsToBeLookedFor(t *testing.T) {
	l := newLedger(t)
	m := l.ready("run-1", draft(0))
	ids := l.updates(m, "done", "done")
	l.exec(`UPDATE minigroup_update SET look_up_at = now() WHERE id = $1`, ids[0])
	l.age("1 year")
	l.mustPurge(10, map[string]int64{"minigroup_update": 1})
	due, err := l.DueLookups(t.Context(), time.Hour, 10)
	if err != nil || len(due) != 1 {
		t.Fatalf("got %+v, %v", due, err)
	}
	l.must(l.NothingToRepair(t.Context(), due[0]))
	l.mustPurge(10, map[string]int64{"minigroup_update": 1})
}
