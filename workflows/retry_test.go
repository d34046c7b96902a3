package workflows_test

import (
	"encoding/json"
	"testing"

	"minigroups/activities"
	"minigroups/minigroup"
)

// failedMinigroup runs a create that conference refuses, and returns the failed minigroup.
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

func TestRetryFromTheRow(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	draft := func() minigroup.Draft {
		d := newDraft()
		d.Tags = json.RawMessage(`{"grade":7,"b":1}`) // Postgres stores the keys in another order
		d.Properties = json.RawMessage(`{"theme":"dark"}`)
		return d
	}
	t.Run("it creates the requested minigroup, with the properties set meanwhile", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := draft()
		m := failedMinigroup(s, "run-1", d)
		for _, value := range []string{`"before the read"`, `"after the read"`} {
			if _, err := s.ledger.SetProperty(t.Context(), classID(d), "note", json.RawMessage(value)); err != nil {
				t.Fatal(err)
			}
			if value == `"before the read"` {
				m = s.assertConsistent(d)
			}
		}
		if p := s.createAs("run-2", m.RetryRequest()); p.err != nil {
			t.Fatal(p.err)
		}
		after := s.assertConsistent(d)
		if after.State != minigroup.Ready || after.Fingerprint != fingerprint(d) {
			t.Errorf("it does not equal the request: %+v", after)
		}
		if want := `{"note": "after the read", "theme": "dark"}`; string(after.Properties) != want {
			t.Errorf("its properties are %s, want %s", after.Properties, want)
		}
	})
	t.Run("a retry that fails can be retried again", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := draft()
		m := failedMinigroup(s, "run-1", d)
		again := failedRequest(s, "run-2", m.RetryRequest())
		if again.Fingerprint != fingerprint(d) || !again.Failure.FailedAt.After(m.Failure.FailedAt) {
			t.Errorf("got %+v", again)
		}
		if p := s.createAs("run-3", again.RetryRequest()); p.err != nil || s.assertConsistent(d).State != minigroup.Ready {
			t.Errorf("the run ended with %v", p.err)
		}
	})
	t.Run("a retry that is cancelled before it begins fails as cancelled", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := draft()
		m := failedMinigroup(s, "run-1", d)
		p := s.createAs("run-2", m.RetryRequest(), cancelAtOnce)
		after := s.assertConsistent(d)
		if !p.cancelled() || after.State != minigroup.Failed || after.Failure.Kind != minigroup.OperationCancelled ||
			after.Fingerprint != fingerprint(d) {
			t.Errorf("the run ended with %v: %+v", p.err, after)
		}
	})
	t.Run("a retry does not replace another request that came meanwhile", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := draft()
		m := failedMinigroup(s, "run-1", d)
		other := d
		other.Host = "another.example.org"
		failedMinigroup(s, "run-2", other)
		p := s.createAs("run-3", m.RetryRequest())
		after := s.assertConsistent(other)
		if p.kind() != activities.Superseded || after.Host != other.Host || after.Fingerprint != fingerprint(other) {
			t.Errorf("the run ended with %v: %+v", p.err, after)
		}
	})
}
