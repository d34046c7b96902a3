package api

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/httpapi"
	"minigroups/minigroup"
)

// limitedEvents bounds the requests that this process sends to event for its callers. Those of its worker, if it has
// one, share the limit.
type limitedEvents struct {
	events httpapi.Events
	limits *activities.Limits
}

// CreateEvent implements httpapi.Events.
func (e limitedEvents) CreateEvent(ctx context.Context, room uuid.UUID, event json.RawMessage) error {
	return e.call(ctx, "create event", func() error { return e.events.CreateEvent(ctx, room, event) })
}

// CreateWhiteboard implements httpapi.Events.
func (e limitedEvents) CreateWhiteboard(ctx context.Context, room, classID uuid.UUID) error {
	return e.call(ctx, "create whiteboard", func() error { return e.events.CreateWhiteboard(ctx, room, classID) })
}

func (e limitedEvents) call(ctx context.Context, doing string, call func() error) error {
	const service = string(minigroup.EventRoom)
	return e.limits.Within(ctx, service, service, doing, call)
}
