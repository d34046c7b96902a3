package httpapi

import (
	"cmp"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"minigroups/minigroup"
)

// create handles POST /api/v1/minigroups.
func (s *server) create(c *gin.Context) error {
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	body, err := readBody(c)
	if err != nil {
		return err
	}
	draft, expired, err := decodeDraftOrExpired(body, time.Now().Unix())
	if err != nil {
		return err
	}
	request := minigroup.NewCreateRequest(draft)
	request.RequestedBy = requesterOf(c, "")
	if err := s.authorize(c, request.Audience, "create"); err != nil {
		return cmp.Or(expired, err) // errors of the body take precedence
	}
	if expired != nil {
		return s.admit(request.Audience, func() error {
			return s.withIdempotencyKey(c, key, request.Fingerprint, func(c *gin.Context) error {
				return s.findExpired(c, request, expired)
			})
		})
	}
	starts := func() (bool, error) { return s.createStarts(c, request) }
	return s.admitSaga(c, request.Audience, starts, func() error {
		return s.withIdempotencyKey(c, key, request.Fingerprint, func(c *gin.Context) error {
			return s.createMinigroup(c, request)
		})
	})
}

// createMinigroup starts the create and replies with its outcome.
func (s *server) createMinigroup(c *gin.Context, request minigroup.CreateRequest) error {
	m, outcome, err := s.Sagas.Create(c.Request.Context(), request, s.waitFor(c))
	if m.ID != uuid.Nil {
		logClassID(c, m.ID)
	}
	if err != nil {
		return err
	}
	switch outcome {
	case minigroup.OutcomeExisting:
		return s.replyMinigroup(c, http.StatusOK, m)
	case minigroup.OutcomeAccepted:
		setLocation(c, m)
		return s.replyAccepted(c, m)
	default:
		setLocation(c, m)
		return s.replyMinigroup(c, http.StatusCreated, m)
	}
}

// decodeDraftOrExpired decodes a draft. If the only error is that its end has passed, that error is returned as
// expired: the draft cannot create a minigroup any more, but an equal request may have created one before.
func decodeDraftOrExpired(body []byte, now int64) (draft minigroup.Draft, expired, err error) {
	if draft, err = decodeDraft(body, now); err == nil {
		return draft, nil, nil
	}
	expired = err
	if draft, err = decodeDraft(body, 0); err != nil {
		return draft, nil, expired // which lists all errors
	}
	return draft, expired, nil
}

// findExpired replies with the minigroup that an equal request created before its end had passed. If there is none, it
// returns expired.
func (s *server) findExpired(c *gin.Context, request minigroup.CreateRequest, expired error) error {
	m, err := readMinigroup(c.Request.Context(), minigroup.ByScope(request.Audience, request.Scope), s.Minigroups.Read)
	switch {
	case isKind(err, minigroup.ClassNotFound):
		return expired
	case err != nil:
		return err
	case m.Fingerprint != request.Fingerprint, m.State == minigroup.Failed:
		return expired
	case m.State == minigroup.Ready:
		return s.replyMinigroup(c, http.StatusOK, m)
	default:
		setLocation(c, m)
		return s.replyAccepted(c, m)
	}
}

func setLocation(c *gin.Context, m minigroup.Minigroup) {
	c.Header("Location", "/api/v1/minigroups/"+m.ID.String())
}

// replyAccepted replies 202 with a minigroup whose operation is in progress, and sets Retry-After. With its ETag the
// caller can wait for the next change.
func (s *server) replyAccepted(c *gin.Context, m minigroup.Minigroup) error {
	c.Header("Retry-After", "2")
	return s.replyMinigroup(c, http.StatusAccepted, m)
}
