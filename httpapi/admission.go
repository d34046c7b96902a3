package httpapi

import (
	"github.com/gin-gonic/gin"

	"minigroups/minigroup"
	"minigroups/telemetry"
)

// admit calls process with one unit of the capacity for concurrent writes. Without capacity for the audience it returns
// ServiceUnavailable and does not call process. Every write calls it, or admitSaga, once: after its request is known to
// be valid and allowed, and before anything is written.
func (s *server) admit(audience string, process func() error) error {
	release, err := s.writes.acquire(audience)
	if err != nil {
		s.Requests.Refused(telemetry.RefusedConcurrency)
		return err
	}
	defer release()
	return process()
}

// admitSaga is admit for a write that may start a saga. While the audience has MaxUnfinished unfinished sagas, it
// returns ServiceUnavailable unless starts returns false: such a write joins a saga, or only learns of a result.
func (s *server) admitSaga(
	c *gin.Context, audience string, starts func() (bool, error), process func() error,
) error {
	return s.admit(audience, func() error {
		full, err := s.unfinished.isFull(c.Request.Context(), audience)
		if err != nil {
			return err
		}
		if full {
			if full, err = starts(); err != nil {
				return err
			}
		}
		if full {
			s.Requests.Refused(telemetry.RefusedUnfinished)
			return minigroup.Errorf(minigroup.ServiceUnavailable,
				"too many unfinished operations in this audience; nothing was done, and the same request may be sent again")
		}
		return process()
	})
}

// createStarts reports whether the create of a minigroup starts a saga.
func (s *server) createStarts(c *gin.Context, r minigroup.CreateRequest) (bool, error) {
	m, err := readMinigroup(c.Request.Context(), minigroup.ByScope(r.Audience, r.Scope), s.Minigroups.Read)
	switch {
	case isKind(err, minigroup.ClassNotFound):
		return true, nil
	case err != nil:
		return false, err
	default:
		return m.State == minigroup.Failed, nil
	}
}

// changeStarts reports whether a change of the minigroup starts a saga: it does unless the minigroup is not ready, or
// has an undecided update.
func changeStarts(m minigroup.Minigroup) bool {
	undecided := m.Update != nil &&
		(m.Update.State == minigroup.UpdateRequested || m.Update.State == minigroup.UpdateRunning)
	return m.State == minigroup.Ready && !undecided
}
