package workflows_test

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// janusService is the client of the gateways in the world.
type janusService struct{ *world }

func (s janusService) Reserve(ctx context.Context, b minigroup.Backend, room uuid.UUID, slots int32, _ string) error {
	_, err := s.request(ctx, "janus", janusReserve, func() error {
		if s.unavailable[b.ID] {
			return gatewayDown(janusReserve)
		}
		if s.gateways[b.ID] == nil {
			s.gateways[b.ID] = map[uuid.UUID]int32{}
		}
		s.gateways[b.ID][room] = slots
		return nil
	})
	return err
}

func (s janusService) Release(ctx context.Context, b minigroup.Backend, room uuid.UUID) error {
	_, err := s.request(ctx, "janus", janusRelease, func() error {
		if s.unavailable[b.ID] {
			return gatewayDown(janusRelease)
		}
		delete(s.gateways[b.ID], room)
		return nil
	})
	return err
}

func gatewayDown(o operation) error {
	return &minigroup.UpstreamError{Upstream: "janus", Doing: string(o), Err: errors.New("connection refused")}
}
