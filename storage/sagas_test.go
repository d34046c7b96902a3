package storage_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestOpenSagasAreUndecidedCreatesAndUpdates(t *testing.T) {
	l := newLedger(t)
	l.begin(entry("run-c", named("creating")))
	done := l.ready("run-1", named("done"))
	moved := hours(3, 4)
	update := l.update(done, minigroup.UpdatePlan{Time: moved, Host: "h"})
	if sagas, err := l.OpenSagas(t.Context(), time.Hour, 10); err != nil || len(sagas) != 0 {
		t.Fatalf("those of the last hour are listed: %+v, %v", sagas, err)
	}
	sagas, err := l.OpenSagas(t.Context(), 0, 10)
	if err != nil || len(sagas) != 2 {
		t.Fatalf("got %+v, %v", sagas, err)
	}
	slices.SortFunc(sagas, func(a, b minigroup.OpenSaga) int { return len(b.Scope) - len(a.Scope) })
	if c := sagas[0]; c.Run != "run-c" || c.UpdateID != uuid.Nil {
		t.Errorf("got %+v", c)
	}
	if u := sagas[1]; u.Run != "run-2" || u.UpdateID != update || !u.Change.Time.Equal(moved) {
		t.Errorf("got %+v", u)
	}
}

func TestUnfinishedSagasAreCountedByAudience(t *testing.T) {
	l := newLedger(t)
	of := func(audience, scope string) minigroup.Draft {
		return minigroup.Draft{Audience: audience, Scope: scope, Host: "h"}
	}
	refused := minigroup.Failure{Kind: minigroup.UpstreamRefused}
	count := func(want map[string]int) {
		t.Helper()
		if counts, err := l.UnfinishedSagas(t.Context()); err != nil || !maps.Equal(counts, want) {
			t.Errorf("got %v, %v, want %v", counts, err, want)
		}
	}
	l.failed("a.example", "failed", refused)
	m := l.ready("run-ready", of("a.example", "ready"))
	count(map[string]int{})
	l.begin(entry("run-create", of("a.example", "created")))
	l.beginUndo(minigroup.Claim{Run: "run-undo"}, of("b.example", "undone"), refused)
	count(map[string]int{"a.example": 1, "b.example": 1})
	l.accept(minigroup.Claim{Run: "run-update", Replaces: "run-ready"}, m.ID, uuid.New(), "x.y.z")
	count(map[string]int{"a.example": 2, "b.example": 1})
}

func TestWaitingSagas(t *testing.T) {
	l := newLedger(t)
	of := func(audience, scope string) minigroup.Draft {
		return minigroup.Draft{Audience: audience, Scope: scope, Host: "h"}
	}
	refused := minigroup.Failure{Kind: minigroup.UpstreamRefused}
	l.beginUndo(minigroup.Claim{Run: "run-undo"}, of("b.example", "undone"), refused)
	l.begin(entry("run-create", of("a.example", "created")))
	m := l.ready("run-ready", of("a.example", "updated"))
	l.accept(minigroup.Claim{Run: "run-update", Replaces: "run-ready"}, m.ID, uuid.New(), "x.y.z")
	l.failed("a.example", "failed", refused)
	waiting := func(audience string, olderThan time.Duration, limit int) string {
		t.Helper()
		sagas, err := l.WaitingSagas(t.Context(), audience, olderThan, limit)
		l.must(err)
		var names []string
		for _, w := range sagas {
			names = append(names, fmt.Sprintf("%s %s %s by %s", w.Operation(), w.Scope, w.State, w.Run))
		}
		return strings.Join(names, ", ")
	}
	const (
		undo   = "undo undone undoing by run-undo"
		create = "create created creating by run-create"
		update = "update updated requested by run-update"
	)
	if got, want := waiting("", 0, 10), strings.Join([]string{undo, create, update}, ", "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := waiting("a.example", 0, 10), strings.Join([]string{create, update}, ", "); got != want {
		t.Errorf("of one audience: %s, want %s", got, want)
	}
	if got := waiting("", 0, 1); got != undo {
		t.Errorf("the one that has waited longest is %s, want %s", got, undo)
	}
	if got := waiting("", time.Hour, 10); got != "" {
		t.Errorf("for an hour %s, want none", got)
	}
}
