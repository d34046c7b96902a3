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

const closing = "close conference room"

// CloseRoom closes the room. A closed room is closed: no error. A room that has an end and has not opened yet cannot be
// closed; its end is moved to one second after its start, and the error, which is not refused, says when that will be.
// An error of Type room_not_found is not refused.
func (c *Client) CloseRoom(ctx context.Context, id uuid.UUID) error {
	err := c.close(ctx, id)
	if rest.ErrorType(err) == roomClosed {
		return nil
	}
	return err
}

// close goes by what conference answers, for which state the room is in may change between two calls.
func (c *Client) close(ctx context.Context, id uuid.UUID) error {
	// The one call that keeps the start of a room that has opened.
	_, err := c.room(ctx, closing, id, http.MethodPost, "/close", nil)
	if rest.ErrorType(err) != databaseQueryFailed {
		return err
	}
	// So it has not opened, or the database is in trouble. A room without end takes any window, also one long over.
	err = c.setTime(ctx, id, 0, 1)
	if rest.ErrorType(err) != databaseQueryFailed {
		return err
	}
	return c.closeOnceOpen(ctx, id, err)
}

// closeOnceOpen lets a room that has an end and has not opened end right after its start. refusal is how conference
// answered the attempt to close it; it stands where the room turns out to be no such room.
func (c *Client) closeOnceOpen(ctx context.Context, id uuid.UUID, refusal error) error {
	now, err := c.room(ctx, closing, id, http.MethodGet, "", nil)
	if err != nil {
		return err
	}
	var failed *minigroup.UpstreamError
	if now.Time.Start == nil || now.Time.End == nil || !errors.As(refusal, &failed) {
		return refusal
	}
	start, end := *now.Time.Start, *now.Time.Start+1
	if *now.Time.End > end {
		if err := c.setTime(ctx, id, start, end); err != nil {
			return err
		}
	}
	closes := time.Unix(end, 0).UTC()
	waiting := *failed
	waiting.Detail = "the room has an end and has not opened, so it closes by itself at " + closes.Format(time.RFC3339)
	waiting.RetryAfter = min(max(time.Until(closes), 0), rest.MaxRetryAfter)
	return &waiting
}

func (c *Client) setTime(ctx context.Context, id uuid.UUID, start, end int64) error {
	_, err := c.room(ctx, closing, id, http.MethodPatch, "", patch{Time: &[2]*int64{&start, &end}})
	return err
}
