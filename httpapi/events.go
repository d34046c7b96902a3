package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"minigroups/minigroup"
)

// Events creates events in event rooms, with this service as their author. Its errors are *minigroup.UpstreamError.
type Events interface {
	// CreateEvent creates one event. Called twice it creates two.
	CreateEvent(ctx context.Context, room uuid.UUID, event json.RawMessage) error
	// CreateWhiteboard creates the whiteboard of a class. Called twice it resets the same whiteboard.
	CreateWhiteboard(ctx context.Context, room, classID uuid.UUID) error
}

// eventTimeout bounds a request to the event service.
const eventTimeout = 10 * time.Second

// createEvent handles POST of an event to the event room of a minigroup.
func (s *server) createEvent(c *gin.Context) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	event, err := decodeEvent(body)
	if err != nil {
		return err
	}
	return s.createInEventRoom(c, func(ctx context.Context, m minigroup.Minigroup) error {
		return s.Events.CreateEvent(ctx, m.EventRoomID, event)
	})
}

// createWhiteboard handles POST of a whiteboard. It ignores the body.
func (s *server) createWhiteboard(c *gin.Context) error {
	return s.createInEventRoom(c, func(ctx context.Context, m minigroup.Minigroup) error {
		return s.Events.CreateWhiteboard(ctx, m.EventRoomID, m.ID)
	})
}

func (s *server) createInEventRoom(c *gin.Context, create func(context.Context, minigroup.Minigroup) error) error {
	m, err := s.byID(c, "update", s.Minigroups.Read)
	if err != nil {
		return err
	}
	if err := m.RequireReady(time.Now().Unix()); err != nil {
		return err
	}
	return s.admit(m.Audience, func() error {
		// The event service drops a request when its client closes the connection, so this request must outlive its
		// caller.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), eventTimeout)
		defer cancel()
		if err := create(ctx, m); err != nil {
			return s.eventError(c, err)
		}
		return reply(c, http.StatusCreated, struct{}{})
	})
}

// eventError converts an error of the event service into one for the caller. The request is not retried, because only a
// refusal proves that no event was created.
func (s *server) eventError(c *gin.Context, err error) error {
	var failed *minigroup.UpstreamError
	if !errors.As(err, &failed) {
		return err
	}
	e := &minigroup.Error{
		Kind: minigroup.UpstreamUnavailable, Detail: failed.Public(), RetryAfter: failed.RetryAfter,
		Upstream: failed.Upstream, UpstreamType: failed.Type,
	}
	switch {
	case failed.Type == "room_closed":
		e.Kind, e.Detail = minigroup.Closed, "the event room of this minigroup is closed"
	case failed.Refused:
		e.Kind = minigroup.UpstreamRefused
	case failed.MaybeDone:
		e.Detail += "; it may have taken effect"
	}
	if !failed.Refused {
		s.log(c).Warn("request to event failed", zap.Error(err))
	}
	return e
}
