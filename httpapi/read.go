package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"minigroups/minigroup"
)

// classKey returns the id of the minigroup that the path names. ok is false if the path cannot name a minigroup.
type classKey func(*gin.Context) (classID uuid.UUID, ok bool)

func byID(c *gin.Context) (uuid.UUID, bool) {
	text := c.Param("minigroup_id")
	if len(text) != len("00000000-0000-0000-0000-000000000000") {
		return uuid.Nil, false // uuid.Parse also accepts braces, a URN prefix and 32 digits
	}
	id, err := uuid.Parse(text)
	return id, err == nil
}

// byScope derives the id from audience and scope.
func byScope(c *gin.Context) (uuid.UUID, bool) {
	audience, err := url.PathUnescape(c.Param("audience"))
	if err != nil {
		return uuid.Nil, false
	}
	scope, err := url.PathUnescape(c.Param("scope"))
	if err != nil {
		return uuid.Nil, false
	}
	return minigroup.ClassID(audience, scope), true
}

// read handles GET of one minigroup, with the properties of the class and of the caller's account that the query names.
func (s *server) read(key classKey) endpoint {
	return func(c *gin.Context) error {
		keys, err := decodePropertyKeys(c.Request.URL.RawQuery)
		if err != nil {
			return err
		}
		read, accountProperties := s.Minigroups.ByID, json.RawMessage(nil)
		if len(keys.account) > 0 {
			read = func(ctx context.Context, classID uuid.UUID) (m minigroup.Minigroup, err error) {
				m, accountProperties, err = s.Minigroups.ByIDForAccount(ctx, classID, minigroup.Account(accountOf(c)))
				return m, err
			}
		}
		m, err := s.findBy(c, key, "read", read)
		if err != nil {
			return err
		}
		current, err := s.represent(m, keys, accountProperties)
		if err != nil {
			return err
		}
		c.Header("Cache-Control", "private, no-cache") // the caller may cache it, and must revalidate it by its ETag
		notModified, err := current.checkConditions(c)
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

// find returns the minigroup that the path names if the account may perform action on it. It returns ClassNotFound,
// AccessDenied or AuthorizationFailed otherwise.
func (s *server) find(c *gin.Context, key classKey, action string) (minigroup.Minigroup, error) {
	return s.findBy(c, key, action, s.Minigroups.ByID)
}

func (s *server) findBy(
	c *gin.Context, key classKey, action string, read func(context.Context, uuid.UUID) (minigroup.Minigroup, error),
) (minigroup.Minigroup, error) {
	classID, ok := key(c)
	if !ok {
		return minigroup.Minigroup{}, minigroup.Errorf(minigroup.ClassNotFound, "the path cannot name a minigroup")
	}
	logClassID(c, classID)
	m, err := readMinigroup(c, classID, read)
	if err != nil {
		return m, err
	}
	return m, s.authorize(c, m.Audience, action, classID.String())
}

// readMinigroup reads a minigroup within databaseTimeout, without authorization.
func readMinigroup(
	c *gin.Context, classID uuid.UUID, read func(context.Context, uuid.UUID) (minigroup.Minigroup, error),
) (minigroup.Minigroup, error) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), databaseTimeout)
	defer cancel()
	m, err := read(ctx, classID)
	if err != nil {
		return m, fmt.Errorf("find minigroup %s: %w", classID, err)
	}
	return m, nil
}
