package conference

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"minigroups/clients/rest"
	"minigroups/minigroup"
)

const closeOperation = "close conference room"

// CloseRoom closes the room. Closing a closed room is not an error. Conference cannot close a room that has an end and
// has not opened: CloseRoom then moves its end to one second after its start and returns an error that is not Refused.
// An error of Type room_not_found is not Refused.
func (c *Client) CloseRoom(ctx context.Context, id uuid.UUID) error {
	err := c.close(ctx, id)
	if rest.ErrorType(err) == roomClosed {
		return nil
	}
	return err
}

// close decides by the replies and does not read the room first, because its state may change between two calls.
func (c *Client) close(ctx context.Context, id uuid.UUID) error {
	// POST /close keeps the start of an open room; a PATCH overwrites the start if the room has no end.
	_, err := c.roomCall(ctx, closeOperation, id, http.MethodPost, "/close", nil)
	if rest.ErrorType(err) != databaseQueryFailed {
		return err
	}
	// Either the room has not opened, or the database fails. A room without an end accepts any time, also a past one.
	err = c.setTime(ctx, id, 0, 1)
	if rest.ErrorType(err) != databaseQueryFailed {
		return err
	}
	return c.closeAfterOpening(ctx, id, err)
}

// closeAfterOpening moves the end of a room that has not opened to one second after its start. cause is conference's
// reply to the attempt to close it. It is returned unchanged if the room has no start or no end.
func (c *Client) closeAfterOpening(ctx context.Context, id uuid.UUID, cause error) error {
	state, err := c.roomCall(ctx, closeOperation, id, http.MethodGet, "", nil)
	if err != nil {
		return err
	}
	var failed *minigroup.UpstreamError
	if state.Time.Start == nil || state.Time.End == nil || !errors.As(cause, &failed) {
		return cause
	}
	start, end := *state.Time.Start, *state.Time.Start+1
	if *state.Time.End > end {
		if err := c.setTime(ctx, id, start, end); err != nil {
			return err
		}
	}
	closesAt := time.Unix(end, 0).UTC()
	scheduled := *failed
	scheduled.Detail = "the room has an end and has not opened; it closes at " + closesAt.Format(time.RFC3339)
	return &scheduled
}

func (c *Client) setTime(ctx context.Context, id uuid.UUID, start, end int64) error {
	_, err := c.roomCall(ctx, closeOperation, id, http.MethodPatch, "", patch{Time: &[2]*int64{&start, &end}})
	return err
}
