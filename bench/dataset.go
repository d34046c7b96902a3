package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"minigroups/bench/upstream"
	"minigroups/minigroup"
)

const datasetAudience = upstream.Usual

// datasetHosts is the number of hosts of a data set, who take turns.
const datasetHosts = 500

func datasetHost(n int) string { return fmt.Sprintf("teacher-%d.example.org", n%datasetHosts) }

// The classes of a data set take an hour each and are spread over a year, which ends in two weeks, as in a service
// that has run for almost a year. Classes that have ended are closed and have released their slots.
const (
	datasetYear  = 365 * 24 * time.Hour
	datasetAhead = 14 * 24 * time.Hour
)

// fill inserts that many minigroups, with their room attempts and reservations, into a database with the product's
// schema.
func fill(ctx context.Context, url string, rows int) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	// The rows are consistent, so foreign keys and triggers need not check each of them.
	if _, err := conn.Exec(ctx, "SET session_replication_role = replica; SET synchronous_commit = off"); err != nil {
		return err
	}
	begun := time.Now().Add(datasetAhead - datasetYear).Truncate(time.Second)
	d := dataset{begun: begun, step: datasetYear / time.Duration(rows), now: time.Now()}
	for _, t := range []struct {
		table   string
		columns []string
		row     func(n int) []any
		each    int
	}{
		{
			table: "minigroup", row: d.minigroup, each: 1,
			columns: []string{
				"id", "audience", "scope", "state", "owner", "during", "host", "reserve", "locked_chat", "event_room_id",
				"conference_room_id", "fingerprint", "created_at", "closed_at",
			},
		},
		{
			table: "room_attempt", row: d.attempt, each: 2,
			columns: []string{
				"id", "class_id", "kind", "operation", "state", "room_id", "sent_at", "answered_at", "expires_at", "run",
				"fingerprint",
			},
		},
		{
			table: "janus_reservation", row: d.reservation, each: 1,
			columns: []string{"id", "class_id", "backend_id", "state", "slots", "during", "fingerprint"},
		},
	} {
		source := pgx.CopyFromSlice(rows*t.each, func(n int) ([]any, error) { return t.row(n), nil })
		if _, err := conn.CopyFrom(ctx, pgx.Identifier{t.table}, t.columns, source); err != nil {
			return fmt.Errorf("fill %s: %w", t.table, err)
		}
	}
	_, err = conn.Exec(ctx, "VACUUM (ANALYZE)")
	return err
}

type dataset struct {
	begun, now time.Time
	step       time.Duration
}

const datasetRun = "a-run-that-has-ended"

func (d dataset) draft(n int) minigroup.Draft {
	start := d.begun.Add(time.Duration(n) * d.step).Unix()
	end, slots := start+3600, int32(1)
	return minigroup.Draft{
		Audience: datasetAudience, Scope: datasetScope(n), Host: datasetHost(n),
		Time: minigroup.Window{Start: &start, End: &end}, Reserve: &slots,
	}
}

func (d dataset) during(n int) pgtype.Range[pgtype.Timestamptz] {
	t := d.draft(n).Time
	return pgtype.Range[pgtype.Timestamptz]{
		Lower: pgtype.Timestamptz{Time: time.Unix(*t.Start, 0), Valid: true}, LowerType: pgtype.Inclusive,
		Upper: pgtype.Timestamptz{Time: time.Unix(*t.End, 0), Valid: true}, UpperType: pgtype.Exclusive, Valid: true,
	}
}

// closed returns when a class ended, nil if it has not.
func (d dataset) closed(n int) *time.Time {
	end := time.Unix(*d.draft(n).Time.End, 0)
	if end.After(d.now) {
		return nil
	}
	return &end
}

// room returns the id of a room of a class, which is the same in both tables.
func (d dataset) room(n int, kind minigroup.RoomKind) uuid.UUID {
	return uuid.NewSHA1(minigroup.NewClassID(d.draft(n).Audience, d.draft(n).Scope), []byte(kind))
}

func (d dataset) minigroup(n int) []any {
	draft := d.draft(n)
	return []any{
		minigroup.NewClassID(draft.Audience, draft.Scope), draft.Audience, draft.Scope, "ready", datasetRun,
		d.during(n), draft.Host, *draft.Reserve, false, d.room(n, minigroup.EventRoom), d.room(n, minigroup.ConferenceRoom),
		minigroup.NewCreateRequest(draft).Fingerprint, d.begun, d.closed(n),
	}
}

func (d dataset) attempt(n int) []any {
	draft, kind := d.draft(n/2), []minigroup.RoomKind{minigroup.EventRoom, minigroup.ConferenceRoom}[n%2]
	return []any{
		uuid.New(), minigroup.NewClassID(draft.Audience, draft.Scope), string(kind), "create", "held", d.room(n/2, kind),
		d.begun, d.begun, d.begun, datasetRun, minigroup.NewCreateRequest(draft).Fingerprint,
	}
}

func (d dataset) reservation(n int) []any {
	draft, state := d.draft(n), "held"
	if d.closed(n) != nil {
		state = "released"
	}
	return []any{
		uuid.New(), minigroup.NewClassID(draft.Audience, draft.Scope), "gateway", state, *draft.Reserve, d.during(n),
		minigroup.NewCreateRequest(draft).Fingerprint,
	}
}
