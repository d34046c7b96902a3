package workflows_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// world contains event, conference and the gateways in memory. The next calls of each of their operations, and of the
// ledger's, can be scripted.
type world struct {
	mu         sync.Mutex
	scripts    map[operation][]behaviour
	calls      map[operation]int
	event      map[uuid.UUID]*eventRoom
	conference map[uuid.UUID]*conferenceRoom
	// gateways holds the slots of each room of each backend.
	gateways map[string]map[uuid.UUID]int32
	// unavailable are the backends that answer nothing.
	unavailable map[string]bool
}

type eventRoom struct {
	classID uuid.UUID
	open    bool
	locked  minigroup.Locks
	// replyLost says that the service did not receive the id of this room.
	replyLost bool
}

type conferenceRoom struct {
	minigroup.ConferenceRoomState
	classID   uuid.UUID
	replyLost bool
}

func newWorld() *world {
	return &world{
		scripts: map[operation][]behaviour{}, calls: map[operation]int{},
		event: map[uuid.UUID]*eventRoom{}, conference: map[uuid.UUID]*conferenceRoom{},
		gateways: map[string]map[uuid.UUID]int32{}, unavailable: map[string]bool{},
	}
}

// script sets the behaviour of the next calls of an operation. Calls after them succeed.
func (w *world) script(o operation, behaviours ...behaviour) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scripts[o] = append(w.scripts[o], behaviours...)
}

// callCount is the number of calls of an operation.
func (w *world) callCount(o operation) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[o]
}

// handle handles one call with the next scripted behaviour.
func (w *world) handle(o operation, c call) error {
	w.mu.Lock()
	w.calls[o]++
	next := behaviour(succeed)
	if script := w.scripts[o]; len(script) > 0 {
		next, w.scripts[o] = script[0], script[1:]
	}
	w.mu.Unlock()
	return next(c)
}

// request handles one request to another service. replied reports whether the caller receives a reply.
func (w *world) request(ctx context.Context, name string, o operation, execute func() error) (replied bool, err error) {
	err = w.handle(o, call{
		ctx: ctx,
		execute: func(context.Context) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			return execute()
		},
		fail: func(how failureMode) error {
			return &minigroup.UpstreamError{
				Upstream: name, Doing: string(o), Type: "scripted", Refused: how == refusal, MaybeDone: how == noReply,
			}
		},
	})
	return err == nil, err
}

// setUnavailable makes a gateway answer nothing, or answer again.
func (w *world) setUnavailable(backend string, unavailable bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unavailable[backend] = unavailable
}

// setEnd gives every conference room of a class an end, as conference does at the first stream.
func (w *world) setEnd(classID uuid.UUID, end int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, room := range w.conference {
		if room.classID == classID {
			room.Time.End = new(end)
		}
	}
}

// snapshot is what exists at one time: open rooms, and the rooms of gateways.
type snapshot struct {
	event      map[uuid.UUID]eventRoom
	conference map[uuid.UUID]conferenceRoom
	gateways   map[string]map[uuid.UUID]int32
}

func (w *world) takeSnapshot() snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now().Unix()
	s := snapshot{
		event: map[uuid.UUID]eventRoom{}, conference: map[uuid.UUID]conferenceRoom{},
		gateways: map[string]map[uuid.UUID]int32{},
	}
	for id, room := range w.event {
		if room.open {
			s.event[id] = *room
		}
	}
	for id, room := range w.conference {
		if !room.Time.Ended(now) {
			s.conference[id] = *room
		}
	}
	for id, rooms := range w.gateways {
		if len(rooms) > 0 {
			s.gateways[id] = maps.Clone(rooms)
		}
	}
	return s
}

func (s snapshot) String() string {
	return fmt.Sprintf("open event rooms %v, open conference rooms %v, gateway rooms %v",
		s.event, s.conference, s.gateways)
}
