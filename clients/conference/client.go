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

// verdicts lists the error types that conference returns before it changes a row; 401 and 403 need no entry. Its
// database errors are not in the list: a create inserts on two connections, and the room stays if the second insert
// fails.
var verdicts = rest.Verdicts{
	"invalid_payload":              rest.Refused,
	"invalid_room_time":            rest.Refused,
	"room_time_changing_forbidden": rest.Refused,
	roomClosed:                     rest.Refused,

	"authorization_failed": rest.NotDone,
	"room_not_found":       rest.NotDone,
}

// Client calls conference. It is safe for concurrent use. All its errors are *minigroup.UpstreamError.
type Client struct{ rest rest.Client }

// New returns a client of the conference service at baseURL, which has no /api/v1. token returns the bearer token of
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

// CreateRoom creates a room that opens at n.Start and has no end, and returns its id. Called twice it creates two
// rooms. If the error is MaybeDone, a room may exist whose id is unknown.
func (c *Client) CreateRoom(ctx context.Context, n minigroup.NewConferenceRoom) (uuid.UUID, error) {
	var created struct {
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
		Reply: &created,
		Check: func() error {
			if created.ID == uuid.Nil {
				return errors.New("it contains no room id")
			}
			return nil
		},
	})
	if err != nil {
		return uuid.Nil, err
	}
	return created.ID, nil
}

// Room returns the current state of the room, open or closed. An error of Type room_not_found is not Refused.
func (c *Client) Room(ctx context.Context, id uuid.UUID) (minigroup.ConferenceRoomState, error) {
	return c.roomCall(ctx, "read conference room", id, http.MethodGet, "", nil)
}

type patch struct {
	Time    *[2]*int64 `json:"time,omitempty"`
	Reserve *int32     `json:"reserve,omitempty"`
	Host    *string    `json:"host,omitempty"`
}

// PatchRoom changes the fields that p sets and returns the room as conference replies. Two replies differ from what is
// stored: a patch that closes the room returns the end that was sent, not the time of closing; and the start of a room
// that has an end stays as it was, without an error. Errors of Type room_closed and room_time_changing_forbidden are
// Refused.
func (c *Client) PatchRoom(
	ctx context.Context, id uuid.UUID, p minigroup.ConferencePatch,
) (minigroup.ConferenceRoomState, error) {
	body := patch{Reserve: p.Reserve, Host: p.Host}
	if p.Time != nil {
		body.Time = &[2]*int64{p.Time.Start, p.Time.End}
	}
	return c.roomCall(ctx, "update conference room", id, http.MethodPatch, "", body)
}

// roomCall sends a request about the room and returns the room in the reply.
func (c *Client) roomCall(
	ctx context.Context, doing string, id uuid.UUID, method, path string, body any,
) (minigroup.ConferenceRoomState, error) {
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
