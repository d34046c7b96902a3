package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"minigroups/minigroup"
)

// retry handles POST to create a failed minigroup again.
func (s *server) retry(c *gin.Context) error {
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	reason, err := readReason(c)
	if err != nil {
		return err
	}
	m, err := s.byID(c, "retry", s.Minigroups.Read)
	if err != nil {
		return err
	}
	starts := func() (bool, error) { return m.State == minigroup.Failed, nil }
	return s.admitSaga(c, m.Audience, starts, func() error {
		return s.withIdempotencyKey(c, key, m.ID.String(), func(c *gin.Context) error {
			return s.retryCreate(c, m, requesterOf(c, reason))
		})
	})
}

// retryCreate starts the create of a failed minigroup again and replies with its outcome.
func (s *server) retryCreate(c *gin.Context, m minigroup.Minigroup, by minigroup.Requester) error {
	m, outcome, err := s.Sagas.Retry(c.Request.Context(), m, by, s.waitFor(c))
	if err != nil {
		return err
	}
	if outcome == minigroup.OutcomeAccepted {
		setLocation(c, m)
		return s.replyAccepted(c, m)
	}
	return s.replyMinigroup(c, http.StatusOK, m)
}
