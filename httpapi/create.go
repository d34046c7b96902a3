package httpapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"minigroups/minigroup"
)

// create answers POST /api/v1/minigroups.
func (s *server) create(c *gin.Context) error {
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	body, err := readBody(c)
	if err != nil {
		return err
	}
	draft, err := decodeDraft(body, time.Now().Unix())
	if err != nil {
		return err
	}
	if err := s.authorize(c, draft.Audience, "create"); err != nil {
		return err
	}
	work := func(c *gin.Context) error { return s.createFrom(c, draft) }
	if key == "" {
		return work(c)
	}
	account := accountOf(c)
	return s.once(c, minigroup.NewRequestKey(account.Label, account.Audience, key, "POST "+c.FullPath(), draft.Fingerprint()), work)
}

// createFrom has the minigroup of a draft created, and answers with what has become of it.
func (s *server) createFrom(c *gin.Context, draft minigroup.Draft) error {
	m, outcome, err := s.Sagas.Create(c.Request.Context(), draft, s.waitFor(c))
	if err != nil {
		return err
	}
	switch outcome {
	case minigroup.OutcomeExisting:
		return s.show(c, http.StatusOK, m)
	case minigroup.OutcomeAccepted:
		locate(c, m)
		return s.accept(c, m)
	default:
		locate(c, m)
		return s.show(c, http.StatusCreated, m)
	}
}

func locate(c *gin.Context, m minigroup.Minigroup) {
	c.Header("Location", "/api/v1/minigroups/"+m.ClassID().String())
}

// accept answers with a minigroup that is not finished yet, and says when to look again.
func (s *server) accept(c *gin.Context, m minigroup.Minigroup) error {
	c.Header("Retry-After", "2")
	return reply(c, http.StatusAccepted, s.describe(m, time.Now()))
}
