package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"minigroups/minigroup"
)

// retry answers POST to start a failed minigroup over. The path says all there is to say: a body is not looked at.
func (s *server) retry(c *gin.Context) error {
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	m, err := s.find(c, byID, "retry")
	if err != nil {
		return err
	}
	work := func(c *gin.Context) error { return s.startOver(c, m) }
	if key == "" {
		return work(c)
	}
	account := accountOf(c)
	return s.withIdempotencyKey(c, minigroup.NewRequestKey(account.Label, account.Audience, key, "POST "+c.FullPath(), m.ID.String()), work)
}

// startOver has a failed minigroup created once more, and answers with what has become of it.
func (s *server) startOver(c *gin.Context, m minigroup.Minigroup) error {
	release, err := s.writes.acquire(m.Audience)
	if err != nil {
		return err
	}
	defer release()
	m, outcome, err := s.Sagas.Retry(c.Request.Context(), m, s.waitFor(c))
	if err != nil {
		return err
	}
	if outcome == minigroup.OutcomeAccepted {
		locate(c, m)
		return s.accept(c, m)
	}
	return s.show(c, http.StatusOK, m)
}
