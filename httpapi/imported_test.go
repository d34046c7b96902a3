package httpapi

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/auth"
	"minigroups/minigroup"
)

// imported returns a ready minigroup with an id that does not follow from its audience and scope.
func imported() minigroup.Minigroup {
	m := filled()
	m.ID = uuid.MustParse("0c3d1e62-43d5-4f0b-9c61-3a5f0a4f7d11")
	return m
}

func TestAnImportedMinigroupIsFoundByItsIDAndByItsScope(t *testing.T) {
	w := newWorld(t, func(d *Deps) {
		d.Authorizer = newAuthorizer(t, auth.Policy{Kind: auth.PolicyLocalWhitelist, Records: []auth.Record{
			{Subject: "teacher.example.org", Object: []string{"classrooms", imported().ID.String()}, Action: "read"},
			{Subject: "teacher.example.org", Object: []string{"classrooms", imported().ID.String()}, Action: "update"},
			{Subject: "teacher.example.org", Object: []string{"classrooms"}, Action: "create"},
		}})
	})
	w.minigroups[imported().ID] = imported()
	byID, byScope := minigroups+"/"+imported().ID.String(), "/api/v1/audiences/example.org/minigroups/math-7b"
	one := w.call(t, http.MethodGet, byID, "").wantStatus(http.StatusOK)
	if one.body["class_id"] != imported().ID.String() || one.body["scope"] != "math-7b" {
		t.Errorf("got %v", one.body)
	}
	if other := w.call(t, http.MethodGet, byScope, "").wantStatus(http.StatusOK); other.text != one.text {
		t.Errorf("by id %s\nby scope %s", one.text, other.text)
	}
	w.call(t, http.MethodGet, minigroups+"/"+classID(imported().Draft).String(), "").
		wantProblem(http.StatusNotFound, minigroup.ClassNotFound)

	var updated []uuid.UUID
	w.update = func(
		_ context.Context, m minigroup.Minigroup, _ minigroup.Change, _ time.Duration,
	) (minigroup.Minigroup, minigroup.Outcome, error) {
		updated = append(updated, m.ID)
		return m, minigroup.OutcomeDone, nil
	}
	for _, path := range []string{byID, byScope} {
		w.call(t, http.MethodPut, path, `{"reserve":1}`).wantStatus(http.StatusOK)
	}
	if len(updated) != 2 || updated[0] != imported().ID || updated[1] != imported().ID {
		t.Errorf("updated %v", updated)
	}
}

func TestARequestThatCreatedAnImportedMinigroupFindsItAfterItsEnd(t *testing.T) {
	w := newWorld(t)
	m := imported()
	m.Time = minigroup.Window{Start: new(int64(1)), End: new(int64(2))}
	m.Tags, m.Properties, m.Reserve, m.LockedChat, m.LockedQuestions = nil, nil, nil, false, false
	m.Fingerprint = fingerprint(m.Draft)
	w.minigroups[m.ID] = m
	const equal = `{"scope":"math-7b","audience":"example.org","host":"teacher.example.org","time":[1,2]}`
	a := w.call(t, http.MethodPost, minigroups, equal).wantStatus(http.StatusOK)
	if got := a.body["class_id"]; got != m.ID.String() {
		t.Errorf("got class %v", got)
	}
}
