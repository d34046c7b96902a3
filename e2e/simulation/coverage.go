package simulation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/jackc/pgx/v5"
)

// coverage counts what has happened in scenarios: it shows what the search reaches, and how often.
type coverage map[string]int

// cover counts what has happened in this scenario: the answers to callers, and the rows of the history.
func (s *scenario) cover() error {
	for _, r := range s.calls {
		s.coverage[fmt.Sprintf("%s: %d", r.kind, r.status)]++
	}
	rows, _ := s.db.Query(context.Background(), "SELECT kind, count(*) FROM minigroup_history GROUP BY kind")
	var kind string
	var n int
	_, err := pgx.ForEachRow(rows, []any{&kind, &n}, func() error {
		s.coverage["history: "+kind] += n
		return nil
	})
	return err
}

// String is a table.
func (c coverage) String() string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, what := range slices.Sorted(maps.Keys(c)) {
		fmt.Fprintf(table, "%s\t%8d\n", what, c[what])
	}
	_ = table.Flush() // a strings.Builder never fails
	return text.String()
}
