package httpapi

import (
	"cmp"
	"errors"
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
	draft, late, err := decodeDraftOrLate(body, time.Now().Unix())
	if err != nil {
		return err
	}
	request := minigroup.NewCreateRequest(draft)
	about(c, request.ID)
	if err := s.authorize(c, request.Audience, "create"); err != nil {
		return cmp.Or(late, err) // what is wrong with the body comes first
	}
	work := func(c *gin.Context) error {
		if late != nil {
			return s.findLate(c, request, late)
		}
		return s.createFrom(c, request)
	}
	if key == "" {
		return work(c)
	}
	account := accountOf(c)
	return s.withIdempotencyKey(c, minigroup.NewRequestKey(account.Label, account.Audience, key, "POST "+c.FullPath(), request.Fingerprint), work)
}

// createFrom has the minigroup of a draft created, and answers with what has become of it.
func (s *server) createFrom(c *gin.Context, request minigroup.CreateRequest) error {
	release, err := s.writes.acquire(request.Audience)
	if err != nil {
		return err
	}
	defer release()
	m, outcome, err := s.Sagas.Create(c.Request.Context(), request, s.waitFor(c))
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

// decodeDraftOrLate reads a draft. Where nothing is wrong with it but that its end has passed, late says so: nothing is
// created from it any more, but it may be that it was.
func decodeDraftOrLate(body []byte, now int64) (draft minigroup.Draft, late, err error) {
	if draft, err = decodeDraft(body, now); err == nil {
		return draft, nil, nil
	}
	late = err
	if draft, err = decodeDraft(body, 0); err != nil {
		return draft, nil, late // with everything that is wrong
	}
	return draft, late, nil
}

// findLate answers with the minigroup that was created from an equal draft before its end had passed; where there is none,
// with what is wrong with the draft now.
func (s *server) findLate(c *gin.Context, request minigroup.CreateRequest, late error) error {
	m, err := lookUp(c, request.ID, s.Minigroups.ByID)
	var refusal *minigroup.Error
	switch {
	case errors.As(err, &refusal) && refusal.Kind == minigroup.ClassNotFound, err == nil && m.Fingerprint != request.Fingerprint:
		return late
	case err != nil:
		return err
	case m.State == minigroup.Ready:
		return s.show(c, http.StatusOK, m)
	case m.State == minigroup.Failed:
		return late
	default:
		locate(c, m)
		return s.accept(c, m)
	}
}

func locate(c *gin.Context, m minigroup.Minigroup) {
	c.Header("Location", "/api/v1/minigroups/"+m.ID.String())
}

// accept answers with a minigroup that is not finished yet, and says when to look again.
func (s *server) accept(c *gin.Context, m minigroup.Minigroup) error {
	c.Header("Retry-After", "2")
	return reply(c, http.StatusAccepted, s.describe(m, time.Now()))
}
