package storage_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// insertListed inserts the minigroups $1 to $2. Two of them are created at a time, ten in a second, one after the other
// from 2020 on.
const insertListed = `
	INSERT INTO minigroup (id, audience, scope, state, owner, during, host, locked_chat, fingerprint, created_at,
		changed_at, failure, failed_at, closed_at, event_room_id, conference_room_id)
	SELECT md5(n::text)::uuid, 'example.org', 'class-' || n,
		CASE WHEN n % 1000 = 0 THEN 'failed' ELSE 'ready' END, 'run', tstzrange(at, at + interval '1 hour'),
		'host-' || n % 500, false, 'f', at, at,
		CASE WHEN n % 1000 = 0 THEN '{"kind": "upstream_refused"}'::jsonb END, CASE WHEN n % 1000 = 0 THEN at END,
		CASE WHEN n % 1000 > 5 THEN at END,
		CASE WHEN n % 1000 > 0 THEN md5('e' || n)::uuid END, CASE WHEN n % 1000 > 0 THEN md5('c' || n)::uuid END
	FROM (SELECT n, timestamptz '2020-01-01 00:00Z' + n / 2 * interval '0.2 s' AS at
		FROM generate_series($1::int, $2) n) c`

// listLedger is a ledger for many minigroups: without triggers, which would write the history of each.
func listLedger(t *testing.T, n int) ledger {
	t.Helper()
	l := newLedger(t)
	l.exec(`ALTER TABLE minigroup DISABLE TRIGGER USER`)
	l.exec(insertListed, 1, n)
	l.exec(`ANALYZE minigroup`)
	return l
}

// TestAListGoesOnWhereItsLastPageEnded adds and changes minigroups between the pages.
func TestAListGoesOnWhereItsLastPageEnded(t *testing.T) {
	const before = 101
	l := listLedger(t, before)
	for _, size := range []int{1, 7, before - 1, before} {
		seen := map[string]int{}
		added, last := 1000*size, minigroup.ListedMinigroup{}
		for after := (*minigroup.ListPosition)(nil); ; {
			page, err := l.ListMinigroups(t.Context(), listFilter{Audience: "example.org"}, after, size)
			l.must(err)
			for _, m := range page.Minigroups {
				seen[m.Scope]++
				if last.ID != uuid.Nil && m.CreatedAt.After(last.CreatedAt) {
					t.Fatalf("%s follows %s", m.Scope, last.Scope)
				}
				last = m
			}
			if after = page.Next; after == nil {
				break
			}
			added++
			l.exec(insertListed, added, added) // is newer than all that are listed
			l.exec(`UPDATE minigroup SET host = host || 'x', changed_at = now() WHERE id = $1`, last.ID)
		}
		for n := 1; n <= before; n++ {
			if scope := fmt.Sprint("class-", n); seen[scope] != 1 {
				t.Errorf("with %d on a page, %s is listed %d times", size, scope, seen[scope])
			}
		}
	}
}

// TestASearchReadsOnUntilItsEnd looks for what is rare among more minigroups than a page examines.
func TestASearchReadsOnUntilItsEnd(t *testing.T) {
	l := listLedger(t, 25_000)
	closed, realTime := minigroup.StatusClosed, minigroup.StatusRealTime
	for name, c := range map[string]struct {
		filter      listFilter
		want, pages int
	}{
		"in the order of a host":  {filter: listFilter{ScopePrefix: "class-", Host: "host-0"}, want: 50, pages: 1},
		"in the order of a state": {filter: listFilter{ScopePrefix: "class-", Status: realTime}, pages: 1},
		"in a set":                {filter: listFilter{ScopePrefix: "class", Time: upTo(1)}, want: 9, pages: 1},
		"in a set of several pages": {
			filter: listFilter{Status: closed, ScopePrefix: "class-24"}, want: 1110, pages: 12,
		},
		// All are examined: 10,000 without a match, 10,000 with 10, and 5,000 with 1,111.
		"among all": {filter: listFilter{ScopePrefix: "class-1", Time: upTo(1001)}, want: 1121, pages: 2 + 12},
	} {
		t.Run(name, func(t *testing.T) {
			seen := map[string]bool{}
			pages := l.eachPage(c.filter, 100, func(m minigroup.ListedMinigroup) { seen[m.Scope] = true })
			if len(seen) != c.want || pages != c.pages {
				t.Errorf("%d minigroups on %d pages, want %d on %d", len(seen), pages, c.want, c.pages)
			}
		})
	}
}

// upTo is a window that overlaps the minigroups whose class begins in the first seconds.
func upTo(seconds int64) minigroup.Window {
	start := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	return minigroup.Window{Start: new(start - 10), End: new(start + seconds)}
}

func TestAPageThatIsFullAndTheLastHasNoNextOne(t *testing.T) {
	l := newLedger(t)
	for _, scope := range []string{"a", "b"} {
		l.ready("run-1", named(scope))
	}
	for limit, more := range map[int]bool{1: true, 2: false, 3: false} {
		page, err := l.ListMinigroups(t.Context(), listFilter{Audience: "example.org"}, nil, limit)
		if l.must(err); len(page.Minigroups) != min(limit, 2) || (page.Next != nil) != more {
			t.Errorf("of two, a page of %d has %d, and the next begins at %+v", limit, len(page.Minigroups), page.Next)
		}
	}
}
