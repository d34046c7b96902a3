package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// cancel handles POST to cancel the running operation of a minigroup. It needs no capacity for writes, because it ends
// one.
func (s *server) cancel(c *gin.Context) error {
	reason, err := readReason(c)
	if err != nil {
		return err
	}
	m, err := s.byID(c, "cancel", s.Minigroups.Read)
	if err != nil {
		return err
	}
	cancelled, err := s.Sagas.Cancel(c.Request.Context(), m, requesterOf(c, reason), s.waitFor(c))
	if err != nil {
		return err
	}
	if !cancelled.Decided() {
		setLocation(c, cancelled.Minigroup)
		return s.replyAccepted(c, cancelled.Minigroup)
	}
	return s.replyMinigroup(c, http.StatusOK, cancelled.Minigroup)
}
