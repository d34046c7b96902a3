package sagaworker

import (
	"context"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"minigroups/activities"
	"minigroups/config"
	"minigroups/minigroup"
)

// Leases says how many workers are alive.
type Leases interface {
	RenewLease(ctx context.Context, id uuid.UUID, duration time.Duration) (alive int, err error)
	EndLease(ctx context.Context, id uuid.UUID) error
}

const (
	renewEvery    = 5 * time.Second
	leaseDuration = 3 * renewEvery
)

// share keeps the limits of this worker at its share of what event and conference can take from all workers together.
// While Postgres is away, the worker keeps the share that it had. A share grows only when two renewals in a row have
// counted so few workers: so one that has just started sends one request at a time until the others know of it, and the
// first to renew its lease after all have ended does not take everything.
type share struct {
	leases Leases
	limits *activities.Limits
	// own is the maximum for one worker, and total for all of them, by service.
	own   int
	total map[string]int
	log   *zap.Logger
}

func newShare(cfg config.Config, leases Leases, limits *activities.Limits, log *zap.Logger) share {
	s := share{leases: leases, limits: limits, own: cfg.Saga.MaxInFlight, log: log, total: map[string]int{
		string(minigroup.EventRoom): cfg.Event.MaxInFlight, string(minigroup.ConferenceRoom): cfg.Conference.MaxInFlight,
	}}
	s.among(s.most())
	return s
}

// run renews the lease of this worker until ctx ends.
func (s share) run(ctx context.Context) {
	id := uuid.New()
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for before := s.most(); ; {
		before = s.renew(ctx, id, before)
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewEvery)
		defer cancel()
		if err := s.leases.EndLease(ctx, id); err != nil {
			s.log.Warn("lease not ended; the other workers keep their shares until it ends by itself", zap.Error(err))
		}
		return
	}
}

// renew renews the lease and sets the limits to the share of this worker. It returns how many workers are alive; before
// is what it returned the last time.
func (s share) renew(ctx context.Context, id uuid.UUID, before int) (alive int) {
	ctx, cancel := context.WithTimeout(ctx, renewEvery)
	defer cancel()
	alive, err := s.leases.RenewLease(ctx, id, leaseDuration)
	if err != nil {
		s.log.Warn("lease not renewed; this worker keeps its share", zap.Error(err))
		return before
	}
	s.among(max(alive, before))
	return alive
}

// among sets the limits to the share of one of this many workers.
func (s share) among(alive int) {
	for service, total := range s.total {
		s.limits.SetMax(service, min(s.own, max(total/alive, 1)))
	}
}

// most is a number of workers among which the share of each is 1.
func (s share) most() int {
	most := 1
	for _, total := range s.total {
		most = max(most, total)
	}
	return most
}
