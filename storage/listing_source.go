package storage

import (
	"context"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// Probes count how many minigroups a filter finds through its index, up to one more than a page may examine.
const (
	probeScopes  = probe + `audience = $1 AND scope ~>=~ $2 AND scope ~<~ $3` + probeLimit
	probeChanged = probe + `audience = $1 AND changed_at >= $2` + probeLimit
	probeWindow  = probe + `during && tstzrange(to_timestamp($1::bigint), to_timestamp($2::bigint))` + probeLimit
	probe        = `SELECT count(*) > ` + listBound + ` FROM (SELECT FROM minigroup WHERE `
	probeLimit   = ` LIMIT ` + listBound + ` + 1) c`
)

// listSource chooses where to look for what the filter selects: in a set that is always small, in one that is small
// now, or in an order that fits a filter.
func (s *Store) listSource(ctx context.Context, f minigroup.ListFilter) (string, error) {
	var none minigroup.ListFilter
	switch {
	case f.RoomID != none.RoomID:
		return fromRoom, nil
	case f.RequestID != "":
		return fromRequest, nil
	case f.NeedsAttention:
		return fromAttention, nil
	case f.Status == minigroup.StatusCreating:
		return fromCreating, nil
	}
	for _, set := range []struct {
		filters       bool
		source, probe string
		args          []any
	}{
		{
			filters: f.ScopePrefix != "", source: fromScopes, probe: probeScopes,
			args: []any{f.Audience, f.ScopePrefix, afterPrefix(f.ScopePrefix)},
		},
		{
			filters: !f.ChangedSince.IsZero(), source: fromChanged, probe: probeChanged,
			args: []any{f.Audience, f.ChangedSince},
		},
		{filters: f.Time != none.Time, source: fromWindow, probe: probeWindow, args: []any{f.Time.Start, f.Time.End}},
	} {
		if !set.filters {
			continue
		}
		large := false
		err := s.readByIndex(ctx, "choose how to list minigroups", scanRow(&large), set.probe, set.args...)
		if err != nil || !large {
			return set.source, err
		}
	}
	switch {
	case f.Host != "":
		return fromHost, nil
	case f.Status == minigroup.StatusRealTime:
		return fromReady, nil
	case f.Status == minigroup.StatusFailed:
		return fromFailed, nil
	default: // nearly all are closed in time, so no index helps to find those
		return fromAll, nil
	}
}

// byIndex makes the planner read an index in its order, and as far as a limit needs. Left alone, it takes a filter
// whose value it does not know for one that selects a third of the table, and reads and sorts all of it. What is off is
// used nevertheless where nothing else is possible, at a cost for which Postgres would compile the plan, for seconds.
const byIndex = `
	SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
		set_config('enable_sort', 'off', true), set_config('jit', 'off', true)`

// readByIndex runs a query in a transaction with byIndex.
func (s *Store) readByIndex(
	ctx context.Context, doing string, scan func(pgx.Rows) error, sql string, args ...any,
) error {
	var batch pgx.Batch
	batch.Queue(byIndex)
	batch.Queue(sql, args...).Query(scan)
	return wrap(doing, s.reads.SendBatch(ctx, &batch).Close())
}

// scanRow reads the only row of a query.
func scanRow(targets ...any) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, targets, func() error { return nil })
		return err
	}
}

// afterPrefix returns a text that follows, byte by byte, everything that begins with the prefix.
func afterPrefix(prefix string) string {
	for end := len(prefix); end > 0; {
		last, size := utf8.DecodeLastRuneInString(prefix[:end])
		end -= size
		switch next := last + 1; {
		case utf8.ValidRune(next):
			return prefix[:end] + string(next)
		case next < utf8.MaxRune: // the surrogates, which are no text
			return prefix[:end] + "\uE000"
		}
	}
	return prefix
}

// orNull is NULL instead of a zero value.
func orNull[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}

// CountLimit is up to how many minigroups CountMinigroups counts.
const CountLimit = 1000

// countListed reads at most as many entries of an index as it counts.
const countListed = `
	SELECT (SELECT count(*) FROM (SELECT FROM minigroup
			WHERE audience = $1 AND state IN ('creating', 'undoing') AND closed_at IS NULL LIMIT $2) c),
		(SELECT count(*) FROM (SELECT FROM minigroup
			WHERE audience = $1 AND state = 'ready' AND closed_at IS NULL
				AND (upper_inf(during) OR upper(during) > now()) LIMIT $2) c),
		(SELECT count(*) FROM (SELECT FROM minigroup
			WHERE audience = $1 AND state = 'failed' AND closed_at IS NULL LIMIT $2) c),
		(SELECT count(*) FROM (SELECT FROM (
			SELECT id FROM minigroup WHERE state IN ('creating', 'undoing') AND changed_at < now() - $3::interval
			UNION SELECT class_id FROM minigroup_update
			WHERE state IN ('requested', 'running') AND requested_at < now() - $3::interval
		) c CROSS JOIN LATERAL (SELECT audience FROM minigroup WHERE id = c.id LIMIT 1) m
		WHERE m.audience = $1 LIMIT $2) c)`

// CountMinigroups counts the minigroups of an audience that are not closed by status, each up to CountLimit. What is
// closed is not counted: that are nearly all.
func (s *Store) CountMinigroups(ctx context.Context, audience string) (c minigroup.StatusCounts, err error) {
	err = s.readByIndex(ctx, "count minigroups",
		scanRow(&c.Creating, &c.RealTime, &c.Failed, &c.NeedsAttention), countListed, audience, CountLimit, StuckAfter)
	return c, err
}
