package sandbox

import (
	"strconv"
	"time"
)

// Publisher publishes the room events of event and conference.
type Publisher interface {
	// Publish accepts one message for a topic and reports whether it has. It does not wait.
	Publish(topic string, message []byte) bool
}

// The labels of room events.
const (
	roomCreated = "room.create"
	roomUpdated = "room.update"
	roomClosed  = "room.close"
)

// roomEvent is what a service publishes about a room after a successful call.
type roomEvent struct {
	label   string
	subject string // the levels of the topic that name the audience or the room
	room    []byte // the room as JSON
}

// toAudience is an event for the subscribers of the room's audience.
func toAudience(label string, of room) roomEvent {
	return roomEvent{label: label, subject: "audiences/" + of.common().Audience, room: encode(of.object())}
}

// toRoom is an event for the participants of the room.
func toRoom(label string, of room) roomEvent {
	return roomEvent{label: label, subject: "rooms/" + of.common().ID.String(), room: encode(of.object())}
}

// envelope is the message of a room event. Every value in it is a string, also the payload.
type envelope struct {
	Payload    string     `json:"payload"`
	Properties properties `json:"properties"`
}

type properties struct {
	Type           string `json:"type"`
	Label          string `json:"label"`
	Timestamp      string `json:"timestamp"`       // unix milliseconds
	ProcessingTime string `json:"processing_time"` // milliseconds
}

// publish publishes the events of a call that began at the given time. It reports whether there were events and the
// publisher accepted all of them.
func (c Config) publish(events []roomEvent, began time.Time) bool {
	if c.Publisher == nil || len(events) == 0 {
		return false
	}
	now, all := c.Clock(), true
	for _, e := range events {
		message := encode(envelope{Payload: string(e.room), Properties: properties{
			Type:           "event",
			Label:          e.label,
			Timestamp:      strconv.FormatInt(now.UnixMilli(), 10),
			ProcessingTime: strconv.FormatInt(now.Sub(began).Milliseconds(), 10),
		}})
		if !c.Publisher.Publish("apps/"+c.Account+"/api/v1/"+e.subject+"/events", message) {
			all = false
		}
	}
	return all
}
