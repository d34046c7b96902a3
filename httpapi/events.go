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

// Events makes events in event rooms, in the name of this service. Its errors are *minigroup.UpstreamError.
type Events interface {
	// CreateEvent makes one event. Called twice it makes two.
	CreateEvent(ctx context.Context, room uuid.UUID, event json.RawMessage) error
	// CreateWhiteboard makes the whiteboard of a class. Called twice it is the same whiteboard, blank again.
	CreateWhiteboard(ctx context.Context, room, classID uuid.UUID) error
}

// eventWait is how long event may take to answer.
const eventWait = 10 * time.Second

// createEvent answers POST of an event into the event room of a minigroup.
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

// createWhiteboard answers POST of a whiteboard. It needs no body.
func (s *server) createWhiteboard(c *gin.Context) error {
	return s.createInEventRoom(c, func(ctx context.Context, m minigroup.Minigroup) error {
		return s.Events.CreateWhiteboard(ctx, m.EventRoomID, m.ID)
	})
}

func (s *server) createInEventRoom(c *gin.Context, create func(context.Context, minigroup.Minigroup) error) error {
	m, err := s.find(c, byID, "update")
	if err != nil {
		return err
	}
	if m.State != minigroup.Ready {
		return minigroup.Errorf(minigroup.NotReady, "the minigroup is %s", m.Status(time.Now().Unix()))
	}
	leave, err := s.door.enter(m.Audience)
	if err != nil {
		return err
	}
	defer leave()
	// Event drops a request half-way when its caller hangs up, so this one goes on when our own caller does.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), eventWait)
	defer cancel()
	if err := create(ctx, m); err != nil {
		return s.explainEvent(c, err)
	}
	return reply(c, http.StatusCreated, struct{}{})
}

// explainEvent tells the caller what event made of the request. Nothing is tried again here: only a refusal says for sure
// that there is no event.
func (s *server) explainEvent(c *gin.Context, err error) error {
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
		e.Detail += "; it may have been done all the same"
	}
	if !failed.Refused {
		s.log(c).Warn("event did not answer as it should", zap.Error(err))
	}
	return e
}
