package storage_test

import (
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// moveTo gives a minigroup another id, as one that was imported has.
func (l ledger) moveTo(id uuid.UUID, m minigroup.Minigroup) {
	l.Helper()
	l.exec(`
		WITH attempts AS (DELETE FROM room_attempt WHERE class_id = $2)
		UPDATE minigroup SET id = $1 WHERE id = $2`, id, m.ID)
}

func TestAMinigroupIsReadByItsIDAndByItsScope(t *testing.T) {
	l := newLedger(t)
	usual, moved := l.ready("run-1", named("usual")), l.ready("run-2", named("moved"))
	id := uuid.New()
	l.moveTo(id, moved)
	for key, want := range map[minigroup.Key]uuid.UUID{
		minigroup.ByID(usual.ID):                    usual.ID,
		minigroup.ByScope("example.org", "usual"):   usual.ID,
		minigroup.ByID(id):                          id,
		minigroup.ByScope("example.org", "moved"):   id,
		minigroup.ByID(moved.ID):                    uuid.Nil,
		minigroup.ByID(uuid.Nil):                    uuid.Nil,
		minigroup.ByScope("example.org", "unknown"): uuid.Nil,
		minigroup.ByScope("", "moved"):              uuid.Nil,
	} {
		m, err := l.Read(t.Context(), key)
		if m.ID != want || isKind(err, minigroup.ClassNotFound) != (want == uuid.Nil) {
			t.Errorf("%v: got %s, %v, want %s", key, m.ID, err, want)
		}
	}
}

// TestACreateWhoseScopeWasImportedSinceEnds accepts a create under the id of a new class, and then imports its scope.
func TestACreateWhoseScopeWasImportedSinceEnds(t *testing.T) {
	l := newLedger(t)
	d := named("moved")
	l.moveTo(uuid.New(), l.ready("run-1", d))
	if b, err := l.BeginCreate(t.Context(), entry("run-2", d)); !isSuperseded(err) {
		t.Errorf("it begins: %+v, %v", b, err)
	}
	claim := minigroup.Claim{Run: "run-2"}
	if err := l.AcceptCreate(t.Context(), claim, minigroup.NewCreateRequest(d)); !isSuperseded(err) {
		t.Errorf("it is accepted: %v", err)
	}
	if b := l.beginUndo(claim, d, minigroup.Failure{Kind: minigroup.OperationCancelled}); b.State != "" {
		t.Errorf("its undo begins: %+v", b)
	}
}
