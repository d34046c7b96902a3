package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"minigroups/minigroup"
)

// reader reads a minigroup. It returns ClassNotFound if there is none.
type reader func(context.Context, minigroup.Key) (minigroup.Minigroup, error)

// finder reads the minigroup that the path names if the account may perform action on it. It returns ClassNotFound,
// AccessDenied or AuthorizationFailed otherwise. An account without a right to a minigroup does not learn whether there
// is one.
type finder func(c *gin.Context, action string, read reader) (minigroup.Minigroup, error)

const actionRead = "read"

// byScope finds a minigroup by audience and scope. It is read first, because only its row has its id, which is part of
// what the account needs a right for. If there is none, that is the id that a create would give it. So the answer to an
// account without the right is the same, whether or not there is a minigroup.
func (s *server) byScope(c *gin.Context, action string, read reader) (minigroup.Minigroup, error) {
	notFound := minigroup.Errorf(minigroup.ClassNotFound, "there is no minigroup of this audience and scope")
	audience, audienceErr := url.PathUnescape(c.Param("audience"))
	scope, scopeErr := url.PathUnescape(c.Param("scope"))
	if audienceErr != nil || scopeErr != nil {
		return minigroup.Minigroup{}, notFound
	}
	m, err := lookUp(c, minigroup.ByScope(audience, scope), read, notFound)
	id := m.ID
	switch {
	case err == nil:
		logClassID(c, id)
	case isKind(err, minigroup.ClassNotFound):
		id = minigroup.NewClassID(audience, scope)
	default:
		return minigroup.Minigroup{}, err
	}
	if err := s.authorize(c, audience, action, id.String()); err != nil {
		return minigroup.Minigroup{}, err
	}
	return m, err
}

// byID finds a minigroup by its id. Only the row says for which audience the account needs the right, so it is read
// first. An account that may not read the minigroup receives the answer for an id that does not exist.
func (s *server) byID(c *gin.Context, action string, read reader) (minigroup.Minigroup, error) {
	notFound := minigroup.Errorf(minigroup.ClassNotFound, "there is no minigroup with this id")
	id, err := uuid.Parse(c.Param("minigroup_id"))
	// uuid.Parse also accepts braces, a URN prefix and 32 digits.
	if err != nil || len(c.Param("minigroup_id")) != len(uuid.Nil.String()) {
		return minigroup.Minigroup{}, notFound
	}
	logClassID(c, id)
	m, err := lookUp(c, minigroup.ByID(id), read, notFound)
	if err != nil {
		return m, err
	}
	err = s.authorize(c, m.Audience, action, id.String())
	if !isKind(err, minigroup.AccessDenied) {
		return m, err
	}
	readErr := err
	if action != actionRead {
		readErr = s.authorize(c, m.Audience, actionRead, id.String())
	}
	switch {
	case readErr == nil: // the account knows the minigroup, and may know what it may not do
		return m, err
	case isKind(readErr, minigroup.AccessDenied):
		s.log(c).Info("access denied, answered as not found", zap.String("action", action))
		return m, notFound
	default:
		return m, readErr
	}
}

// read handles GET of one minigroup, with the properties of the class and of the caller's account that the query names.
// With If-None-Match and a wait, it waits for a change.
func (s *server) read(find finder) endpoint {
	return func(c *gin.Context) error {
		keys, err := decodePropertyKeys(c.Request.URL.RawQuery)
		if err != nil {
			return err
		}
		read, accountProperties := reader(s.Minigroups.Read), json.RawMessage(nil)
		if len(keys.account) > 0 {
			read = func(ctx context.Context, key minigroup.Key) (m minigroup.Minigroup, err error) {
				m, accountProperties, err = s.Minigroups.ReadFor(ctx, key, minigroup.Account(accountOf(c)))
				return m, err
			}
		}
		m, err := find(c, actionRead, read)
		if err != nil {
			return err
		}
		current, err := s.represent(m, keys, accountProperties)
		if err != nil {
			return err
		}
		c.Header("Cache-Control", "private, no-cache") // the caller may cache it, and must revalidate it by its ETag
		notModified, err := current.checkConditions(c)
		if wait := s.waitForChange(c); notModified && wait > 0 {
			again := func(ctx context.Context) (representation, error) {
				m, err := readMinigroup(ctx, minigroup.ByID(m.ID), read)
				if err != nil {
					return representation{}, err
				}
				return s.represent(m, keys, accountProperties)
			}
			current, notModified, err = s.awaitChange(c, m.Audience, wait, current, again)
		}
		switch {
		case err != nil:
			return err
		case notModified:
			c.Header("ETag", current.tag)
			c.Status(http.StatusNotModified)
		default:
			current.send(c, http.StatusOK)
		}
		return nil
	}
}

// lookUp is readMinigroup with an error of the caller's for a minigroup that does not exist.
func lookUp(c *gin.Context, key minigroup.Key, read reader, notFound error) (minigroup.Minigroup, error) {
	m, err := readMinigroup(c.Request.Context(), key, read)
	if isKind(err, minigroup.ClassNotFound) {
		return m, notFound
	}
	return m, err
}

// readMinigroup reads a minigroup within databaseTimeout, without authorization.
func readMinigroup(ctx context.Context, key minigroup.Key, read reader) (minigroup.Minigroup, error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	m, err := read(ctx, key)
	if err != nil {
		return m, fmt.Errorf("find minigroup: %w", err)
	}
	return m, nil
}
