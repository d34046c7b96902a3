package workflows_test

import (
	"encoding/json"
	"testing"

	"minigroups/activities"
	"minigroups/minigroup"
)

// failedOf plays a create that conference refuses and returns the minigroup that has failed.
func failedOf(s *stage, run string, d minigroup.Draft) minigroup.Minigroup {
	s.Helper()
	s.tell(conferenceCreate, refused)
	s.endsAs(s.create(run, d), d, step{}, end{failed: minigroup.UpstreamRefused})
	return s.holds(d)
}

func TestARetryFromTheRow(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	draft := func() minigroup.Draft {
		d := newDraft()
		d.Tags = json.RawMessage(`{"grade":7,"b":1}`) // Postgres keeps the keys in another order
		d.Properties = json.RawMessage(`{"theme":"dark"}`)
		return d
	}
	t.Run("it is the minigroup that was asked for, with the properties that were set meanwhile", func(t *testing.T) {
		t.Parallel()
		s := db.stage(t)
		d := draft()
		m := failedOf(s, "run-1", d)
		for _, value := range []string{`"before it was read"`, `"after it was read"`} {
			if _, err := s.ledger.SetProperty(t.Context(), d.ClassID(), "note", json.RawMessage(value)); err != nil {
				t.Fatal(err)
			}
			if value == `"before it was read"` {
				m = s.holds(d)
			}
		}
		if p := s.create("run-2", m.Again()); p.err != nil {
			t.Fatal(p.err)
		}
		after := s.holds(d)
		if after.State != minigroup.Ready || after.Fingerprint != d.Fingerprint() {
			t.Errorf("an equal request does not find it: %+v", after)
		}
		if want := `{"note": "after it was read", "theme": "dark"}`; string(after.Properties) != want {
			t.Errorf("its properties are %s, want %s", after.Properties, want)
		}
	})
	t.Run("it fails again without a trace, and can be retried again", func(t *testing.T) {
		t.Parallel()
		s := db.stage(t)
		d := draft()
		m := failedOf(s, "run-1", d)
		again := failedOf(s, "run-2", m.Again())
		if again.Fingerprint != d.Fingerprint() || !again.Failure.FailedAt.After(m.Failure.FailedAt) {
			t.Errorf("got %+v", again)
		}
		if p := s.create("run-3", again.Again()); p.err != nil || s.holds(d).State != minigroup.Ready {
			t.Errorf("it ended with %v", p.err)
		}
	})
	t.Run("cancelled before it began, it has failed as cancelled", func(t *testing.T) {
		t.Parallel()
		s := db.stage(t)
		d := draft()
		m := failedOf(s, "run-1", d)
		p := s.create("run-2", m.Again(), atOnce)
		if after := s.holds(d); !p.cancelled() || after.State != minigroup.Failed || after.Failure.Kind != minigroup.OperationCancelled || after.Fingerprint != d.Fingerprint() {
			t.Errorf("it ended with %v: %+v", p.err, after)
		}
	})
	t.Run("it does not take the place of what somebody else asked for meanwhile", func(t *testing.T) {
		t.Parallel()
		s := db.stage(t)
		d := draft()
		m := failedOf(s, "run-1", d)
		other := d
		other.Host = "another.example.org"
		failedOf(s, "run-2", other)
		p := s.create("run-3", m.Again())
		if after := s.holds(other); p.kind() != activities.Superseded || after.Host != other.Host || after.Fingerprint != other.Fingerprint() {
			t.Errorf("it ended with %v: %+v", p.err, after)
		}
	})
}
