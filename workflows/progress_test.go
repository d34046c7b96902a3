package workflows_test

import (
	"errors"
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
	inspect := func(at time.Duration, p *workflows.Progress) hook {
		return hook{at: at, inspect: func(now workflows.Progress) { *p = now }}
	}
	t.Run("a retried step shows its limit and its first error, and needs attention after two minutes", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.script(conferenceCreate, times(1+attemptsBeforeAttention, unavailable)...)
		var before, after workflows.Progress
		p := s.create("run-1", d, inspect(119*time.Second, &before), inspect(121*time.Second, &after))
		s.assertEnd(p, d, step{}, end{})
		for _, want := range []struct {
			progress   workflows.Progress
			attention  bool
			waitingFor []string
		}{
			{before, false, nil},
			{after, true, []string{"conference"}},
		} {
			got := want.progress
			if got.Operation != "create" || got.Stage != "creating" || len(got.Steps) != 1 ||
				got.Attention != want.attention || !slices.Equal(got.WaitingFor, want.waitingFor) {
				t.Fatalf("got %+v", got)
			}
			s := got.Steps[0]
			if s.Name != "create_conference_room" || !s.Retrying || s.Attention != want.attention ||
				s.MaxAttempts == nil || *s.MaxAttempts != maxAttempts || s.WaitingFor != "conference" || s.Since.IsZero() ||
				!strings.Contains(s.LastError, "conference is not available: scripted") {
				t.Errorf("got %+v", s)
			}
		}
		if !before.Steps[0].Since.Equal(after.Steps[0].Since) {
			t.Error("the step has started twice")
		}
		if p.progress.Outcome != "done" || p.progress.Stage != "done" || p.progress.Attention || len(p.progress.Steps) != 0 {
			t.Errorf("at the end %+v", p.progress)
		}
		if !slices.Equal(p.attention, []bool{true, false}) {
			t.Errorf("attention went through %v", p.attention)
		}
	})
	t.Run("a step in its local attempt shows neither a limit nor an error", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		var first workflows.Progress
		inspected := make(chan struct{})
		s.script(conferenceCreate, func(c call) error {
			waitFor(inspected)
			return succeed(c)
		})
		p := s.create("run-1", d, hook{at: time.Millisecond, inspect: func(now workflows.Progress) {
			if first = now; len(now.Steps) > 0 {
				close(inspected)
			}
		}})
		s.assertEnd(p, d, step{}, end{})
		for _, s := range first.Steps {
			if s.Retrying || s.Attention || s.MaxAttempts != nil || s.LastError != "" || s.WaitingFor != "" {
				t.Errorf("got %+v", s)
			}
		}
		if len(first.Steps) == 0 {
			t.Error("no step was seen")
		}
	})
	t.Run("a step that succeeds within two minutes needs no attention", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.script(conferenceCreate, times(attemptsBeforeAttention, unavailable)...)
		p := s.create("run-1", d)
		s.assertEnd(p, d, step{}, end{})
		if len(p.attention) > 0 || p.cancelledTimers != 1 {
			t.Errorf("attention went through %v, %d timers were cancelled", p.attention, p.cancelledTimers)
		}
	})
	t.Run("a step is an activity at once, whatever pause its service asks for", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.script(conferenceCreate, func(c call) error {
			err := c.fail(unavailability)
			var upstream *minigroup.UpstreamError
			if errors.As(err, &upstream) {
				upstream.RetryAfter = time.Hour
			}
			return err
		})
		p := s.create("run-1", d)
		s.assertEnd(p, d, step{}, end{})
		if len(p.attempts) != 1 || len(p.attention) > 0 {
			t.Errorf("got the attempts %v; attention went through %v", p.attempts, p.attention)
		}
	})
	t.Run("the attempts of the retry phase are those of one activity", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.script(conferenceCreate, times(maxAttempts, unavailable)...)
		p := s.create("run-1", d)
		s.assertEnd(p, d, step{}, end{})
		var want []attemptSeen
		for i := range int32(maxAttempts) {
			want = append(want, attemptSeen{"CreateConferenceRoom", p.attempts[0].id, i + 1})
		}
		if !slices.Equal(p.attempts, want) {
			t.Errorf("got %v, want %v", p.attempts, want)
		}
	})
	t.Run("the retry budget bounds the retry phase", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.script(conferenceCreate, times(1000, unavailable)...)
		const budget = 2 * time.Hour
		p := s.run("run-1", workflows.CreateMinigroup, workflows.CreateInput{
			Request: requestOf(d), MaxAttempts: workflows.AttemptsWithin(budget),
		})
		s.assertEnd(p, d, step{}, end{failed: minigroup.UpstreamUnavailable})
		took := p.metrics.total("saga_step_duration outcome=unanswered phase=retry step=create_conference_room")
		if took < budget-5*time.Minute || took > budget+time.Minute {
			t.Errorf("the retry phase took %s of a budget of %s", took, budget)
		}
	})
	t.Run("every service that steps wait for is listed, until it answers", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.script(eventCreate, times(1+attemptsBeforeAttention, unavailable)...)
		s.script(conferenceCreate, times(1+attemptsBeforeAttention+1, unavailable)...)
		p := s.create("run-1", d)
		s.assertEnd(p, d, step{}, end{})
		last := len(p.waiting) - 1
		if last < 2 || !slices.Contains(p.waiting, "conference,event") ||
			p.waiting[last-1] != "conference" || p.waiting[last] != "" {
			t.Errorf("the services were %q", p.waiting)
		}
		for i, services := range p.waiting {
			if p.attention[i] != (services != "") {
				t.Errorf("attention is %t while the services are %q", p.attention[i], services)
			}
		}
	})
	t.Run("an undo shows its reason, and its steps are retried without limit", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.script(conferenceCreate, append(times(4, unavailable), refused)...) // the event room exists by then
		s.script(eventClose, times(1+attemptsBeforeAttention+1, refused)...)
		var undoing workflows.Progress
		p := s.create("run-1", d, inspect(180*time.Second, &undoing))
		s.assertEnd(p, d, step{}, end{failed: minigroup.UpstreamRefused})
		if undoing.Stage != "undoing" || !strings.Contains(undoing.Reason, "conference refused") || len(undoing.Steps) != 1 {
			t.Fatalf("got %+v", undoing)
		}
		closing := undoing.Steps[0]
		if closing.Name != "close_room_if_present" || !closing.Attention ||
			closing.MaxAttempts == nil || *closing.MaxAttempts != 0 ||
			!strings.Contains(closing.LastError, "event refused") {
			t.Errorf("got %+v", closing)
		}
		if p.progress.Outcome != "failed" || p.progress.Reason != undoing.Reason {
			t.Errorf("at the end %+v", p.progress)
		}
	})
	t.Run("a superseded run has that outcome", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.create("run-1", d)
		s.notCurrent.Store(true)
		p := s.update("run-2", uuid.New(), d, minigroup.Change{})
		if p.progress.Outcome != "superseded" || p.progress.Stage != "failed" || !slices.Equal(p.stages, []string{"failed"}) {
			t.Errorf("got %+v after the stages %q", p.progress, p.stages)
		}
	})
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	t.Run("a create that is retried", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.script(conferenceCreate, times(1+attemptsBeforeAttention, unavailable)...)
		p := s.create("run-1", d)
		s.assertEnd(p, d, step{}, end{})
		p.metrics.assertCount(t, "saga_ended operation=create outcome=done", 1)
		for _, series := range []string{
			"saga_duration operation=create outcome=done",
			"saga_step_duration outcome=ok phase=local step=create_event_room",
			"saga_step_duration outcome=unanswered phase=local step=create_conference_room",
			"saga_step_duration outcome=ok phase=retry step=create_conference_room",
			"saga_step_duration outcome=ok phase=local step=establish",
		} {
			p.metrics.assertCount(t, series, 1)
		}
		took := p.metrics.total("saga_step_duration outcome=ok phase=retry step=create_conference_room")
		if took < 2*time.Minute || took > 3*time.Minute { // by the clock of the test environment
			t.Errorf("the retry phase took %s", took)
		}
	})
	t.Run("a refused create and a cancelled one", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		s.script(conferenceCreate, refused)
		metrics := s.create("run-1", newDraft()).metrics
		metrics.assertCount(t, "saga_ended operation=create outcome=failed", 1)
		metrics.assertCount(t, "saga_failed operation=create reason=upstream_refused", 1)
		s.create("run-2", newDraft(), cancelAtOnce).metrics.assertCount(t, "saga_ended operation=create outcome=cancelled", 1)
	})
}
