package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

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

// read answers GET of one minigroup.
func (s *server) read(key classKey) endpoint {
	return func(c *gin.Context) error {
		m, err := s.find(c, key, "read")
		if err != nil {
			return err
		}
		return reply(c, http.StatusOK, describe(m, time.Now()))
	}
}

// find returns the minigroup that the path names if the account may do action to it.
func (s *server) find(c *gin.Context, key classKey, action string) (minigroup.Minigroup, error) {
	classID, ok := key(c)
	if !ok {
		return minigroup.Minigroup{}, minigroup.Errorf(minigroup.ClassNotFound, "no minigroup can have this name")
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), databaseWait)
	defer cancel()
	m, err := s.Minigroups.ByID(ctx, classID)
	if err != nil {
		return m, fmt.Errorf("find minigroup %s: %w", classID, err)
	}
	return m, s.authorize(c, m.Audience, []string{"classrooms", classID.String()}, action)
}
