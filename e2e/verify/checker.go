// Package verify checks a whole system from outside, after the load has ended: nothing is in progress, each ready
// minigroup has one room of each kind and its slots, no failed minigroup has any, and there are no other rooms.
package verify

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"minigroups/clients/janus"
	"minigroups/config"
	"minigroups/e2e/harness"
	"minigroups/minigroup"
	"minigroups/workflows"
)

// Checker checks one system.
type Checker struct {
	DB     *pgxpool.Pool
	Client client.Client
	// Event and Conference are the addresses of the stand-ins.
	Event, Conference string
	// Gateways is the client for Backends.
	Gateways *janus.Client
	Backends []minigroup.Backend
	// MustClose are the classes that must be closed, because conference closed their rooms.
	MustClose []uuid.UUID
	// Orphan returns the violation for an open room that no minigroup holds, or an empty string if the room is excused. If
	// it is nil, no such room is excused.
	Orphan func(kind minigroup.RoomKind, room uuid.UUID) string
}

// NewChecker returns the checker of a system with these settings for its gateways, in which no class must be closed.
func NewChecker(db *pgxpool.Pool, temporal client.Client, event, conference string, cfg config.Janus) Checker {
	backends := make([]minigroup.Backend, len(cfg.Backends))
	for i, b := range cfg.Backends {
		backends[i] = minigroup.Backend(b)
	}
	return Checker{
		DB: db, Client: temporal, Event: event, Conference: conference, Backends: backends,
		Gateways: janus.New(janus.Config{
			AdminSecret: cfg.AdminSecret.Reveal(), AdminKey: cfg.AdminKey.Reveal(), RoomKey: cfg.RoomKey.Reveal(),
		}, http.DefaultTransport),
	}
}

// Findings count what exists, and list the violations.
type Findings struct {
	Violations            []string
	Ready, Failed, Closed int
	Lost                  int // attempts without a resolution
}

// AddViolation records a violation.
func (f *Findings) AddViolation(format string, args ...any) {
	f.Violations = append(f.Violations, fmt.Sprintf(format, args...))
}

// Check checks everything that does not depend on what clients were answered.
func (c Checker) Check(ctx context.Context) (Findings, error) {
	var f Findings
	rows, err := c.readRows(ctx)
	if err != nil {
		return f, err
	}
	for _, row := range rows {
		row.check(&f)
	}
	for _, check := range []func() error{
		func() error { return c.checkTotals(ctx, &f) },
		func() error { return c.checkRooms(ctx, minigroup.EventRoom, c.Event, rows, &f) },
		func() error { return c.checkRooms(ctx, minigroup.ConferenceRoom, c.Conference, rows, &f) },
		func() error { return c.checkUndos(ctx, &f) },
		func() error { return c.checkSuperseded(ctx, &f) },
	} {
		if err := check(); err != nil {
			return f, err
		}
	}
	return f, nil
}

// idleLimit is how long a system may take to finish everything once the load and the faults have ended.
const idleLimit = 3 * time.Minute

// AwaitIdle triggers sweeps until nothing is in progress. It returns what still is after three minutes.
func (c Checker) AwaitIdle(ctx context.Context) (stuck []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, idleLimit)
	defer cancel()
	for {
		if stuck, err = c.unfinished(ctx); err == nil && len(stuck) == 0 {
			return nil, nil
		}
		for _, schedule := range []string{workflows.ScheduleClasses, workflows.ScheduleGateways} {
			handle := c.Client.ScheduleClient().GetHandle(ctx, schedule)
			_ = handle.Trigger(ctx, client.ScheduleTriggerOptions{}) // if it fails, the next round triggers it
		}
		harness.Pause(ctx, 2*time.Second)
		if ctx.Err() != nil {
			return stuck, err
		}
	}
}

// unfinished describes what is still in progress.
func (c Checker) unfinished(ctx context.Context) (found []string, err error) {
	for _, q := range []string{
		`SELECT 'minigroup '||id||' is '||state FROM minigroup WHERE state IN ('creating', 'undoing')`,
		`SELECT 'update '||id||' of '||class_id||' is '||state FROM minigroup_update WHERE state IN ('requested', 'running')`,
		`SELECT 'update '||id||' of '||class_id||' ('||state||') has a PATCH to look for in '||(look_up_at - now())
			FROM minigroup_update WHERE look_up_at <= now() + interval '1 minute'`, // after a repair: in an hour
		`SELECT kind||' attempt '||id||' of '||class_id||' is '||state
			FROM room_attempt WHERE state IN ('sent', 'releasing')`,
		`SELECT 'announced room '||room_id||' of '||class_id||' is '||state FROM announced_room WHERE state <> 'released'`,
		`SELECT 'outbox event '||id||' is not published: '||label FROM outbox`,
		`SELECT 'reservation '||id||' of '||class_id||' is '||state
			FROM janus_reservation WHERE state IN ('pending', 'releasing')`,
	} {
		rows, _ := c.DB.Query(ctx, q) // CollectRows returns its error
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, err
		}
		found = append(found, lines...)
	}
	const notClosed = `SELECT 'class '||id||' is not closed' FROM minigroup WHERE id = ANY($1) AND closed_at IS NULL`
	rows, _ := c.DB.Query(ctx, notClosed, c.MustClose) // CollectRows returns its error
	open, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	found = append(found, open...)
	runs, err := c.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 20, Query: `ExecutionStatus = "Running" AND WorkflowType IN
			("CreateMinigroup", "UpdateMinigroup", "RecreateMinigroup", "UndoMinigroup", "CloseRoom")`,
	})
	if err != nil {
		return nil, err
	}
	for _, run := range runs.GetExecutions() {
		found = append(found, run.GetType().GetName()+" "+run.GetExecution().GetWorkflowId()+" is running")
	}
	more, err := c.gatewayDifferences(ctx)
	return append(found, more...), err
}

// gatewayDifferences describes where gateways and ledger differ.
func (c Checker) gatewayDifferences(ctx context.Context) (found []string, err error) {
	type shown struct {
		backend string
		slots   int32
	}
	rooms := map[uuid.UUID]shown{}
	for _, b := range c.Backends {
		listed, err := c.Gateways.Rooms(ctx, b, "")
		if err != nil {
			return nil, err
		}
		for _, room := range listed {
			if other, twice := rooms[room.ID]; twice {
				found = append(found, fmt.Sprintf("gateway room %s is on %s and %s", room.ID, b.ID, other.backend))
			}
			rooms[room.ID] = shown{b.ID, room.Slots}
		}
	}
	var id uuid.UUID
	var held shown
	rows, _ := c.DB.Query(ctx, `SELECT id, backend_id, slots FROM janus_reservation WHERE state = 'held'`)
	_, err = pgx.ForEachRow(rows, []any{&id, &held.backend, &held.slots}, func() error {
		if rooms[id] != held {
			found = append(found, fmt.Sprintf("reservation %s of %+v is shown as %+v", id, held, rooms[id]))
		}
		delete(rooms, id)
		return nil
	})
	for id, room := range rooms {
		found = append(found, fmt.Sprintf("gateway room %s on %s has no reservation", id, room.backend))
	}
	return found, err
}
