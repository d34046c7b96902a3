package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
)

// creations are the stand-in's own log, by room.
func (w *system) creations(ctx context.Context, service string) (map[uuid.UUID]sandbox.Creation, error) {
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

func (w *system) lostAttempts(ctx context.Context, kind minigroup.RoomKind) ([]*lostAttempt, error) {
	rows, _ := w.db.Query(ctx, `SELECT class_id, sent_at, expires_at FROM room_attempt WHERE state = 'lost' AND resolution IS NULL AND kind = $1 ORDER BY sent_at`, kind) // its error is also that of the rows
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (*lostAttempt, error) {
		var l lostAttempt
		return &l, r.Scan(&l.class, &l.from, &l.to)
	})
}

// lateness is how much later than its attempt's moment a stand-in that was frozen may make a room.
const maxLateness = 10 * time.Second

// orphans are what is needed to judge rooms that nobody holds.
type orphans struct {
	system    *system
	creations map[uuid.UUID]sandbox.Creation
	lost      map[minigroup.RoomKind][]*lostAttempt
	matched   map[reason]int // rooms that lost attempts account for
}

func (w *system) readOrphans(ctx context.Context) (orphans, error) {
	o := orphans{system: w, creations: map[uuid.UUID]sandbox.Creation{}, lost: map[minigroup.RoomKind][]*lostAttempt{}, matched: map[reason]int{}}
	for kind, service := range map[minigroup.RoomKind]string{minigroup.EventRoom: w.event, minigroup.ConferenceRoom: w.conference} {
		creations, err := w.creations(ctx, service)
		if err != nil {
			return o, err
		}
		maps.Copy(o.creations, creations)
		if o.lost[kind], err = w.lostAttempts(ctx, kind); err != nil {
			return o, err
		}
	}
	return o, nil
}

// judge looks at an open room that nobody holds. It is excused where it was not announced and its reply demonstrably
// reached no living worker, and where one lost attempt of its class and time, and of no other room, stands on the ledger.
func (o orphans) check(kind minigroup.RoomKind, room uuid.UUID) (wrong string) {
	c, w := o.creations[room], o.system
	at := time.UnixMilli(c.At)
	var match *lostAttempt
	for _, l := range o.lost[kind] {
		if !l.taken && l.class == c.ClassroomID && at.After(l.from.Add(-time.Second)) && at.Before(l.to.Add(maxLateness)) {
			match = l
			break
		}
	}
	var why reason
	if match != nil {
		why = w.lossReason(c, *match)
	}
	if why == received {
		return fmt.Sprintf("LEAK: %s room %s of class %s, made at %.1fs over %s, belongs to nobody (reply delivered: %v, announced: %v, fault: %q, a lost attempt stands for it: %v)\n        %s",
			kind, c.RoomID, c.ClassroomID, at.Sub(w.faults.Begun).Seconds(), w.route(c.Host), c.ReplyDelivered, c.Published, c.Fault, match != nil,
			strings.Join(w.faults.Around(at.Add(-3*time.Second), at.Add(requestTimeout+3*time.Second)), "\n        "))
	}
	match.taken = true
	o.matched[why]++
	return ""
}

// reason is why a reply was heard by nobody.
type reason string

const (
	received    reason = "" // as far as can be shown
	dropped     reason = "its handler was dropped half-way, so that nothing was announced"
	undelivered reason = "its reply was not delivered"
	tooLate     reason = "its reply was sent after its request had been given up"
	cut         reason = "its reply met a wire that loses replies"
	died        reason = "its worker was killed with the reply in hand"
)

// hangUpAfter is how long after its attempt's moment, as Postgres wrote it a little later, a worker hangs up at the earliest.
const hangUpAfter = 950 * time.Millisecond

// unheard tells why the reply to a create reached no living worker. What was announced does not need it.
func (w *system) lossReason(c sandbox.Creation, attempt lostAttempt) reason {
	if w.mqtt {
		if c.Published {
			return received
		}
		return dropped
	}
	if !c.ReplyDelivered {
		return undelivered
	}
	replied := time.UnixMilli(c.RepliedAt)
	if replied.After(attempt.to.Add(hangUpAfter)) {
		return tooLate
	}
	wire := w.proxies.byAddress(c.Host)
	if wire == nil {
		return received
	}
	for _, f := range w.faults.During(wire.name(), replied.Add(-100*time.Millisecond), replied.Add(time.Second)) { // over a wire with latency
		if losesReplies(f.How) {
			return cut
		}
	}
	for _, f := range w.faults.During(wire.from, replied, replied.Add(requestTimeout+maxLateness)) {
		if f.How == "kill" && w.awakeFor(wire.from, replied, f.From) < 2*time.Second {
			return died
		}
	}
	return received
}

// losesReplies reports whether a wire that is disturbed so may take a reply from the stand-in and never hand it on.
func losesReplies(how string) bool {
	return slices.ContainsFunc(disturbances, func(d disturbance) bool { return d.name == how && d.loses })
}

// awake is for how long a worker was thawed and could reach Postgres within a time.
func (w *system) awakeFor(worker string, from, to time.Time) time.Duration {
	const grain = 20 * time.Millisecond
	var sum time.Duration
	for t := from; t.Before(to); t = t.Add(grain) {
		next := t.Add(grain)
		if len(w.faults.During(worker, t, next))+len(w.faults.During("postgres", t, next))+len(w.faults.During(worker+" to postgres", t, next)) == 0 {
			sum += grain
		}
	}
	return sum
}

func (w *system) route(host string) string {
	if wire := w.proxies.byAddress(host); wire != nil {
		return "the wire from " + wire.name()
	}
	return host
}
