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

// classKey reads from the path which minigroup is meant. ok is false where the path can name none.
type classKey func(*gin.Context) (classID uuid.UUID, ok bool)

func byID(c *gin.Context) (uuid.UUID, bool) {
	text := c.Param("minigroup_id")
	if len(text) != len("00000000-0000-0000-0000-000000000000") {
		return uuid.Nil, false // uuid.Parse knows spellings that are not ours
	}
	id, err := uuid.Parse(text)
	return id, err == nil
}

// byScope needs no look into the database: the id follows from audience and scope.
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

// read answers GET of one minigroup, with those properties of it and of the caller's account that the query asks for.
func (s *server) read(key classKey) endpoint {
	return func(c *gin.Context) error {
		keys, err := decodePropertyKeys(c.Request.URL.RawQuery)
		if err != nil {
			return err
		}
		read, own := s.Minigroups.ByID, json.RawMessage(nil)
		if len(keys.account) > 0 {
			read = func(ctx context.Context, classID uuid.UUID) (m minigroup.Minigroup, err error) {
				m, own, err = s.Minigroups.ByIDForAccount(ctx, classID, minigroup.Account(accountOf(c)))
				return m, err
			}
		}
		m, err := s.findBy(c, key, "read", read)
		if err != nil {
			return err
		}
		current, err := s.represent(m, keys, own)
		if err != nil {
			return err
		}
		c.Header("Cache-Control", "private, no-cache") // kept by whoever may see it, and asked for again by its ETag
		unmodified, err := current.holds(c)
		switch {
		case err != nil:
			return err
		case unmodified:
			c.Header("ETag", current.tag)
			c.Status(http.StatusNotModified)
		default:
			current.send(c, http.StatusOK)
		}
		return nil
	}
}

// find returns the minigroup that the path names if the account may do action to it.
func (s *server) find(c *gin.Context, key classKey, action string) (minigroup.Minigroup, error) {
	return s.findBy(c, key, action, s.Minigroups.ByID)
}

func (s *server) findBy(
	c *gin.Context, key classKey, action string, read func(context.Context, uuid.UUID) (minigroup.Minigroup, error),
) (minigroup.Minigroup, error) {
	classID, ok := key(c)
	if !ok {
		return minigroup.Minigroup{}, minigroup.Errorf(minigroup.ClassNotFound, "no minigroup can have this name")
	}
	about(c, classID)
	m, err := lookUp(c, classID, read)
	if err != nil {
		return m, err
	}
	return m, s.authorize(c, m.Audience, action, classID.String())
}

// lookUp reads a minigroup within a bounded time, whoever asks.
func lookUp(
	c *gin.Context, classID uuid.UUID, read func(context.Context, uuid.UUID) (minigroup.Minigroup, error),
) (minigroup.Minigroup, error) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), databaseWait)
	defer cancel()
	m, err := read(ctx, classID)
	if err != nil {
		return m, fmt.Errorf("find minigroup %s: %w", classID, err)
	}
	return m, nil
}
