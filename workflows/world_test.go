package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
)

// world is everything outside the service: event, conference and the gateways, with what exists in them. Each of its
// operations, and each of the ledger's, can be told how its next calls go.
type world struct {
	mu          sync.Mutex
	scripts     map[operation][]behaviour
	calls       map[operation]int
	event       map[uuid.UUID]*eventRoom
	conference  map[uuid.UUID]*conferenceRoom
	gateways    map[string]map[uuid.UUID]int32 // backend, room, slots
	unavailable map[string]bool                // backends that answer nothing
}

type eventRoom struct {
	classID uuid.UUID
	open    bool
	locked  minigroup.Locks
	// unheard says that the reply which told of the room was lost.
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

// operation is one thing that can be asked for: of another service, or of the ledger.
type operation string

const (
	eventCreate      operation = "event create"
	eventLock        operation = "event lock"
	eventClose       operation = "event close"
	conferenceCreate operation = "conference create"
	conferenceRead   operation = "conference read"
	conferencePatch  operation = "conference patch"
	conferenceClose  operation = "conference close"
	janusReserve     operation = "janus reserve"
	janusRelease     operation = "janus release"
)

// outcome is the answer of an operation that does not succeed.
type outcome int

const (
	refusal outcome = iota
	unavailability
	silence // it may have been done
)

// call is an operation under way: take has it done, answer makes the error of an outcome.
type call struct {
	ctx    context.Context
	take   func(context.Context) error
	answer func(outcome) error
}

// way is how one call goes.
type behaviour func(call) error

func refused(c call) error     { return c.answer(refusal) }
func unavailable(c call) error { return c.answer(unavailability) }

// lost does what was asked for and loses the reply.
func loseReply(c call) error {
	if err := c.take(c.ctx); err != nil {
		return err
	}
	return c.answer(silence)
}

// hang does nothing and never answers.
func hang(c call) error {
	<-c.ctx.Done()
	return c.answer(silence)
}

func succeed(c call) error { return c.take(c.ctx) }

// gate is where a worker stands still, as one that is frozen, and goes on when the test opens it.
type gate struct {
	reached, opened     chan struct{}
	reachOnce, openOnce sync.Once
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{reached: make(chan struct{}), opened: make(chan struct{})}
	t.Cleanup(g.open)
	return g
}

func (g *gate) open() { g.openOnce.Do(func() { close(g.opened) }) }

// stand waits at the gate.
func (g *gate) wait() {
	g.reachOnce.Do(func() { close(g.reached) })
	waitFor(g.opened)
}

// before stands still before it does what was asked for; its caller's context may have ended by then.
func (g *gate) before(c call) error {
	g.wait()
	return executeDetached(c)
}

// after does what was asked for and stands still before its caller hears of it.
func (g *gate) after(c call) error {
	err := executeDetached(c)
	g.wait()
	return err
}

// someone waits until somebody stands at the gate.
func (g *gate) awaitReached(t *testing.T) {
	t.Helper()
	select {
	case <-g.reached:
	case <-time.After(deadline / 2):
		t.Fatal("nobody came to the gate")
	}
}

// times repeats a way.
func times(n int, w behaviour) []behaviour {
	out := make([]behaviour, n)
	for i := range out {
		out[i] = w
	}
	return out
}

// tell says how the next calls of an operation go; those after them go well.
func (w *world) script(o operation, ways ...behaviour) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scripts[o] = append(w.scripts[o], ways...)
}

// called counts the calls of an operation.
func (w *world) callCount(o operation) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[o]
}

// do carries out one call as it was told.
func (w *world) handle(o operation, c call) error {
	w.mu.Lock()
	w.calls[o]++
	way := behaviour(succeed)
	if script := w.scripts[o]; len(script) > 0 {
		way, w.scripts[o] = script[0], script[1:]
	}
	w.mu.Unlock()
	return way(c)
}

// upstream carries out one call of another service. done is told whether the caller heard of it.
func (w *world) request(ctx context.Context, name string, o operation, take func() error) (heard bool, err error) {
	err = w.handle(o, call{
		ctx: ctx,
		take: func(context.Context) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			return take()
		},
		answer: func(how outcome) error {
			return &minigroup.UpstreamError{
				Upstream: name, Doing: string(o), Type: "told_by_the_test", Refused: how == refusal, MaybeDone: how == silence,
			}
		},
	})
	return err == nil, err
}

func unknownRoom(name string, o operation) error {
	return &minigroup.UpstreamError{Upstream: name, Doing: string(o), Type: "room_not_found", Status: 404}
}

// eventService is event as the sagas use it.
type eventService struct{ *world }

func (s eventService) CreateRoom(ctx context.Context, r minigroup.NewEventRoom) (uuid.UUID, error) {
	id := uuid.New()
	heard, err := s.request(ctx, "event", eventCreate, func() error {
		s.event[id] = &eventRoom{classID: r.ClassID, open: true}
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if room := s.event[id]; room != nil && !heard {
		room.replyLost = true
	}
	return id, err
}

func (s eventService) LockRoom(ctx context.Context, id uuid.UUID, locks minigroup.Locks) error {
	_, err := s.request(ctx, "event", eventLock, func() error {
		room, ok := s.event[id]
		if !ok {
			return unknownRoom("event", eventLock)
		}
		room.locked = locks
		return nil
	})
	return err
}

func (s eventService) CloseRoom(ctx context.Context, id uuid.UUID) error {
	_, err := s.request(ctx, "event", eventClose, func() error {
		room, ok := s.event[id]
		if !ok {
			return unknownRoom("event", eventClose)
		}
		room.open = false
		return nil
	})
	return err
}

// conferenceService is conference as the sagas use it.
type conferenceService struct{ *world }

func (s conferenceService) CreateRoom(ctx context.Context, r minigroup.NewConferenceRoom) (uuid.UUID, error) {
	id := uuid.New()
	heard, err := s.request(ctx, "conference", conferenceCreate, func() error {
		s.conference[id] = &conferenceRoom{classID: r.ClassID, ConferenceRoomState: minigroup.ConferenceRoomState{
			ID: id, Time: minigroup.Window{Start: new(r.Start)}, Reserve: r.Reserve,
		}}
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if room := s.conference[id]; room != nil && !heard {
		room.replyLost = true
	}
	return id, err
}

func (s conferenceService) Room(ctx context.Context, id uuid.UUID) (state minigroup.ConferenceRoomState, err error) {
	_, err = s.request(ctx, "conference", conferenceRead, func() error {
		room, ok := s.conference[id]
		if !ok {
			return unknownRoom("conference", conferenceRead)
		}
		state = room.ConferenceRoomState
		return nil
	})
	return state, err
}

// PatchRoom goes by conference's rules: a room without end takes any window, one with an end keeps its start and an end,
// and a closing one ends now, although the reply shows the end that was sent.
func (s conferenceService) PatchRoom(ctx context.Context, id uuid.UUID, p minigroup.ConferencePatch) (shown minigroup.ConferenceRoomState, err error) {
	_, err = s.request(ctx, "conference", conferencePatch, func() error {
		room, ok := s.conference[id]
		if !ok {
			return unknownRoom("conference", conferencePatch)
		}
		now := time.Now().Unix()
		window := room.Time
		if p.Time != nil {
			if window, err = s.newWindow(room.Time, *p.Time, now); err != nil {
				return err
			}
		}
		room.Time = window
		if p.Reserve != nil {
			room.Reserve = p.Reserve
		}
		if p.Host != nil {
			room.Host = *p.Host
		}
		shown = room.ConferenceRoomState
		if room.Time.Ended(now) {
			room.Time.End = new(now)
		}
		return nil
	})
	return shown, err
}

func (conferenceService) newWindow(room, sent minigroup.Window, now int64) (minigroup.Window, error) {
	forbidden := &minigroup.UpstreamError{
		Upstream: "conference", Doing: string(conferencePatch), Status: 422, Type: "room_time_changing_forbidden", Refused: true,
	}
	switch {
	case room.Ended(now):
		return room, &minigroup.UpstreamError{Upstream: "conference", Doing: string(conferencePatch), Status: 404, Type: "room_closed", Refused: true}
	case sent.Start == nil:
		return room, &minigroup.UpstreamError{Upstream: "conference", Doing: string(conferencePatch), Status: 400, Type: "invalid_room_time", Refused: true}
	case room.End == nil:
		return sent, nil
	case sent.End == nil:
		return room, forbidden
	case max(*sent.End, now) <= *room.Start:
		return room, &minigroup.UpstreamError{Upstream: "conference", Doing: string(conferencePatch), Status: 422, Type: "database_query_failed"}
	default:
		return minigroup.Window{Start: room.Start, End: new(max(*sent.End, now))}, nil
	}
}

// CloseRoom closes as the client of conference does, whatever the state of the room allows.
func (s conferenceService) CloseRoom(ctx context.Context, id uuid.UUID) error {
	_, err := s.request(ctx, "conference", conferenceClose, func() error {
		room, ok := s.conference[id]
		if !ok {
			return unknownRoom("conference", conferenceClose)
		}
		now := time.Now().Unix()
		switch {
		case room.Time.Ended(now):
		case room.Time.End != nil && *room.Time.Start > now:
			room.Time.End = new(*room.Time.Start + 1)
			return &minigroup.UpstreamError{Upstream: "conference", Doing: string(conferenceClose), Type: "database_query_failed", Detail: "closes by itself"}
		case *room.Time.Start >= now:
			room.Time = minigroup.Window{Start: new(now - 1), End: new(now)}
		default:
			room.Time.End = new(now)
		}
		return nil
	})
	return err
}

// janusService is the gateways as the sagas use them.
type janusService struct{ *world }

func (s janusService) Reserve(ctx context.Context, b minigroup.Backend, room uuid.UUID, slots int32, _ string) error {
	_, err := s.request(ctx, "janus", janusReserve, func() error {
		if s.unavailable[b.ID] {
			return &minigroup.UpstreamError{Upstream: "janus", Doing: string(janusReserve), Err: errors.New("connection refused")}
		}
		if s.gateways[b.ID] == nil {
			s.gateways[b.ID] = map[uuid.UUID]int32{}
		}
		s.gateways[b.ID][room] = slots
		return nil
	})
	return err
}

func (s janusService) Release(ctx context.Context, b minigroup.Backend, room uuid.UUID) error {
	_, err := s.request(ctx, "janus", janusRelease, func() error {
		if s.unavailable[b.ID] {
			return &minigroup.UpstreamError{Upstream: "janus", Doing: string(janusRelease), Err: errors.New("connection refused")}
		}
		delete(s.gateways[b.ID], room)
		return nil
	})
	return err
}

// away makes a gateway answer nothing, or answer again.
func (w *world) setUnavailable(backend string, yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unavailable[backend] = yes
}

// bound gives every conference room of a class an end, as conference does by itself at the first stream.
func (w *world) setEnd(classID uuid.UUID, end int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, room := range w.conference {
		if room.classID == classID {
			room.Time.End = new(end)
		}
	}
}

// existing is what exists of a class, copied at one moment.
type snapshot struct {
	event      map[uuid.UUID]eventRoom
	conference map[uuid.UUID]conferenceRoom
	gateways   map[string]map[uuid.UUID]int32
}

func (w *world) takeSnapshot() snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now().Unix()
	e := snapshot{map[uuid.UUID]eventRoom{}, map[uuid.UUID]conferenceRoom{}, map[string]map[uuid.UUID]int32{}}
	for id, room := range w.event {
		if room.open {
			e.event[id] = *room
		}
	}
	for id, room := range w.conference {
		if !room.Time.Ended(now) {
			e.conference[id] = *room
		}
	}
	for id, rooms := range w.gateways {
		if len(rooms) > 0 {
			e.gateways[id] = maps.Clone(rooms)
		}
	}
	return e
}

func (e snapshot) String() string {
	return fmt.Sprintf("open event rooms %v, open conference rooms %v, gateway rooms %v", e.event, e.conference, e.gateways)
}

func classID(d minigroup.Draft) uuid.UUID { return minigroup.ClassID(d.Audience, d.Scope) }

func fingerprint(d minigroup.Draft) string { return minigroup.NewCreateRequest(d).Fingerprint }

func requestOf(d minigroup.Draft) stored.CreateRequest {
	return stored.NewCreateRequest(minigroup.NewCreateRequest(d))
}

// roomInput asks for a room of a create.
func roomInput(d minigroup.Draft, attempt uuid.UUID) activities.RoomInput {
	return activities.RoomInput{
		ClassID: classID(d), Draft: stored.NewDraft(d), Operation: minigroup.ForCreate, Fingerprint: fingerprint(d),
		Attempt: attempt,
	}
}
