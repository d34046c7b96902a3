package sandbox

import (
	"encoding/json"

	"github.com/google/uuid"
)

// Room is a room of event or conference as GET /sandbox/rooms shows it: the service's own room object, and Open.
// What one of the services does not have is left at its zero value.
type Room struct {
	ID          uuid.UUID       `json:"id"`
	ClassroomID uuid.UUID       `json:"classroom_id"`
	Audience    string          `json:"audience"`
	Time        [2]*int64       `json:"time"`       // unix seconds, nil = unbounded
	CreatedAt   int64           `json:"created_at"` // unix seconds
	Tags        json.RawMessage `json:"tags"`
	// Open: its end has not come. A room whose start lies ahead is open in this sense.
	Open bool `json:"open"`

	Kind        string          `json:"kind"`         // event
	LockedTypes map[string]bool `json:"locked_types"` // event

	RTCSharingPolicy string  `json:"rtc_sharing_policy"` // conference
	Reserve          *int32  `json:"reserve"`            // conference
	Host             *string `json:"host"`               // conference
	ClosedBy         *string `json:"closed_by"`          // conference
	TimedOut         bool    `json:"timed_out"`          // conference
}

// Creation is the log entry of one create whose body could be read.
type Creation struct {
	Seq         int64      `json:"seq"` // from 1, without gaps
	At          int64      `json:"at"`  // unix milliseconds
	Service     string     `json:"service"`
	Host        string     `json:"host"` // by which the service was called: which way the request came
	ClassroomID uuid.UUID  `json:"classroom_id"`
	Audience    string     `json:"audience"`
	RoomID      *uuid.UUID `json:"room_id"` // nil: no room was made
	// Announced: the room was handed to the announcer, which may still have it while its broker is away.
	Announced bool `json:"announced"`
	// ReplyDelivered: a reply, of whatever status, was handed whole to a connection not known to be closed. A client
	// that dies before it reads what lies in its socket cannot be told from one that does not.
	ReplyDelivered bool   `json:"reply_delivered"`
	RepliedAt      int64  `json:"replied_at"`      // unix milliseconds; 0: not delivered
	Fault          Effect `json:"fault,omitempty"` // the fault it met, if any
}

// JanusRoom is a room of the stand-in for Janus as GET /sandbox/rooms shows it, private ones included.
type JanusRoom struct {
	Room            string `json:"room"`
	Description     string `json:"description"`
	IsPrivate       bool   `json:"is_private"`
	MaxPublishers   int32  `json:"max_publishers"`
	NumParticipants int    `json:"num_participants"`
}
