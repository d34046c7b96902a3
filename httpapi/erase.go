package httpapi

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"
)

// erase handles DELETE of the personal data of a class that is over.
func (s *server) erase(c *gin.Context) error {
	m, err := s.byID(c, "erase", s.Minigroups.Read)
	if err != nil {
		return err
	}
	return s.admit(m.Audience, func() error {
		ctx, cancel := context.WithTimeout(c.Request.Context(), databaseTimeout)
		defer cancel()
		if err := s.History.ErasePersonalData(ctx, m.ID, requesterOf(c, "")); err != nil {
			return fmt.Errorf("erase the personal data of %s: %w", m.ID, err)
		}
		c.Status(http.StatusNoContent)
		return nil
	})
}
