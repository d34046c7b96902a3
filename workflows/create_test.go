package workflows_test

import (
	"testing"

	"minigroups/minigroup"
)

func TestCreateThatGoesWell(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	d := newDraft()
	p := s.create("run-1", d)
	if p.err != nil {
		t.Fatal(p.err)
	}
	if m := s.holds(d); m.State != minigroup.Ready {
		t.Errorf("the minigroup is %s", m.State)
	}
	if len(p.retried) > 0 {
		t.Errorf("steps left the fast lane: %v", p.retried)
	}
	if len(p.attention) > 0 {
		t.Errorf("attention was raised: %v", p.attention)
	}
	if len(p.stages) != 1 || p.stages[0] != "done" {
		t.Errorf("the stages were %v", p.stages)
	}
}
