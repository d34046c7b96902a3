package storage_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

// failedFor makes a minigroup of this audience and scope that has failed for this reason.
func failedFor(t *testing.T, s *storage.Store, audience, scope string, reason minigroup.Failure) minigroup.Minigroup {
	t.Helper()
	run := uuid.NewString()
	d := minigroup.Draft{Audience: audience, Scope: scope, Host: "h"}
	if _, err := s.BeginUndo(t.Context(), minigroup.Claim{Run: run}, classID(d), new(minigroup.NewCreateRequest(d)), reason); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.EndUndo(t.Context(), run, classID(d)); err != nil {
		t.Fatal(err)
	}
	return read(t, s, classID(d))
}

func TestFailedMinigroups(t *testing.T) {
	s, _ := storagetest.New(t)
	refused := minigroup.Failure{Kind: minigroup.UpstreamRefused, Detail: "no", Upstream: "conference", UpstreamType: "access_denied"}
	unavailable := minigroup.Failure{Kind: minigroup.UpstreamUnavailable, Detail: "away", Upstream: "event"}
	a := failedFor(t, s, "a.example", "1", refused)
	b := failedFor(t, s, "b.example", "2", refused)
	c := failedFor(t, s, "a.example", "3", unavailable)
	ready(t, s, "run-ready", minigroup.Draft{Audience: "a.example", Scope: "ready", Host: "h"})
	begun(t, s, entry("run-going", minigroup.Draft{Audience: "a.example", Scope: "going", Host: "h"}))
	for name, tc := range map[string]struct {
		filter minigroup.FailedFilter
		want   []minigroup.Minigroup
	}{
		"all, the latest first":      {minigroup.FailedFilter{}, []minigroup.Minigroup{c, b, a}},
		"those of an audience":       {minigroup.FailedFilter{Audience: "a.example"}, []minigroup.Minigroup{c, a}},
		"those of a kind":            {minigroup.FailedFilter{Kind: minigroup.UpstreamRefused}, []minigroup.Minigroup{b, a}},
		"those of a service":         {minigroup.FailedFilter{Upstream: "event"}, []minigroup.Minigroup{c}},
		"those since a moment":       {minigroup.FailedFilter{Since: b.Failure.FailedAt}, []minigroup.Minigroup{c, b}},
		"those before it":            {minigroup.FailedFilter{Before: b.Failure.FailedAt}, []minigroup.Minigroup{a}},
		"those of whom all is asked": {minigroup.FailedFilter{Audience: "b.example", Kind: minigroup.UpstreamUnavailable}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []minigroup.FailedMinigroup
			for page := 0; ; page++ { // one by one
				var after *minigroup.FailedMinigroup
				if page > 0 {
					after = &got[len(got)-1]
				}
				next, err := s.FailedMinigroups(t.Context(), tc.filter, after, 1)
				if err != nil {
					t.Fatal(err)
				}
				if len(next) == 0 {
					break
				}
				got = append(got, next...)
			}
			if n, err := s.CountFailed(t.Context(), tc.filter); err != nil || n != len(tc.want) || len(got) != len(tc.want) {
				t.Fatalf("%d of them and %d counted, want %d: %+v, %v", len(got), n, len(tc.want), got, err)
			}
			for i, m := range tc.want {
				want := minigroup.FailedMinigroup{ClassID: m.ID, Audience: m.Audience, Scope: m.Scope, Failure: *m.Failure}
				if got[i] != want {
					t.Errorf("number %d is %+v, want %+v", i, got[i], want)
				}
			}
		})
	}
}

func TestWaitingSagas(t *testing.T) {
	s, _ := storagetest.New(t)
	undone := minigroup.Draft{Audience: "b.example", Scope: "undone", Host: "h"}
	if _, err := s.BeginUndo(t.Context(), minigroup.Claim{Run: "run-undo"}, classID(undone), new(minigroup.NewCreateRequest(undone)), minigroup.Failure{Kind: minigroup.UpstreamRefused}); err != nil {
		t.Fatal(err)
	}
	created := minigroup.Draft{Audience: "a.example", Scope: "created", Host: "h"}
	begun(t, s, entry("run-create", created))
	m := ready(t, s, "run-ready", minigroup.Draft{Audience: "a.example", Scope: "updated", Host: "h"})
	if err := s.AcceptUpdate(t.Context(), minigroup.Claim{Run: "run-update", Replaces: "run-ready"}, m.ID, uuid.New(), minigroup.Change{Host: new("x.y.z")}); err != nil {
		t.Fatal(err)
	}
	failedFor(t, s, "a.example", "failed", minigroup.Failure{Kind: minigroup.UpstreamRefused})
	told := func(audience string, olderThan time.Duration, limit int) string {
		t.Helper()
		sagas, err := s.WaitingSagas(t.Context(), audience, olderThan, limit)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, w := range sagas {
			names = append(names, fmt.Sprintf("%s %s %s by %s", w.Operation(), w.Scope, w.State, w.Run))
		}
		return strings.Join(names, ", ")
	}
	const undo, create, update = "undo undone undoing by run-undo", "create created creating by run-create", "update updated requested by run-update"
	if got, want := told("", 0, 10), strings.Join([]string{undo, create, update}, ", "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := told("a.example", 0, 10), strings.Join([]string{create, update}, ", "); got != want {
		t.Errorf("of one audience: %s, want %s", got, want)
	}
	if got := told("", 0, 1); got != undo {
		t.Errorf("the one that waits longest is %s, want %s", got, undo)
	}
	if got := told("", time.Hour, 10); got != "" {
		t.Errorf("for an hour %s, want none", got)
	}
}

func TestWhatIsKnownOfOneMinigroup(t *testing.T) {
	s, _ := storagetest.New(t)
	gateways(t, s, 10)
	m := ready(t, s, "run-1", draft(8))
	if err := s.AcceptUpdate(t.Context(), minigroup.Claim{Run: "run-2", Replaces: "run-1"}, m.ID, uuid.New(), minigroup.Change{Host: new("x.y.z")}); err != nil {
		t.Fatal(err)
	}
	attempts, err := s.AttemptsOf(t.Context(), m.ID)
	if err != nil || len(attempts) != 2 {
		t.Fatalf("attempts %+v, %v", attempts, err)
	}
	for _, a := range attempts {
		if a.State != minigroup.AttemptHeld || (a.RoomID != m.EventRoomID && a.RoomID != m.ConferenceRoomID) || a.Run != "run-1" || a.Operation != minigroup.ForCreate || a.SentAt.IsZero() {
			t.Errorf("got %+v", a)
		}
	}
	reservations, err := s.ReservationsOf(t.Context(), m.ID)
	if err != nil || len(reservations) != 1 || reservations[0].Slots != 8 || reservations[0].Backend.ID != "janus-1" || !reservations[0].During.Equal(m.Time) {
		t.Errorf("reservations %+v, %v", reservations, err)
	}
	updates, err := s.UpdatesOf(t.Context(), m.ID)
	if err != nil || len(updates) != 1 || updates[0].State != minigroup.UpdateRequested || *updates[0].Requested.Host != "x.y.z" || updates[0].Run != "run-2" {
		t.Errorf("updates %+v, %v", updates, err)
	}
}

func TestLost(t *testing.T) {
	s, db := storagetest.New(t)
	d := minigroup.Draft{Audience: "example.org", Scope: "lost", Host: "h"}
	b := unanswered(t, s, d)
	if _, err := s.ExpireAttempts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), `UPDATE room_attempt SET resolution = 'closed', resolved_at = now() WHERE id = $1`, b.EventAttempt); err != nil {
		t.Fatal(err)
	}
	for closed, want := range map[bool]int{false: 1, true: 2} {
		lost, err := s.LostAttempts(t.Context(), closed, 10)
		if err != nil || len(lost) != want {
			t.Fatalf("got %+v, %v, want %d", lost, err, want)
		}
		for _, l := range lost {
			if l.ClassID != classID(d) || l.Scope != "lost" || (l.Kind == minigroup.EventRoom) != (l.Resolution == "closed") || l.CreatedBefore.Before(l.CreatedAfter) {
				t.Errorf("got %+v", l)
			}
		}
	}
}

func TestDrain(t *testing.T) {
	s, _ := storagetest.New(t)
	gateways(t, s, 20, 20)
	first, kind := reserve(t, s, 8, hours(10, 12))
	if kind != "" {
		t.Fatal(kind)
	}
	m := ready(t, s, "run-1", minigroup.Draft{Audience: "example.org", Scope: "kept", Host: "h", Time: hours(10, 12), Reserve: new(int32(4))})
	load := func() minigroup.BackendLoad {
		t.Helper()
		loads, err := s.BackendLoads(t.Context())
		if err != nil || len(loads) != 2 {
			t.Fatalf("got %+v, %v", loads, err)
		}
		return loads[0]
	}
	if l := load(); l.ID != "janus-1" || l.Live != 2 || l.Peak != 12 || !l.Enabled || !l.DrainingSince.IsZero() {
		t.Fatalf("got %+v for %s", l, first.Scope)
	}
	if err := s.Drain(t.Context(), "janus-1", true); err != nil {
		t.Fatal(err)
	}
	since := load().DrainingSince
	gateways(t, s, 20, 20) // as cmd/migrate does
	if err := s.Drain(t.Context(), "janus-1", true); err != nil || since.IsZero() || !load().DrainingSince.Equal(since) {
		t.Fatalf("draining since %s, then %s, %v", since, load().DrainingSince, err)
	}
	if _, kind := reserve(t, s, 20, hours(10, 12)); kind != "" {
		t.Errorf("the other gateway was not taken: %s", kind)
	}
	if _, kind := reserve(t, s, 1, hours(10, 12)); kind != minigroup.CapacityExceeded {
		t.Errorf("a class came to the one that is drained: %q", kind)
	}
	if _, err := beginUpdate(t, s, "run-1", m, minigroup.UpdatePlan{Time: m.Time, Host: m.Host, Reserve: new(int32(6))}); err != nil {
		t.Errorf("a class that is there cannot have more: %v", err)
	}
	if l := load(); l.Live != 2 || l.Peak != 14 {
		t.Errorf("got %+v", l)
	}
	if err := s.Drain(t.Context(), "janus-1", false); err != nil || !load().DrainingSince.IsZero() {
		t.Fatalf("it is still drained: %v", err)
	}
	if _, kind := reserve(t, s, 6, hours(10, 12)); kind != "" {
		t.Errorf("no class comes again: %s", kind)
	}
	if err := s.Drain(t.Context(), "janus-9", true); !errors.Is(err, storage.ErrNoBackend) {
		t.Errorf("got %v", err)
	}
}
