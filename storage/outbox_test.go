package storage_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"minigroups/minigroup"
)

func outboxIDs(events []minigroup.OutboxEvent) []int64 {
	ids := []int64{}
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

// claimed claims at most limit events of the outbox, and returns their labels and their ids.
func (l ledger) claimed(limit int, lease time.Duration) (labels []string, ids []int64) {
	l.Helper()
	events, err := l.ClaimOutbox(l.Context(), limit, lease)
	l.must(err)
	for _, e := range events {
		labels = append(labels, e.Label)
	}
	return labels, outboxIDs(events)
}

func (l ledger) wantClaimed(limit int, want ...string) (ids []int64) {
	l.Helper()
	labels, ids := l.claimed(limit, time.Minute)
	if !slices.Equal(labels, want) {
		l.Errorf("claimed %v, want %v", labels, want)
	}
	return ids
}

func TestOutbox(t *testing.T) {
	fill := func(t *testing.T) ledger {
		t.Helper()
		l := newLedger(t)
		for _, label := range []string{"one", "two", "three", "four"} {
			l.exec(`INSERT INTO outbox (audience, label, payload) VALUES ('example.org', $1, '{"a": 1}')`, label)
		}
		return l
	}
	t.Run("two processes claim different events, the oldest first", func(t *testing.T) {
		l := fill(t)
		l.wantClaimed(3, "one", "two", "three")
		l.wantClaimed(3, "four")
		l.wantClaimed(3)
	})
	t.Run("events of a process that ended are claimed again after the lease", func(t *testing.T) {
		l := fill(t)
		l.claimed(2, 0)
		l.wantClaimed(2, "one", "two")
	})
	t.Run("published events are deleted, the others are kept", func(t *testing.T) {
		l := fill(t)
		ids := l.wantClaimed(3, "one", "two", "three")
		outcome := minigroup.OutboxOutcome{Published: ids[:1], Refused: ids[1:2], Unpublished: ids[2:]}
		l.must(l.SettleOutbox(t.Context(), outcome, time.Minute))
		l.must(l.SettleOutbox(t.Context(), outcome, time.Minute))
		l.wantClaimed(10, "three", "four") // the refused one waits
		l.must(l.SettleOutbox(t.Context(), outcome, 0))
		l.wantClaimed(10, "two", "three")
		if n := l.count(`SELECT count(*) FROM outbox`); n != 3 {
			t.Errorf("%d events are kept", n)
		}
	})
	t.Run("the events that wait are listed, claimed or not", func(t *testing.T) {
		l := fill(t)
		ids := l.wantClaimed(1, "one")
		for _, c := range []struct {
			ids   []int64
			limit int
			want  string
		}{{nil, 2, "one two"}, {[]int64{ids[0], ids[0] + 3}, 1, "one four"}, {[]int64{-1}, 10, ""}} {
			waiting, err := l.WaitingEvents(t.Context(), c.ids, c.limit)
			var labels []string
			for _, e := range waiting {
				labels = append(labels, e.Label)
			}
			if err != nil || strings.Join(labels, " ") != c.want {
				t.Errorf("of %v at most %d: %v, %v", c.ids, c.limit, labels, err)
			}
		}
	})
	t.Run("an event that is being published locks no row and holds no connection", func(t *testing.T) {
		l := fill(t)
		before := l.PoolStats().AcquiredConns()
		l.wantClaimed(1, "one")
		if held := l.PoolStats().AcquiredConns(); held != before {
			t.Errorf("%d connections are held, were %d", held, before)
		}
		l.exec(`SET lock_timeout = '1s'`)
		l.exec(`UPDATE outbox SET label = 'changed' WHERE label = 'one'`)
	})
}
