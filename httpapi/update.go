package httpapi

import (
	"net/http"

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
		return s.change(c, m, change)
	}
}

// change has a minigroup changed, if the conditions of the request hold, and answers with what has become of it.
func (s *server) change(c *gin.Context, m minigroup.Minigroup, change minigroup.Change) error {
	current, err := s.represent(m, propertyKeys{}, nil)
	if err != nil {
		return err
	}
	if _, err := current.holds(c); err != nil {
		return err
	}
	if change.Empty() {
		current.send(c, http.StatusOK)
		return nil
	}
	if demandsTag(c) {
		change.Revision = &m.Revision // and it is looked at again when the update begins
	}
	leave, err := s.door.enter(m.Audience)
	if err != nil {
		return err
	}
	defer leave()
	m, outcome, err := s.Sagas.Update(c.Request.Context(), m, change, s.waitFor(c))
	if err != nil {
		return err
	}
	if outcome == minigroup.OutcomeAccepted {
		return s.accept(c, m)
	}
	return s.show(c, http.StatusOK, m)
}
