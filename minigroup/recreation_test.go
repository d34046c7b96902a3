package minigroup_test

import (
	"slices"
	"testing"

	"minigroups/minigroup"
)

func TestValidateRecreation(t *testing.T) {
	recreate := func(w *minigroup.Window) minigroup.Change {
		return minigroup.Change{Time: w, Recreate: &minigroup.Recreation{}}
	}
	for _, c := range []struct {
		name   string
		change minigroup.Change
		want   []string
	}{
		{"without a time", recreate(nil), []string{}},
		{"with an end in the future", recreate(new(window(nil, at(1)))), []string{}},
		{"with an end that has passed", recreate(new(window(nil, at(0)))), []string{"time[1]"}},
		{"with a window that ends before it begins, in the past", recreate(new(window(at(-5), at(-9)))), []string{"time"}},
	} {
		if got := fields(c.change.ValidateRecreation(now)); !slices.Equal(got, c.want) {
			t.Errorf("%s: got mistakes in %v, want %v", c.name, got, c.want)
		}
	}
}

func TestPlanRecreation(t *testing.T) {
	m := minigroup.Minigroup{Draft: validDraft()}
	m.LockedChat, m.Reserve = true, new(int32(5))
	for _, c := range []struct {
		name      string
		has, want minigroup.Window
		change    minigroup.Change
	}{
		{name: "a class that goes on keeps its time", has: window(at(-60), at(1)), want: window(at(-60), at(1))},
		{name: "a class that has ended is open again", has: window(at(-60), at(0))},
		{
			name: "a time of the change is taken", has: window(at(-60), at(0)), want: window(at(5), at(60)),
			change: minigroup.Change{Time: new(window(at(5), at(60)))},
		},
	} {
		m.Time = c.has
		plan := minigroup.PlanRecreation(m, c.change, now)
		if !plan.Time.Equal(c.want) || plan.Host != m.Host || *plan.Reserve != 5 {
			t.Errorf("%s: got %+v", c.name, plan)
		}
		kept := m.Recreated(plan, minigroup.Recreation{})
		if !kept.Time.Equal(c.want) || !kept.LockedChat || kept.LockedQuestions {
			t.Errorf("%s: the draft is %+v", c.name, kept)
		}
		other := m.Recreated(plan, minigroup.Recreation{LockedChat: new(false), LockedQuestions: new(true)})
		if other.LockedChat || !other.LockedQuestions {
			t.Errorf("%s: with other locks the draft is %+v", c.name, other)
		}
	}
}
