package storage_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"minigroups/minigroup"
)

func TestPublishOutbox(t *testing.T) {
	l := newLedger(t)
	for _, label := range []string{"one", "two", "three"} {
		l.exec(`INSERT INTO outbox (audience, label, payload) VALUES ('example.org', $1, '{"a": 1}')`, label)
	}
	t.Run("keeps an event that was not published, and publishes the others", func(t *testing.T) {
		n, err := l.PublishOutbox(t.Context(), 10, func(_ context.Context, e minigroup.OutboxEvent) error {
			if e.Label == "one" {
				return nil
			}
			return errors.New("not now")
		})
		if n != 1 || err != nil {
			t.Fatalf("published %d, %v", n, err)
		}
	})
	t.Run("passes different events to two callers at the same time", func(t *testing.T) {
		var published []string
		n, err := l.PublishOutbox(t.Context(), 1, func(ctx context.Context, e minigroup.OutboxEvent) error {
			published = append(published, e.Label)
			_, err := l.PublishOutbox(ctx, 10, func(_ context.Context, e minigroup.OutboxEvent) error {
				published = append(published, e.Label+" by another")
				return nil
			})
			return err
		})
		if n != 1 || err != nil || !slices.Equal(published, []string{"two", "three by another"}) {
			t.Fatalf("published %v, %v", published, err)
		}
		if n, err := l.PublishOutbox(t.Context(), 10, nil); n != 0 || err != nil {
			t.Fatalf("published %d again, %v", n, err)
		}
	})
}
