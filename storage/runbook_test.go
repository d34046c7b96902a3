package storage_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/storage/storagetest"
)

var sqlBlock = regexp.MustCompile("(?s)```sql\n(.*?)```")

func TestTheQueriesOfTheRunbook(t *testing.T) {
	text, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	s, db := storagetest.New(t)
	gateways(t, s, 10)
	e := entry("run-1", minigroup.Draft{Audience: "example.org", Scope: "lost", Host: "h"})
	e.Flight = 0
	b := begun(t, s, e)
	answer(t, s, b.EventAttempt, uuid.New())
	if _, err := s.LoseExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.GatewayAnswers(t.Context(), "janus-1", false); err != nil {
		t.Fatal(err)
	}
	queries := sqlBlock.FindAllSubmatch(text, -1)
	want := [][]any{{"conference", e.Draft.ClassID(), "example.org", "lost"}, {int64(0)}, {"janus-1", ""}}
	if len(queries) != len(want) {
		t.Fatalf("%d queries, want %d", len(queries), len(want))
	}
	for i, query := range queries {
		rows, _ := db.Query(t.Context(), string(query[1])) // its error is also that of the rows
		got, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v, %v", query[1], got, err)
		}
		for j, value := range want[i] {
			if id, ok := got[0][j].([16]byte); ok {
				got[0][j] = uuid.UUID(id)
			}
			if got[0][j] != value {
				t.Errorf("%s: column %d is %v, want %v", query[1], j, got[0][j], value)
			}
		}
	}
}
