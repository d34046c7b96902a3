// Package verify looks at a whole system from outside, once nobody disturbs it any more: everything has come to rest, each
// minigroup that is ready has one room of each kind and its slots, none that has failed has anything, and nothing else is
// left anywhere.
package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"minigroups/clients/janus"
	"minigroups/e2e/harness"
	"minigroups/minigroup"
	"minigroups/workflows"
)

// Census knows where to look.
type Checker struct {
	DB     *pgxpool.Pool
	Client client.Client
	// Event and Conference are the addresses of the stand-ins.
	Event, Conference string
	// Gateways reaches those of Backends.
	Gateways *janus.Client
	Backends []minigroup.Backend
	// Ending are the classes that are to end.
	MustClose []uuid.UUID
	// Orphan tells what is wrong with an open room that no minigroup holds, empty where it is excused; nil excuses none.
	Orphan func(kind minigroup.RoomKind, room uuid.UUID) string
}

// Findings are what there is in the end, and what of it may not be.
type Findings struct {
	Violations            []string
	Ready, Failed, Closed int
	Lost                  int // attempts that nothing is known of
}

// Violate notes what may not be.
func (f *Findings) AddViolation(format string, args ...any) {
	f.Violations = append(f.Violations, fmt.Sprintf(format, args...))
}

// Take looks at everything that does not depend on what clients were told.
func (c Checker) Check(ctx context.Context) (Findings, error) {
	var f Findings
	rows, err := c.readRows(ctx)
	if err != nil {
		return f, err
	}
	for _, row := range rows {
		row.check(&f)
	}
	for _, look := range []func() error{
		func() error { return c.checkTotals(ctx, &f) },
		func() error { return c.checkRooms(ctx, minigroup.EventRoom, c.Event, rows, &f) },
		func() error { return c.checkRooms(ctx, minigroup.ConferenceRoom, c.Conference, rows, &f) },
		func() error { return c.checkUndos(ctx, &f) },
		func() error { return c.checkSuperseded(ctx, &f) },
	} {
		if err := look(); err != nil {
			return f, err
		}
	}
	return f, nil
}

// idleLimit is how long a system may take to come to rest once nobody disturbs it any more.
const idleLimit = 3 * time.Minute

// Rest has the sweeper run until nothing is under way any more, and returns what still is when time is up.
func (c Checker) AwaitIdle(ctx context.Context) (stuck []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, idleLimit)
	defer cancel()
	for {
		if stuck, err = c.unfinished(ctx); err == nil && len(stuck) == 0 {
			return nil, nil
		}
		for _, schedule := range []string{workflows.ScheduleClasses, workflows.ScheduleGateways} {
			_ = c.Client.ScheduleClient().GetHandle(ctx, schedule).Trigger(ctx, client.ScheduleTriggerOptions{}) // the next round tries again
		}
		harness.Pause(ctx, 2*time.Second)
		if ctx.Err() != nil {
			return stuck, err
		}
	}
}

// unfinished lists what is not decided, in words.
func (c Checker) unfinished(ctx context.Context) (found []string, err error) {
	for _, q := range []string{
		`SELECT 'minigroup '||id||' is '||state FROM minigroup WHERE state IN ('creating', 'undoing')`,
		`SELECT 'update '||id||' of '||class_id||' is '||state FROM minigroup_update WHERE state IN ('requested', 'running')`,
		`SELECT 'update '||id||' of '||class_id||' ('||state||') is to be compared in '||(compare_at - now())||'; last failures: '||coalesce((
			SELECT string_agg(failure::text, ', ') FROM minigroup_update u WHERE u.class_id = minigroup_update.class_id AND u.requested = '{}'), 'none')
			FROM minigroup_update WHERE compare_at <= now() + interval '1 minute'`, // one that failed is due in an hour
		`SELECT kind||' attempt '||id||' of '||class_id||' is '||state FROM room_attempt WHERE state IN ('sent', 'releasing')`,
		`SELECT 'announced room '||room_id||' of '||class_id||' is '||state FROM announced_room WHERE state <> 'released'`,
		`SELECT 'broadcast '||id||' is to be told: '||label FROM outbox`,
		`SELECT 'reservation '||id||' of '||class_id||' is '||state FROM janus_reservation WHERE state IN ('pending', 'releasing')`,
	} {
		rows, _ := c.DB.Query(ctx, q) // its error is also that of the rows
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, err
		}
		found = append(found, lines...)
	}
	rows, _ := c.DB.Query(ctx, `SELECT 'class '||id||' is to end' FROM minigroup WHERE id = ANY($1) AND closed_at IS NULL`, c.MustClose) // its error is also that of the rows
	ending, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	found = append(found, ending...)
	open, err := c.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 20, Query: `ExecutionStatus = "Running" AND WorkflowType IN ("CreateMinigroup", "UpdateMinigroup", "RecreateMinigroup", "UndoMinigroup", "CloseRoom")`,
	})
	if err != nil {
		return nil, err
	}
	for _, run := range open.GetExecutions() {
		found = append(found, run.GetType().GetName()+" "+run.GetExecution().GetWorkflowId()+" is running")
	}
	more, err := c.gatewayDifferences(ctx)
	return append(found, more...), err
}

// gatewayDifferences lists where gateways and ledger differ.
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
	rows, _ := c.DB.Query(ctx, `SELECT id, backend_id, slots FROM janus_reservation WHERE state = 'held'`) // its error is also that of the rows
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
