package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"minigroups/minigroup"
)

// update handles PUT of one minigroup.
func (s *server) update(find finder) endpoint {
	return func(c *gin.Context) error {
		body, err := readBody(c)
		if err != nil {
			return err
		}
		change, err := decodeChange(body)
		if err != nil {
			return err
		}
		m, err := find(c, "update", s.Minigroups.Read)
		if err != nil {
			return err
		}
		return s.applyChange(c, m, change)
	}
}

// applyChange starts the update of a minigroup if the conditions of the request hold, and replies with its outcome.
func (s *server) applyChange(c *gin.Context, m minigroup.Minigroup, change minigroup.Change) error {
	current, err := s.represent(m, propertyKeys{}, nil)
	if err != nil {
		return err
	}
	if _, err := current.checkConditions(c); err != nil {
		return err
	}
	if change.Empty() {
		current.send(c, http.StatusOK)
		return nil
	}
	if requiresTag(c) {
		change.Revision = &m.Revision // the update compares it when it begins
	}
	change.RequestedBy = requesterOf(c, "")
	starts := func() (bool, error) { return changeStarts(m), nil }
	return s.admitSaga(c, m.Audience, starts, func() error {
		m, outcome, err := s.Sagas.Update(c.Request.Context(), m, change, s.waitFor(c))
		if err != nil {
			return err
		}
		if outcome == minigroup.OutcomeAccepted {
			return s.replyAccepted(c, m)
		}
		return s.replyMinigroup(c, http.StatusOK, m)
	})
}
