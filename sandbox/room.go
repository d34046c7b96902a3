package sandbox

import (
	"encoding/json"

	"github.com/google/uuid"
)

// Room is a room of event or conference in GET /sandbox/rooms: the service's own room object and Open. Fields that the
// service does not have are zero.
type Room struct {
	ID          uuid.UUID       `json:"id"`
	ClassroomID uuid.UUID       `json:"classroom_id"`
	Audience    string          `json:"audience"`
	Time        [2]*int64       `json:"time"`       // unix seconds, nil = unbounded
	CreatedAt   int64           `json:"created_at"` // unix seconds
	Tags        json.RawMessage `json:"tags"`
	// Open says that the room has not ended. It may not have started yet.
	Open bool `json:"open"`

	Kind        string          `json:"kind"`         // event
	LockedTypes map[string]bool `json:"locked_types"` // event

	RTCSharingPolicy string  `json:"rtc_sharing_policy"` // conference
	Reserve          *int32  `json:"reserve"`            // conference
	Host             *string `json:"host"`               // conference
	ClosedBy         *string `json:"closed_by"`          // conference
	TimedOut         bool    `json:"timed_out"`          // conference
}

// Creation is the log entry of one create request with a readable body.
type Creation struct {
	Seq         int64      `json:"seq"` // from 1, without gaps
	At          int64      `json:"at"`  // unix milliseconds
	Service     string     `json:"service"`
	Host        string     `json:"host"` // the request's Host header, which differs between proxies
	ClassroomID uuid.UUID  `json:"classroom_id"`
	Audience    string     `json:"audience"`
	RoomID      *uuid.UUID `json:"room_id"` // nil: no room was created
	// Published says that the publisher accepted the room's event. It may not have reached the broker yet.
	Published bool `json:"published"`
	// ReplyDelivered says that a reply, of any status, was written whole to a connection that was not known to be closed.
	// The client may have died before it read the reply.
	ReplyDelivered bool   `json:"reply_delivered"`
	RepliedAt      int64  `json:"replied_at"`      // unix milliseconds; 0: not delivered
	Fault          Effect `json:"fault,omitempty"` // the fault applied to it, if any
	// NoConnection is the database connection that the create did not get within the timeout, which its refusal does not
	// tell, or until its client hung up after at least two seconds. Empty: it got all, or its client hung up earlier.
	NoConnection Connection `json:"no_connection,omitempty"`
}

// JanusRoom is a room of the stand-in for Janus in GET /sandbox/rooms, which shows private ones, too.
type JanusRoom struct {
	Room            string `json:"room"`
	Description     string `json:"description"`
	IsPrivate       bool   `json:"is_private"`
	MaxPublishers   int32  `json:"max_publishers"`
	NumParticipants int    `json:"num_participants"`
}
