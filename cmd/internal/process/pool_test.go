package process

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestThePoolsForWritesAndForReadsAreBothShown(t *testing.T) {
	open := func(maximum string) func() *pgxpool.Stat {
		pool, err := pgxpool.New(t.Context(), "postgres://127.0.0.1:1/x?pool_max_conns="+maximum)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		return pool.Stat
	}
	err := testutil.CollectAndCompare(Pools{Writes: open("6"), Reads: open("2")}, strings.NewReader(`
# HELP minigroups_pool_connections Database connections of this process: acquired, idle, and the maximum (max).
# TYPE minigroups_pool_connections gauge
minigroups_pool_connections{pool="reads",state="acquired"} 0
minigroups_pool_connections{pool="reads",state="idle"} 0
minigroups_pool_connections{pool="reads",state="max"} 2
minigroups_pool_connections{pool="writes",state="acquired"} 0
minigroups_pool_connections{pool="writes",state="idle"} 0
minigroups_pool_connections{pool="writes",state="max"} 6
# HELP minigroups_pool_waits_total Queries that had to wait for a database connection.
# TYPE minigroups_pool_waits_total counter
minigroups_pool_waits_total{pool="reads"} 0
minigroups_pool_waits_total{pool="writes"} 0
`), "minigroups_pool_connections", "minigroups_pool_waits_total")
	if err != nil {
		t.Error(err)
	}
}
