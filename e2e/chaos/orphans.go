package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
)

// lostAttempt is an attempt that may have created a room whose id is unknown.
type lostAttempt struct {
	class    uuid.UUID
	from, to time.Time
	isUsed   bool // it excuses a room
}

func (s *system) lostAttempts(ctx context.Context, kind minigroup.RoomKind) ([]*lostAttempt, error) {
	rows, _ := s.db.Query(ctx, `
		SELECT class_id, sent_at, expires_at FROM room_attempt
		WHERE state = 'lost' AND resolution IS NULL AND kind = $1 ORDER BY sent_at`, kind) // CollectRows returns its error
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (*lostAttempt, error) {
		var l lostAttempt
		return &l, r.Scan(&l.class, &l.from, &l.to)
	})
}

// maxLateness is how long after the deadline of its attempt a stand-in that was frozen may create a room.
const maxLateness = 10 * time.Second

// orphans is what the check of rooms that no minigroup holds needs.
type orphans struct {
	system    *system
	creations map[uuid.UUID]sandbox.Creation
	lost      map[minigroup.RoomKind][]*lostAttempt
	matched   map[reason]int // rooms explained by a lost attempt, by reason
	// starved counts the creates that were refused because a stand-in had no database connection, by that connection.
	starved map[sandbox.Connection]int
}

func (s *system) readOrphans(ctx context.Context) (orphans, error) {
	o := orphans{
		system: s, creations: map[uuid.UUID]sandbox.Creation{},
		lost: map[minigroup.RoomKind][]*lostAttempt{}, matched: map[reason]int{}, starved: map[sandbox.Connection]int{},
	}
	services := map[minigroup.RoomKind]string{minigroup.EventRoom: s.event, minigroup.ConferenceRoom: s.conference}
	for kind, service := range services {
		log, err := sandboxclient.Log(ctx, service)
		if err != nil {
			return o, err
		}
		for _, c := range log {
			if c.RoomID != nil {
				o.creations[*c.RoomID] = c
			}
			if c.NoConnection != "" {
				o.starved[c.NoConnection]++
			}
		}
		if o.lost[kind], err = s.lostAttempts(ctx, kind); err != nil {
			return o, err
		}
	}
	return o, nil
}

// check returns the violation for an open room that no minigroup holds. The room is excused if it was not published,
// its reply provably reached no running worker, and one lost attempt of its class and time, which excuses no other
// room, is in the ledger. A room that conference has refused to create is never excused: the service must not bring
// conference to it.
func (o orphans) check(kind minigroup.RoomKind, room uuid.UUID) (wrong string) {
	c, s := o.creations[room], o.system
	at := time.UnixMilli(c.At)
	var match *lostAttempt
	for _, l := range o.lost[kind] {
		isInTime := at.After(l.from.Add(-time.Second)) && at.Before(l.to.Add(maxLateness))
		if !l.isUsed && l.class == c.ClassroomID && isInTime {
			match = l
			break
		}
	}
	var why reason
	if match != nil && c.NoConnection == "" {
		why = s.lossReason(c, *match)
	}
	if why == received {
		around := s.faults.Around(at.Add(-3*time.Second), at.Add(requestTimeout+3*time.Second))
		return fmt.Sprintf("LEAK: no minigroup holds the open %s room %s of class %s, made at %.1fs over %s "+
			"(reply delivered: %v, published: %v, fault: %q, no connection: %q, has a lost attempt: %v)\n        %s",
			kind, c.RoomID, c.ClassroomID, at.Sub(s.faults.Begun).Seconds(), s.route(c.Host),
			c.ReplyDelivered, c.Published, c.Fault, c.NoConnection, match != nil, strings.Join(around, "\n        "))
	}
	match.isUsed = true
	o.matched[why]++
	return ""
}

// reason is why no worker received a reply.
type reason string

const (
	received    reason = "" // or not provably lost
	dropped     reason = "its handler was dropped before it published the room"
	undelivered reason = "its reply was not delivered"
	tooLate     reason = "its reply was sent after the request timeout"
	cut         reason = "its reply was sent over a connection that loses replies"
	died        reason = "its worker was killed before it could record the reply"
)

// hangUpAfter is how long after the deadline in the ledger a worker closes the connection at the earliest. Postgres
// writes the deadline a little later than the worker sets its own.
const hangUpAfter = 950 * time.Millisecond

// lossReason returns why the reply to a create reached no running worker. A published room needs no reply.
func (s *system) lossReason(c sandbox.Creation, attempt lostAttempt) reason {
	if s.mqtt {
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
	proxy := s.proxies.byAddress(c.Host)
	if proxy == nil {
		return received
	}
	// The second allows for a connection with latency.
	for _, f := range s.faults.During(proxy.name(), replied.Add(-100*time.Millisecond), replied.Add(time.Second)) {
		if losesReplies(f.How) {
			return cut
		}
	}
	for _, f := range s.faults.During(proxy.from, replied, replied.Add(requestTimeout+maxLateness)) {
		if f.How == "kill" && s.awakeFor(proxy.from, replied, f.From) < 2*time.Second {
			return died
		}
	}
	return received
}

// losesReplies reports whether a disturbance may lose replies that the stand-in takes for delivered.
func losesReplies(how string) bool {
	return slices.ContainsFunc(disturbances, func(d disturbance) bool { return d.name == how && d.loses })
}

// awakeFor returns for how long within a period a worker was running and could reach Postgres.
func (s *system) awakeFor(worker string, from, to time.Time) time.Duration {
	const grain = 20 * time.Millisecond
	var sum time.Duration
	for t := from; t.Before(to); t = t.Add(grain) {
		next := t.Add(grain)
		faults := 0
		for _, on := range []string{worker, "postgres", worker + " to postgres"} {
			faults += len(s.faults.During(on, t, next))
		}
		if faults == 0 {
			sum += grain
		}
	}
	return sum
}

// route describes over which connection a request came.
func (s *system) route(host string) string {
	if proxy := s.proxies.byAddress(host); proxy != nil {
		return "the proxy from " + proxy.name()
	}
	return host
}
