package sandbox

import (
	"strconv"
	"time"
)

// Announcer takes what event and conference tell everybody about their rooms.
type Announcer interface {
	// Announce takes one message for a topic and reports whether it has. It waits for nobody.
	Announce(topic string, message []byte) bool
}

// The labels of announcements.
const (
	roomCreated = "room.create"
	roomUpdated = "room.update"
	roomClosed  = "room.close"
)

// announcement is what a service tells about a room after a call that went well.
type announcement struct {
	label string
	about string // the levels of the topic that say whom it is for
	room  []byte // the room's JSON
}

// toAudience is for everybody who listens to the audience of the room.
func toAudience(label string, of room) announcement {
	return announcement{label, "audiences/" + of.common().Audience, encode(of.object())}
}

// toRoom is for those who are in the room.
func toRoom(label string, of room) announcement {
	return announcement{label, "rooms/" + of.common().ID.String(), encode(of.object())}
}

// envelope is the message of an announcement. Everything in it is a string, the payload too.
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

// announce hands on what a call has to tell that began at the given time. It reports whether there was something and
// all of it was taken.
func (c Config) announce(list []announcement, began time.Time) bool {
	if c.Announcer == nil || len(list) == 0 {
		return false
	}
	now, all := c.Clock(), true
	for _, a := range list {
		message := encode(envelope{string(a.room), properties{
			Type:           "event",
			Label:          a.label,
			Timestamp:      strconv.FormatInt(now.UnixMilli(), 10),
			ProcessingTime: strconv.FormatInt(now.Sub(began).Milliseconds(), 10),
		}})
		if !c.Announcer.Announce("apps/"+c.Account+"/api/v1/"+a.about+"/events", message) {
			all = false
		}
	}
	return all
}
