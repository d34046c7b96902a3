package httpapi

import (
	"time"

	"github.com/gin-gonic/gin"
)

// recreate handles POST to replace the rooms of a minigroup.
func (s *server) recreate(c *gin.Context) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	change, err := decodeRecreation(body, time.Now().Unix())
	if err != nil {
		return err
	}
	m, err := s.byID(c, "update", s.Minigroups.Read)
	if err != nil {
		return err
	}
	return s.applyChange(c, m, change)
}
