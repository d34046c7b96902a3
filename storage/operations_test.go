package storage_test

import (
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// failed creates a minigroup that has failed for this reason.
func (l ledger) failed(audience, scope string, reason minigroup.Failure) minigroup.Minigroup {
	l.Helper()
	run := uuid.NewString()
	d := minigroup.Draft{Audience: audience, Scope: scope, Host: "h"}
	l.beginUndo(minigroup.Claim{Run: run}, d, reason)
	_, _, err := l.EndUndo(l.Context(), run, classID(d))
	l.must(err)
	return l.read(classID(d))
}

// pages lists failed minigroups one by one.
func (l ledger) pages(f minigroup.FailedFilter) (all []minigroup.FailedMinigroup) {
	l.Helper()
	for {
		var after *minigroup.FailedMinigroup
		if len(all) > 0 {
			after = &all[len(all)-1]
		}
		next, err := l.FailedMinigroups(l.Context(), f, after, 1)
		l.must(err)
		if len(next) == 0 {
			return all
		}
		all = append(all, next...)
	}
}

func TestFailedMinigroups(t *testing.T) {
	l := newLedger(t)
	refused := minigroup.Failure{
		Kind: minigroup.UpstreamRefused, Detail: "no", Upstream: "conference", UpstreamType: "access_denied",
	}
	unavailable := minigroup.Failure{Kind: minigroup.UpstreamUnavailable, Detail: "away", Upstream: "event"}
	a := l.failed("a.example", "1", refused)
	b := l.failed("b.example", "2", refused)
	c := l.failed("a.example", "3", unavailable)
	l.ready("run-ready", minigroup.Draft{Audience: "a.example", Scope: "ready", Host: "h"})
	l.begin(entry("run-creating", minigroup.Draft{Audience: "a.example", Scope: "creating", Host: "h"}))
	for name, tc := range map[string]struct {
		filter minigroup.FailedFilter
		want   []minigroup.Minigroup
	}{
		"all, the latest first": {want: []minigroup.Minigroup{c, b, a}},
		"those of an audience": {
			filter: minigroup.FailedFilter{Audience: "a.example"}, want: []minigroup.Minigroup{c, a},
		},
		"those of a kind": {
			filter: minigroup.FailedFilter{Kind: minigroup.UpstreamRefused}, want: []minigroup.Minigroup{b, a},
		},
		"those of a service": {
			filter: minigroup.FailedFilter{Upstream: "event"}, want: []minigroup.Minigroup{c},
		},
		"those since a time": {
			filter: minigroup.FailedFilter{Since: b.Failure.FailedAt}, want: []minigroup.Minigroup{c, b},
		},
		"those before a time": {
			filter: minigroup.FailedFilter{Before: b.Failure.FailedAt}, want: []minigroup.Minigroup{a},
		},
		"those that meet all conditions": {
			filter: minigroup.FailedFilter{Audience: "b.example", Kind: minigroup.UpstreamUnavailable},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := l.pages(tc.filter)
			n, err := l.CountFailed(t.Context(), tc.filter)
			if err != nil || n != len(tc.want) || len(got) != len(tc.want) {
				t.Fatalf("%d are listed and %d counted, want %d: %+v, %v", len(got), n, len(tc.want), got, err)
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

func TestTheHistoryOfOneMinigroup(t *testing.T) {
	l := newLedger(t, 10)
	m := l.ready("run-1", draft(8))
	l.accept(minigroup.Claim{Run: "run-2", Replaces: "run-1"}, m.ID, uuid.New(), "x.y.z")
	attempts, err := l.AttemptsOf(t.Context(), m.ID)
	if err != nil || len(attempts) != 2 {
		t.Fatalf("attempts %+v, %v", attempts, err)
	}
	for _, a := range attempts {
		if a.State != minigroup.AttemptHeld || (a.RoomID != m.EventRoomID && a.RoomID != m.ConferenceRoomID) {
			t.Errorf("got %+v", a)
		}
		if a.Run != "run-1" || a.Operation != minigroup.ForCreate || a.SentAt.IsZero() {
			t.Errorf("got %+v", a)
		}
	}
	reservations, err := l.ReservationsOf(t.Context(), m.ID)
	if err != nil || len(reservations) != 1 {
		t.Fatalf("reservations %+v, %v", reservations, err)
	}
	if r := reservations[0]; r.Slots != 8 || r.Backend.ID != "janus-1" || !r.During.Equal(m.Time) {
		t.Errorf("got %+v", r)
	}
	updates, err := l.UpdatesOf(t.Context(), m.ID)
	if err != nil || len(updates) != 1 {
		t.Fatalf("updates %+v, %v", updates, err)
	}
	if u := updates[0]; u.State != minigroup.UpdateRequested || *u.Requested.Host != "x.y.z" || u.Run != "run-2" {
		t.Errorf("got %+v", u)
	}
}

func TestLostAttempts(t *testing.T) {
	l, d := newLedger(t), named("lost")
	b := l.unanswered(d)
	_, err := l.ExpireAttempts(t.Context())
	l.must(err)
	l.exec(`UPDATE room_attempt SET resolution = 'closed', resolved_at = now() WHERE id = $1`, b.EventAttempt)
	for closed, want := range map[bool]int{false: 1, true: 2} {
		lost, err := l.LostAttempts(t.Context(), closed, 10)
		if err != nil || len(lost) != want {
			t.Fatalf("got %+v, %v, want %d", lost, err, want)
		}
		for _, a := range lost {
			if a.ClassID != classID(d) || a.Scope != "lost" || a.CreatedBefore.Before(a.CreatedAfter) {
				t.Errorf("got %+v", a)
			}
			if (a.Kind == minigroup.EventRoom) != (a.Resolution == "closed") {
				t.Errorf("got %+v", a)
			}
		}
	}
}
