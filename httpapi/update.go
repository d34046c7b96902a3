package httpapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"minigroups/minigroup"
)

// update answers PUT of one minigroup.
func (s *server) update(key classKey) endpoint {
	return func(c *gin.Context) error {
		body, err := readBody(c)
		if err != nil {
			return err
		}
		change, err := decodeChange(body)
		if err != nil {
			return err
		}
		m, err := s.find(c, key, "update")
		if err != nil {
			return err
		}
		if change.Empty() {
			return reply(c, http.StatusOK, s.describe(m, time.Now()))
		}
		m, outcome, err := s.Sagas.Update(c.Request.Context(), m, change, s.waitFor(c))
		if err != nil {
			return err
		}
		if outcome == minigroup.OutcomeAccepted {
			return s.accept(c, m)
		}
		return reply(c, http.StatusOK, s.describe(m, time.Now()))
	}
}
