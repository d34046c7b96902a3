package conference

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/google/uuid"

	"minigroups/clients/rest"
	"minigroups/minigroup"
)

const (
	rooms               = "/api/v1/rooms"
	roomClosed          = "room_closed"
	databaseQueryFailed = "database_query_failed"
)

// verdicts holds what conference answers before it touches its tables; its 401s and 403s need no entry. Its database
// errors are not among them: a create takes two statements on two connections, and when the second fails the room stays.
var verdicts = rest.Verdicts{
	"invalid_payload":              rest.Refused,
	"invalid_room_time":            rest.Refused,
	"room_time_changing_forbidden": rest.Refused,
	roomClosed:                     rest.Refused,

	"authorization_failed": rest.NotDone,
	"room_not_found":       rest.NotDone,
}

// Client calls conference.
type Client struct{ rest rest.Client }

// New returns a client of the conference service at baseURL, which goes without /api/v1. token gives the bearer token of
// each request.
func New(baseURL string, transport http.RoundTripper, token func() (string, error)) *Client {
	return &Client{rest.Client{
		Upstream: "conference", URL: baseURL, Transport: transport, Token: token, Verdicts: verdicts,
	}}
}

type newRoom struct {
	Audience         string          `json:"audience"`
	ClassroomID      uuid.UUID       `json:"classroom_id"`
	Time             [2]*int64       `json:"time"`
	RTCSharingPolicy string          `json:"rtc_sharing_policy"`
	Reserve          *int32          `json:"reserve,omitempty"`
	Tags             json.RawMessage `json:"tags,omitempty"`
}

// CreateRoom makes a room and returns its id. Called twice it makes two. An error that is MaybeDone may have left a room
// which nobody can find.
func (c *Client) CreateRoom(ctx context.Context, n minigroup.NewConferenceRoom) (uuid.UUID, error) {
	var made struct {
		ID uuid.UUID `json:"id"`
	}
	err := c.rest.Do(ctx, rest.Call{
		Doing:  "create conference room",
		Method: http.MethodPost,
		Path:   rooms,
		Body: newRoom{
			Audience:         n.Audience,
			ClassroomID:      n.ClassID,
			Time:             [2]*int64{&n.Start, nil},
			RTCSharingPolicy: "owned",
			Reserve:          n.Reserve,
			Tags:             n.Tags,
		},
		Reply: &made,
		Check: func() error {
			if made.ID == uuid.Nil {
				return errors.New("there is no room id in it")
			}
			return nil
		},
	})
	if err != nil {
		return uuid.Nil, err
	}
	return made.ID, nil
}

// Room returns the room as it is, closed ones too. An error of Type room_not_found is not refused.
func (c *Client) Room(ctx context.Context, id uuid.UUID) (minigroup.ConferenceRoomState, error) {
	return c.room(ctx, "read conference room", id, http.MethodGet, "", nil)
}

type patch struct {
	Time    *[2]*int64 `json:"time,omitempty"`
	Reserve *int32     `json:"reserve,omitempty"`
	Host    *string    `json:"host,omitempty"`
}

// PatchRoom changes what the patch gives and returns the room as conference shows it then; a patch that closes the room
// shows the end that was sent, not the moment of closing. Conference takes no start for a room that has an end, and tells
// nobody that it did not. Errors of Type room_closed and room_time_changing_forbidden are refusals.
func (c *Client) PatchRoom(ctx context.Context, id uuid.UUID, p minigroup.ConferencePatch) (minigroup.ConferenceRoomState, error) {
	body := patch{Reserve: p.Reserve, Host: p.Host}
	if p.Time != nil {
		body.Time = &[2]*int64{p.Time.Start, p.Time.End}
	}
	return c.room(ctx, "update conference room", id, http.MethodPatch, "", body)
}

// room makes a call on one room, which answers with the room.
func (c *Client) room(ctx context.Context, doing string, id uuid.UUID, method, path string, body any) (minigroup.ConferenceRoomState, error) {
	var reply room
	err := c.rest.Do(ctx, rest.Call{
		Doing:  doing,
		Method: method,
		Path:   rooms + "/" + id.String() + path,
		Body:   body,
		Reply:  &reply,
		Check:  func() error { return reply.check(id) },
	})
	if err != nil {
		return minigroup.ConferenceRoomState{}, err
	}
	return reply.state(), nil
}
