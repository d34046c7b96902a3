package workflows_test

import (
	"encoding/json"
	"testing"

	"minigroups/activities"
	"minigroups/minigroup"
)

// failedMinigroup plays a create that conference refuses and returns the minigroup that has failed.
func failedMinigroup(s *harness, run string, d minigroup.Draft) minigroup.Minigroup {
	s.Helper()
	return failedRequest(s, run, minigroup.NewCreateRequest(d))
}

func failedRequest(s *harness, run string, r minigroup.CreateRequest) minigroup.Minigroup {
	s.Helper()
	s.script(conferenceCreate, refused)
	s.assertEnd(s.createAs(run, r), r.Draft, step{}, end{failed: minigroup.UpstreamRefused})
	return s.assertConsistent(r.Draft)
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
		s := db.newHarness(t)
		d := draft()
		m := failedMinigroup(s, "run-1", d)
		for _, value := range []string{`"before it was read"`, `"after it was read"`} {
			if _, err := s.ledger.SetProperty(t.Context(), classID(d), "note", json.RawMessage(value)); err != nil {
				t.Fatal(err)
			}
			if value == `"before it was read"` {
				m = s.assertConsistent(d)
			}
		}
		if p := s.createAs("run-2", m.RetryRequest()); p.err != nil {
			t.Fatal(p.err)
		}
		after := s.assertConsistent(d)
		if after.State != minigroup.Ready || after.Fingerprint != fingerprint(d) {
			t.Errorf("an equal request does not find it: %+v", after)
		}
		if want := `{"note": "after it was read", "theme": "dark"}`; string(after.Properties) != want {
			t.Errorf("its properties are %s, want %s", after.Properties, want)
		}
	})
	t.Run("it fails again without a trace, and can be retried again", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := draft()
		m := failedMinigroup(s, "run-1", d)
		again := failedRequest(s, "run-2", m.RetryRequest())
		if again.Fingerprint != fingerprint(d) || !again.Failure.FailedAt.After(m.Failure.FailedAt) {
			t.Errorf("got %+v", again)
		}
		if p := s.createAs("run-3", again.RetryRequest()); p.err != nil || s.assertConsistent(d).State != minigroup.Ready {
			t.Errorf("it ended with %v", p.err)
		}
	})
	t.Run("cancelled before it began, it has failed as cancelled", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := draft()
		m := failedMinigroup(s, "run-1", d)
		p := s.createAs("run-2", m.RetryRequest(), cancelAtOnce)
		if after := s.assertConsistent(d); !p.cancelled() || after.State != minigroup.Failed || after.Failure.Kind != minigroup.OperationCancelled || after.Fingerprint != fingerprint(d) {
			t.Errorf("it ended with %v: %+v", p.err, after)
		}
	})
	t.Run("it does not take the place of what somebody else asked for meanwhile", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := draft()
		m := failedMinigroup(s, "run-1", d)
		other := d
		other.Host = "another.example.org"
		failedMinigroup(s, "run-2", other)
		p := s.createAs("run-3", m.RetryRequest())
		if after := s.assertConsistent(other); p.kind() != activities.Superseded || after.Host != other.Host || after.Fingerprint != fingerprint(other) {
			t.Errorf("it ended with %v: %+v", p.err, after)
		}
	})
}
