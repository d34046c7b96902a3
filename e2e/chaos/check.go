package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"minigroups/activities"
	"minigroups/clients/janus"
	"minigroups/minigroup"
	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
	"minigroups/workflows"
)

// restLimit is how long the world may take to come to rest once nobody disturbs it any more.
const restLimit = 3 * time.Minute

// rest has the sweeper run until nothing is under way any more, and returns what still is when time is up.
func (w *world) rest(ctx context.Context) (stuck []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, restLimit)
	defer cancel()
	for {
		if stuck, err = w.underWay(ctx); err == nil && len(stuck) == 0 {
			return nil, nil
		}
		for _, schedule := range []string{workflows.ScheduleClasses, workflows.ScheduleGateways} {
			_ = w.runs.ScheduleClient().GetHandle(ctx, schedule).Trigger(ctx, client.ScheduleTriggerOptions{}) // the next round tries again
		}
		pause(ctx, 2*time.Second)
		if ctx.Err() != nil {
			return stuck, err
		}
	}
}

// underWay lists what is not decided, in words.
func (w *world) underWay(ctx context.Context) (found []string, err error) {
	for _, q := range []string{
		`SELECT 'minigroup '||id||' is '||state FROM minigroup WHERE state IN ('creating', 'undoing')`,
		`SELECT 'update '||id||' of '||class_id||' is '||state FROM minigroup_update WHERE state IN ('requested', 'running')`,
		`SELECT 'update '||id||' of '||class_id||' ('||state||') is to be compared in '||(compare_at - now())||'; last failures: '||coalesce((
			SELECT string_agg(failure::text, ', ') FROM minigroup_update u WHERE u.class_id = minigroup_update.class_id AND u.requested = '{}'), 'none')
			FROM minigroup_update WHERE compare_at <= now() + interval '1 minute'`, // one that failed is due in an hour
		`SELECT kind||' attempt '||id||' of '||class_id||' is '||state FROM room_attempt WHERE state IN ('sent', 'releasing')`,
		`SELECT 'announced room '||room_id||' of '||class_id||' is '||state FROM found_room WHERE state <> 'released'`,
		`SELECT 'broadcast '||id||' is to be told: '||label FROM outbox`,
		`SELECT 'reservation '||id||' of '||class_id||' is '||state FROM janus_reservation WHERE state IN ('pending', 'releasing')`,
	} {
		rows, _ := w.db.Query(ctx, q) // its error is also that of the rows
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, err
		}
		found = append(found, lines...)
	}
	rows, _ := w.db.Query(ctx, `SELECT 'class '||id||' is to end' FROM minigroup WHERE id = ANY($1) AND closed_at IS NULL`, w.closings.sure()) // its error is also that of the rows
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	found = append(found, lines...)
	open, err := w.runs.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 20, Query: `ExecutionStatus = "Running" AND WorkflowType IN ("CreateMinigroup", "UpdateMinigroup", "RecreateMinigroup", "UndoMinigroup", "CloseRoom")`,
	})
	if err != nil {
		return nil, err
	}
	for _, run := range open.GetExecutions() {
		found = append(found, run.GetType().GetName()+" "+run.GetExecution().GetWorkflowId()+" is running")
	}
	more, err := w.gatewaysBehind(ctx)
	return append(found, more...), err
}

// gatewaysBehind lists where gateways and ledger differ.
func (w *world) gatewaysBehind(ctx context.Context) (found []string, err error) {
	gateways := janus.New(janus.Config{AdminSecret: adminSecret, AdminKey: adminKey, RoomKey: roomKey}, http.DefaultTransport)
	type shown struct {
		backend string
		slots   int32
	}
	rooms := map[uuid.UUID]shown{}
	for _, b := range w.cfg.Janus.Backends {
		listed, err := gateways.Rooms(ctx, minigroup.Backend(b), "")
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
	rows, _ := w.db.Query(ctx, `SELECT id, backend_id, slots FROM janus_reservation WHERE state = 'held'`) // its error is also that of the rows
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

// verdict is what there is in the end, and what of it may not be.
type verdict struct {
	violations            []string
	ready, failed, closed int
	lost                  int
	matched               map[reason]int // rooms that lost attempts account for
	made                  int            // rooms, in all
}

func (v *verdict) violate(format string, args ...any) {
	v.violations = append(v.violations, fmt.Sprintf(format, args...))
}

// check looks at everything from outside.
func (w *world) check(ctx context.Context, d *desk, classes []*class) (verdict, error) {
	v := verdict{matched: map[reason]int{}}
	for i, c := range classes {
		a := d.send(ctx, i%2, http.MethodGet, c.path(), nil)
		if wrong := c.contradicts(a, w.closings.of(c.id)); wrong != "" {
			v.violate("class %s (%s): %s", c.id, c.scope, wrong)
		}
	}
	rows, err := w.readRows(ctx)
	if err != nil {
		return v, err
	}
	for _, row := range rows {
		row.judge(&v)
	}
	if err := w.sums(ctx, &v); err != nil {
		return v, err
	}
	if err := w.checkRooms(ctx, minigroup.EventRoom, w.event, rows, &v); err != nil {
		return v, err
	}
	if err := w.checkRooms(ctx, minigroup.ConferenceRoom, w.conference, rows, &v); err != nil {
		return v, err
	}
	if err := w.checkUndos(ctx, &v); err != nil {
		return v, err
	}
	if err := w.checkSuperseded(ctx, &v); err != nil {
		return v, err
	}
	for _, p := range w.parts() {
		if p.ended() {
			v.violate("%s has ended by itself: %s", p.name, strings.Join(p.process.Tail(), "\n        "))
		}
	}
	return v, w.readLogs(&v)
}

// eachRun calls do with every run that a query finds.
func (w *world) eachRun(ctx context.Context, query string, do func(id, run string) error) error {
	var next []byte
	for {
		listed, err := w.runs.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{PageSize: 1000, NextPageToken: next, Query: query})
		if err != nil {
			return fmt.Errorf("list runs: %w", err)
		}
		for _, e := range listed.GetExecutions() {
			if err := do(e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId()); err != nil {
				return err
			}
		}
		if next = listed.GetNextPageToken(); len(next) == 0 {
			return nil
		}
	}
}

// history reads all events of a run.
func (w *world) history(ctx context.Context, id, run string) (all []*history.HistoryEvent, err error) {
	events := w.runs.GetWorkflowHistory(ctx, id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return nil, fmt.Errorf("read history of %s: %w", id, err)
		}
		all = append(all, event)
	}
	return all, nil
}

// checkUndos looks for creates that were cancelled and did not undo themselves. Everything may be well in the end, for the
// sweeper undoes what runs leave that are gone, or another create takes over, and was not in between.
func (w *world) checkUndos(ctx context.Context, v *verdict) error {
	return w.eachRun(ctx, `ExecutionStatus = "Canceled" AND WorkflowType = "CreateMinigroup"`, func(id, run string) error {
		events, err := w.history(ctx, id, run)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(events, func(e *history.HistoryEvent) bool { return strings.Contains(e.String(), "CondemnMinigroup") }) {
			v.violate("%s was cancelled and did not undo itself", id)
		}
		return nil
	})
}

// checkSuperseded looks for runs that were open and lost their say to a run that was gone. A run that somebody reset to its
// middle has none from its beginning on.
func (w *world) checkSuperseded(ctx context.Context, v *verdict) error {
	query := `ExecutionStatus = "Failed" AND WorkflowType IN ("CreateMinigroup", "UpdateMinigroup", "RecreateMinigroup", "UndoMinigroup")`
	return w.eachRun(ctx, query, func(id, run string) error {
		events, err := w.history(ctx, id, run)
		if err != nil {
			return err
		}
		first, failure := events[0].GetWorkflowExecutionStartedEventAttributes(), events[len(events)-1].GetWorkflowExecutionFailedEventAttributes().GetFailure()
		if failure.GetApplicationFailureInfo().GetType() == activities.Superseded && first.GetOriginalExecutionRunId() == run {
			v.violate("the run %s of %s was open and lost its say: %s", run, id, failure.GetMessage())
		}
		return nil
	})
}

// row is a minigroup as the ledger has it.
type row struct {
	id                                  uuid.UUID
	state                               minigroup.State
	closed, lockedChat, lockedQuestions bool
	event, conference                   *uuid.UUID
	reserve                             int32
	held                                []int32 // slots
	heldRooms                           int
	// start, end and host are what conference was asked for last; nil where it never was.
	patched    bool
	start, end *int64
	host       *string
}

func (w *world) readRows(ctx context.Context) ([]row, error) {
	rows, _ := w.db.Query(ctx, `
		SELECT m.id, m.state, m.closed_at IS NOT NULL, m.locked_chat, m.locked_questions, m.event_room_id, m.conference_room_id, coalesce(m.reserve, 0),
			ARRAY(SELECT slots FROM janus_reservation r WHERE r.class_id = m.id AND r.state = 'held'),
			(SELECT count(*) FROM room_attempt a WHERE a.class_id = m.id AND a.state = 'held'),
			t.patch IS NOT NULL, (t.patch->'time'->>0)::bigint, (t.patch->'time'->>1)::bigint,
			(SELECT patch->>'host' FROM minigroup_update u WHERE u.class_id = m.id AND u.state = 'done' AND patch ? 'host' ORDER BY number DESC LIMIT 1)
		FROM minigroup m CROSS JOIN LATERAL (
			SELECT coalesce(max(decided_at), '-infinity') AS at FROM minigroup_update u WHERE u.class_id = m.id AND u.state = 'done' AND u.requested ? 'recreate'
		) renewed LEFT JOIN LATERAL (
			SELECT patch FROM minigroup_update u WHERE u.class_id = m.id AND u.state = 'done' AND u.decided_at > renewed.at AND patch ? 'time' ORDER BY number DESC LIMIT 1
		) t ON true`) // its error is also that of the rows
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (m row, err error) {
		return m, r.Scan(&m.id, &m.state, &m.closed, &m.lockedChat, &m.lockedQuestions, &m.event, &m.conference, &m.reserve, &m.held, &m.heldRooms, &m.patched, &m.start, &m.end, &m.host)
	})
}

// judge looks at what the ledger itself tells.
func (m row) judge(v *verdict) {
	switch {
	case m.state == minigroup.Ready && m.closed:
		v.closed++
		if len(m.held) > 0 {
			v.violate("class %s is closed and holds slots %v", m.id, m.held)
		}
	case m.state == minigroup.Ready:
		v.ready++
		if m.heldRooms != 2 {
			v.violate("class %s is ready and holds %d rooms", m.id, m.heldRooms)
		}
		if (m.reserve > 0) != (len(m.held) == 1) || (m.reserve > 0 && m.held[0] != m.reserve) {
			v.violate("class %s reserves %d and holds %v", m.id, m.reserve, m.held)
		}
	case m.state == minigroup.Failed:
		v.failed++
		if m.heldRooms+len(m.held) != 0 {
			v.violate("class %s has failed and holds %d rooms and slots %v", m.id, m.heldRooms, m.held)
		}
	default:
		v.violate("class %s is %s", m.id, m.state)
	}
}

// sums looks at what only shows in sums: no gateway is overbooked, and how many attempts are lost.
func (w *world) sums(ctx context.Context, v *verdict) error {
	rows, _ := w.db.Query(ctx, `
		SELECT r.backend_id||' holds '||sum(r.slots)||' slots at '||at.at FROM (SELECT DISTINCT lower(during) AS at FROM janus_reservation) at
		JOIN janus_reservation r ON r.state <> 'released' AND r.during @> at.at
		JOIN janus_backend b ON b.id = r.backend_id
		GROUP BY r.backend_id, b.capacity, at.at HAVING sum(r.slots) > b.capacity`) // its error is also that of the rows
	over, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	v.violations = append(v.violations, over...)
	return w.db.QueryRow(ctx, `SELECT count(*) FROM room_attempt WHERE state = 'lost' AND resolution IS NULL`).Scan(&v.lost)
}

// checkRooms looks at the rooms of a service: those that are held are open and as they should be, no other is open, but
// for those whose reply demonstrably reached nobody and that a lost attempt accounts for.
func (w *world) checkRooms(ctx context.Context, kind minigroup.RoomKind, service string, rows []row, v *verdict) error {
	rooms, err := sandboxclient.Rooms(ctx, service)
	if err != nil {
		return err
	}
	creations, err := w.creations(ctx, service)
	if err != nil {
		return err
	}
	lost, err := w.lostAttempts(ctx, kind)
	if err != nil {
		return err
	}
	v.made += len(creations)
	wanted := map[uuid.UUID]row{}
	for _, m := range rows {
		id := m.event
		if kind == minigroup.ConferenceRoom {
			id = m.conference
		}
		if id != nil {
			wanted[*id] = m
		}
	}
	for _, room := range rooms {
		m, held := wanted[room.ID]
		delete(wanted, room.ID)
		switch {
		case held:
			m.judgeRoom(kind, room, v)
		case room.Open:
			w.judgeOrphan(kind, creations[room.ID], lost, v)
		}
	}
	for id, m := range wanted {
		v.violate("class %s holds %s room %s, which does not exist", m.id, kind, id)
	}
	return nil
}

func (m row) judgeRoom(kind minigroup.RoomKind, room sandbox.Room, v *verdict) {
	if !room.Open && !m.closed {
		v.violate("class %s is ready and its %s room %s is closed", m.id, kind, room.ID)
	}
	if kind == minigroup.EventRoom {
		if m.lockedChat && (!room.LockedTypes["message"] || !room.LockedTypes["reaction"]) {
			v.violate("the chat of class %s is not locked", m.id)
		}
		if m.lockedQuestions && (!room.LockedTypes["question"] || !room.LockedTypes["question_reaction"]) {
			v.violate("the questions of class %s are not locked", m.id)
		}
		return
	}
	want := minigroup.Window{Start: m.start, End: m.end}
	if !m.patched {
		want.Start = room.Time[0]
	}
	if shows := (minigroup.Window{Start: room.Time[0], End: room.Time[1]}); !shows.Equal(want) && !m.closed {
		v.violate("class %s: conference shows %v, agreed was %v", m.id, words(shows), words(want))
	}
	if (room.Host == nil) != (m.host == nil) || (m.host != nil && *room.Host != *m.host) {
		v.violate("class %s: conference shows another host than was agreed", m.id)
	}
}

func words(w minigroup.Window) string {
	side := func(t *int64) string {
		if t == nil {
			return "null"
		}
		return fmt.Sprint(*t)
	}
	return "[" + side(w.Start) + ", " + side(w.End) + ")"
}

// creations are the stand-in's own log, by room.
func (w *world) creations(ctx context.Context, service string) (map[uuid.UUID]sandbox.Creation, error) {
	log, err := sandboxclient.Log(ctx, service)
	byRoom := map[uuid.UUID]sandbox.Creation{}
	for _, c := range log {
		if c.RoomID != nil {
			byRoom[*c.RoomID] = c
		}
	}
	return byRoom, err
}

// lostAttempt is an attempt of which the ledger says that a room may have come that nobody knows.
type lostAttempt struct {
	class    uuid.UUID
	from, to time.Time
	taken    bool
}

func (w *world) lostAttempts(ctx context.Context, kind minigroup.RoomKind) ([]*lostAttempt, error) {
	rows, _ := w.db.Query(ctx, `SELECT class_id, sent_at, expires_at FROM room_attempt WHERE state = 'lost' AND resolution IS NULL AND kind = $1 ORDER BY sent_at`, kind) // its error is also that of the rows
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (*lostAttempt, error) {
		var l lostAttempt
		return &l, r.Scan(&l.class, &l.from, &l.to)
	})
}

// lateness is how much later than its attempt's moment a stand-in that was frozen may make a room.
const lateness = 10 * time.Second

// judgeOrphan looks at an open room that nobody holds. It is excused where it was not announced and its reply demonstrably
// reached no living worker, and where one lost attempt of its class and time, and of no other room, stands on the ledger.
func (w *world) judgeOrphan(kind minigroup.RoomKind, c sandbox.Creation, lost []*lostAttempt, v *verdict) {
	at := time.UnixMilli(c.At)
	var match *lostAttempt
	for _, l := range lost {
		if !l.taken && l.class == c.ClassroomID && at.After(l.from.Add(-time.Second)) && at.Before(l.to.Add(lateness)) {
			match = l
			break
		}
	}
	var why reason
	if match != nil {
		why = w.unheard(c, *match)
	}
	if why == heard {
		v.violate("LEAK: %s room %s of class %s, made at %.1fs over %s, belongs to nobody (reply delivered: %v, announced: %v, fault: %q, a lost attempt stands for it: %v)\n        %s",
			kind, c.RoomID, c.ClassroomID, at.Sub(w.faults.begun).Seconds(), w.way(c.Host), c.ReplyDelivered, c.Announced, c.Fault, match != nil,
			strings.Join(w.faults.around(at.Add(-3*time.Second), at.Add(flight+3*time.Second)), "\n        "))
		return
	}
	match.taken = true
	v.matched[why]++
}

// reason is why a reply was heard by nobody.
type reason string

const (
	heard       reason = "" // as far as can be shown
	halfway     reason = "its handler was dropped half-way, so that nothing was announced"
	undelivered reason = "its reply was not delivered"
	tooLate     reason = "its reply was sent after its request had been given up"
	cut         reason = "its reply met a wire that loses replies"
	died        reason = "its worker was killed with the reply in hand"
)

// afterMoment is how long after its attempt's moment, as Postgres wrote it a little later, a worker hangs up at the earliest.
const afterMoment = 950 * time.Millisecond

// unheard tells why the reply to a create reached no living worker. What was announced does not need it.
func (w *world) unheard(c sandbox.Creation, attempt lostAttempt) reason {
	if w.listens {
		if c.Announced {
			return heard
		}
		return halfway
	}
	if !c.ReplyDelivered {
		return undelivered
	}
	replied := time.UnixMilli(c.RepliedAt)
	if replied.After(attempt.to.Add(afterMoment)) {
		return tooLate
	}
	wire := w.wires.by(c.Host)
	if wire == nil {
		return heard
	}
	for _, f := range w.faults.during(wire.name(), replied.Add(-100*time.Millisecond), replied.Add(time.Second)) { // over a wire with latency
		if losesReplies(f.how) {
			return cut
		}
	}
	for _, f := range w.faults.during(wire.from, replied, replied.Add(flight+lateness)) {
		if f.how == "kill" && w.awake(wire.from, replied, f.from) < 2*time.Second {
			return died
		}
	}
	return heard
}

// losesReplies reports whether a wire that is disturbed so may take a reply from the stand-in and never hand it on.
func losesReplies(how string) bool {
	return slices.ContainsFunc(disturbances, func(d disturbance) bool { return d.name == how && d.loses })
}

// awake is for how long a worker was thawed and could reach Postgres within a time.
func (w *world) awake(worker string, from, to time.Time) time.Duration {
	const grain = 20 * time.Millisecond
	var sum time.Duration
	for t := from; t.Before(to); t = t.Add(grain) {
		next := t.Add(grain)
		if len(w.faults.during(worker, t, next))+len(w.faults.during("postgres", t, next))+len(w.faults.during(worker+" to postgres", t, next)) == 0 {
			sum += grain
		}
	}
	return sum
}

func (w *world) way(host string) string {
	if wire := w.wires.by(host); wire != nil {
		return "the wire from " + wire.name()
	}
	return host
}

// readLogs looks for what no log may hold.
func (w *world) readLogs(v *verdict) error {
	var errs []error
	for _, name := range []string{"worker-1", "worker-2", "api-1", "api-2"} {
		text, err := os.ReadFile(w.log(name))
		errs = append(errs, err)
		for _, bad := range []string{"panic:", "TMPRL1100", "nondeterminis", "Potential deadlock", "goroutine 1 ["} {
			if i := strings.Index(string(text), bad); i >= 0 {
				v.violate("the log of %s has %q: %.300s", name, bad, text[i:])
			}
		}
	}
	return errors.Join(errs...)
}
