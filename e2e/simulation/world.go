package simulation

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/sandbox"
)

const (
	audience          = "example.org"
	eventAccount      = "event.svc.example.org"
	conferenceAccount = "conference.svc.example.org"
)

// world is everything outside of the service.
type world struct {
	event      *sandbox.Event
	conference *sandbox.Conference
	broker     *broker

	mu       sync.Mutex
	gateways map[string]*sandbox.Janus
	late     []lateRequest
}

// lateRequest is a request whose client is gone and that its service has not executed yet.
type lateRequest struct {
	*http.Request
	until time.Time // it is not executed later
}

// sendLate keeps a request whose client is gone.
func (w *world) sendLate(r *http.Request) {
	body, err := r.GetBody()
	if err != nil {
		return
	}
	late := r.Clone(context.WithoutCancel(r.Context()))
	late.Body = body
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late = append(w.late, lateRequest{Request: late, until: time.Now().Add(requestTimeout)})
}

// lateRequests returns the number of requests that may still be executed, and forgets the others.
func (w *world) lateRequests() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late = slices.DeleteFunc(w.late, func(r lateRequest) bool { return time.Now().After(r.until) })
	return len(w.late)
}

// executeLate executes a late request.
func (w *world) executeLate(i int) string {
	w.mu.Lock()
	r := w.late[i]
	w.late = slices.Delete(w.late, i, i+1)
	w.mu.Unlock()
	reply, err := w.serve(r.Request)
	if err != nil {
		return err.Error()
	}
	_ = reply.Body.Close()
	return fmt.Sprintf("%s %s%s: %d", r.Method, r.URL.Host, r.URL.Path, reply.StatusCode)
}

func newWorld(key *ecdsa.PublicKey, gateways int) (*world, error) {
	w := &world{
		broker:   &broker{published: map[string]int{}, rooms: map[uuid.UUID]bool{}},
		gateways: map[string]*sandbox.Janus{},
	}
	config := sandbox.Config{
		Issuers:   map[string]sandbox.Issuer{audience: {Audiences: []string{audience}, PublicKey: key}},
		Audiences: map[string]sandbox.Authorization{audience: {Kind: sandbox.AuthorizationNone}},
		Publisher: w.broker, ServiceTime: time.Nanosecond,
	}
	var err error
	config.Account = eventAccount
	if w.event, err = sandbox.NewEvent(config); err != nil {
		return nil, err
	}
	config.Account = conferenceAccount
	if w.conference, err = sandbox.NewConference(config); err != nil {
		return nil, err
	}
	for i := range gateways {
		w.restartGateway(gatewayName(i))
	}
	return w, nil
}

func gatewayName(i int) string { return fmt.Sprintf("gateway-%d", i) }

func (w *world) gatewayNames() []string { return slices.Sorted(maps.Keys(w.gateways)) }

// restartGateway restarts a gateway, which loses its rooms.
func (w *world) restartGateway(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gateways[name] = sandbox.NewJanus(sandbox.JanusConfig{AdminSecret: "secret", AdminKey: "key"})
}

// service returns what serves the requests to a host.
func (w *world) service(host string) http.Handler {
	switch host {
	case "event":
		return w.event
	case "conference":
		return w.conference
	default:
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.gateways[host].Admin()
	}
}

func (w *world) serve(r *http.Request) (*http.Response, error) {
	return handle(w.service(r.URL.Host), r)
}

// rooms returns all rooms of event or conference.
func (w *world) rooms(service string) ([]sandbox.Room, error) {
	var rooms []sandbox.Room
	return rooms, w.inspect(service, &rooms)
}

func (w *world) gatewayRooms(name string) ([]sandbox.JanusRoom, error) {
	var rooms []sandbox.JanusRoom
	return rooms, w.inspect(name, &rooms)
}

func (w *world) inspect(service string, rooms any) error {
	reply, err := ask(w.service(service), http.MethodGet, "/sandbox/rooms", nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(reply.body, rooms)
}

// setFault makes a service misbehave at its next matching request.
func (w *world) setFault(service string, fault sandbox.Fault) error {
	body, err := json.Marshal([]sandbox.Fault{fault})
	if err != nil {
		return err
	}
	reply, err := ask(w.service(service), http.MethodPut, "/sandbox/faults", body)
	if err != nil {
		return err
	}
	if reply.status != http.StatusNoContent {
		return fmt.Errorf("set fault: status %d: %s", reply.status, reply.body)
	}
	return nil
}

// setConnections sets the size of conference's pool of database connections; 0 is unlimited.
func (w *world) setConnections(n int) error {
	reply, err := ask(w.conference, http.MethodPut, "/sandbox/pool", fmt.Appendf(nil, `{"connections":%d}`, n))
	if err == nil && reply.status >= http.StatusBadRequest {
		err = fmt.Errorf("set connections: status %d: %s", reply.status, reply.body)
	}
	return err
}

// broker keeps the room events that nobody has received, and counts the events of this service by their scope.
type broker struct {
	mu        sync.Mutex
	events    []minigroup.RoomEvents
	published map[string]int
	// rooms are those whose event was published and not lost.
	rooms map[uuid.UUID]bool
	// delivering are the events that processes record at present.
	delivering []minigroup.RoomEvents
}

// announced reports whether the event of a room was published and not lost.
func (b *broker) announced(room uuid.UUID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rooms[room]
}

// waiting is the number of room events that nobody has received.
func (b *broker) waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.events)
}

// underWay are the rooms whose event was published and is not recorded yet.
func (b *broker) underWay() (rooms []uuid.UUID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range slices.Concat(b.events, b.delivering) {
		for _, room := range e.Created {
			rooms = append(rooms, room.ID)
		}
	}
	return rooms
}

// take takes an event to deliver it.
func (b *broker) take(i int) minigroup.RoomEvents {
	b.mu.Lock()
	defer b.mu.Unlock()
	event := b.events[i]
	b.events = slices.Delete(b.events, i, i+1)
	b.delivering = append(b.delivering, event)
	return event
}

// delivered is called after an event was delivered. It is delivered again if it was not acknowledged.
func (b *broker) delivered(event minigroup.RoomEvents, acknowledged bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.delivering, func(e minigroup.RoomEvents) bool { return reflect.DeepEqual(e, event) })
	b.delivering = slices.Delete(b.delivering, i, i+1)
	if !acknowledged {
		b.events = append(b.events, event)
	}
}

// lose loses an event.
func (b *broker) lose(i int) minigroup.RoomEvents {
	b.mu.Lock()
	defer b.mu.Unlock()
	event := b.events[i]
	b.events = slices.Delete(b.events, i, i+1)
	for _, room := range event.Created {
		b.rooms[room.ID] = false
	}
	return event
}

// receive receives an event of this service.
func (b *broker) receive(e minigroup.OutboxEvent) {
	var payload struct{ Scope string }
	_ = json.Unmarshal(e.Payload, &payload) // without a scope, it is missed
	b.mu.Lock()
	defer b.mu.Unlock()
	b.published[payload.Scope]++
}

// Publish implements sandbox.Publisher.
func (b *broker) Publish(topic string, message []byte) bool {
	event, ok := parse(topic, message)
	if !ok {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, event)
	for _, room := range event.Created {
		b.rooms[room.ID] = true
	}
	return true
}

// parse returns the room event of a message, as package mqtt does.
func parse(topic string, message []byte) (events minigroup.RoomEvents, ok bool) {
	var envelope struct {
		Payload    string
		Properties struct{ Label string }
	}
	var room struct {
		ID          uuid.UUID `json:"id"`
		ClassroomID uuid.UUID `json:"classroom_id"`
		Audience    string    `json:"audience"`
		CreatedAt   int64     `json:"created_at"`
		TimedOut    bool      `json:"timed_out"`
	}
	if json.Unmarshal(message, &envelope) != nil || json.Unmarshal([]byte(envelope.Payload), &room) != nil {
		return events, false
	}
	if !strings.Contains(topic, "/audiences/") {
		return events, false
	}
	kind := minigroup.EventRoom
	if strings.Contains(topic, conferenceAccount) {
		kind = minigroup.ConferenceRoom
	}
	switch envelope.Properties.Label {
	case "room.create":
		events.Created = append(events.Created, minigroup.AnnouncedRoom{
			Kind: kind, ID: room.ID, ClassID: room.ClassroomID, Audience: room.Audience, CreatedAt: time.Unix(room.CreatedAt, 0),
		})
	case "room.close":
		if kind == minigroup.EventRoom {
			return events, false
		}
		events.Closed = append(events.Closed, minigroup.ClosedRoom{
			ID: room.ID, ClassID: room.ClassroomID, Audience: room.Audience, TimedOut: room.TimedOut,
		})
	default:
		return events, false
	}
	return events, true
}

// clearFaults makes a service behave.
func (w *world) clearFaults(service string) error {
	_, err := ask(w.service(service), http.MethodDelete, "/sandbox/faults", nil)
	return err
}
