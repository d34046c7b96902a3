package httpapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"minigroups/minigroup"
)

// recreate answers POST of new rooms for a minigroup.
func (s *server) recreate(c *gin.Context) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	change, err := decodeRecreation(body, time.Now().Unix())
	if err != nil {
		return err
	}
	m, err := s.find(c, byID, "update")
	if err != nil {
		return err
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
