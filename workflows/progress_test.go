package workflows_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/workflows"
)

func TestProgress(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	looking := func(at time.Duration, p *workflows.Progress) plot {
		return plot{at: at, look: func(now workflows.Progress) { *p = now }}
	}
	t.Run("a step that is not answered tells its lane, its tries and its last error", func(t *testing.T) {
		t.Parallel()
		s := db.stage(t)
		d := newDraft()
		s.tell(conferenceCreate, times(1+visibleTries+2, unavailable)...)
		var soon, later workflows.Progress
		p := s.create("run-1", d, looking(10*time.Second, &soon), looking(150*time.Second, &later))
		s.endsAs(p, d, step{}, end{})
		for _, want := range []struct {
			progress          workflows.Progress
			lane              string
			firstTry, lastTry int32
			attention         bool
			waitingFor        []string
		}{
			{soon, "visible", 2, 1 + visibleTries, false, nil},
			{later, "patient", 2 + visibleTries, triesInAll, true, []string{"conference"}},
		} {
			got := want.progress
			if got.Operation != "create" || got.Stage != "creating" || len(got.Steps) != 1 ||
				got.Attention != want.attention || !slices.Equal(got.WaitingFor, want.waitingFor) {
				t.Fatalf("got %+v", got)
			}
			s := got.Steps[0]
			if s.Name != "create_conference_room" || s.Lane != want.lane || s.FirstTry != want.firstTry || s.LastTry != want.lastTry ||
				s.WaitingFor != "conference" || s.Since.IsZero() || !strings.Contains(s.LastError, "conference is not available: told_by_the_test") {
				t.Errorf("got %+v", s)
			}
		}
		if !soon.Steps[0].Since.Equal(later.Steps[0].Since) {
			t.Error("the step has begun twice")
		}
		if p.progress.Outcome != "done" || p.progress.Stage != "done" || p.progress.Attention || len(p.progress.Steps) != 0 {
			t.Errorf("at the end %+v", p.progress)
		}
	})
	t.Run("all services that are missing are told, and each until it answers", func(t *testing.T) {
		t.Parallel()
		s := db.stage(t)
		d := newDraft()
		s.tell(eventCreate, times(1+visibleTries+1, unavailable)...)
		s.tell(conferenceCreate, times(1+visibleTries+2, unavailable)...)
		p := s.create("run-1", d)
		s.endsAs(p, d, step{}, end{})
		last := len(p.waiting) - 1
		if last < 2 || !slices.Contains(p.waiting, "conference,event") || p.waiting[last-1] != "conference" || p.waiting[last] != "" {
			t.Errorf("%q were told", p.waiting)
		}
		for i, services := range p.waiting {
			if p.attention[i] != (services != "") {
				t.Errorf("attention is %t while %q are missing", p.attention[i], services)
			}
		}
	})
	t.Run("a run that undoes tells why", func(t *testing.T) {
		t.Parallel()
		s := db.stage(t)
		d := newDraft()
		s.tell(conferenceCreate, append(times(4, unavailable), refused)...) // by then there is an event room
		s.tell(eventClose, times(1+visibleTries+1, refused)...)
		var undoing workflows.Progress
		p := s.create("run-1", d, looking(120*time.Second, &undoing))
		s.endsAs(p, d, step{}, end{failed: minigroup.UpstreamRefused})
		if undoing.Stage != "undoing" || !strings.Contains(undoing.Reason, "conference refused") || len(undoing.Steps) != 1 {
			t.Fatalf("got %+v", undoing)
		}
		closing := undoing.Steps[0]
		if closing.Name != "close_room_if_present" || closing.Lane != "patient" || closing.LastTry != 0 || !strings.Contains(closing.LastError, "event refused") {
			t.Errorf("got %+v", closing)
		}
		if p.progress.Outcome != "failed" || p.progress.Reason != undoing.Reason {
			t.Errorf("at the end %+v", p.progress)
		}
	})
	t.Run("a run that was superseded says so", func(t *testing.T) {
		t.Parallel()
		s := db.stage(t)
		d := newDraft()
		s.create("run-1", d)
		s.gone.Store(true)
		p := s.run("run-2", workflows.UpdateMinigroup, workflows.UpdateInput{UpdateID: uuid.New(), ClassID: d.ClassID(), Patience: patience})
		if p.progress.Outcome != "superseded" || p.progress.Stage != "failed" || !slices.Equal(p.stages, []string{"failed"}) {
			t.Errorf("got %+v after the stages %q", p.progress, p.stages)
		}
	})
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	t.Run("of a create that had to wait", func(t *testing.T) {
		t.Parallel()
		s := db.stage(t)
		d := newDraft()
		s.tell(conferenceCreate, times(1+visibleTries, unavailable)...)
		p := s.create("run-1", d)
		s.endsAs(p, d, step{}, end{})
		p.metrics.counted(t, "saga_ended operation=create outcome=done", 1)
		for _, series := range []string{
			"saga_duration operation=create outcome=done",
			"saga_step_duration lane=fast outcome=ok step=create_event_room",
			"saga_step_duration lane=fast outcome=unanswered step=create_conference_room",
			"saga_step_duration lane=visible outcome=unanswered step=create_conference_room",
			"saga_step_duration lane=patient outcome=ok step=create_conference_room",
			"saga_step_duration lane=fast outcome=ok step=establish",
		} {
			p.metrics.counted(t, series, 1)
		}
		took := p.metrics.took("saga_step_duration lane=visible outcome=unanswered step=create_conference_room")
		if took < time.Minute || took > 3*time.Minute { // of the environment that skips time
			t.Errorf("the visible lane took %s", took)
		}
	})
	t.Run("of one that was refused, and of one that was cancelled", func(t *testing.T) {
		t.Parallel()
		s := db.stage(t)
		s.tell(conferenceCreate, refused)
		s.create("run-1", newDraft()).metrics.counted(t, "saga_ended operation=create outcome=failed", 1)
		s.create("run-2", newDraft(), atOnce).metrics.counted(t, "saga_ended operation=create outcome=cancelled", 1)
	})
}
