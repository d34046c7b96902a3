package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"minigroups/limiter"
	"minigroups/minigroup"
)

// List lists minigroups.
type List interface {
	// ListMinigroups reads a page of at most limit minigroups that the filter selects, the latest created first; with
	// after, those that follow it.
	ListMinigroups(
		ctx context.Context, filter minigroup.ListFilter, after *minigroup.ListPosition, limit int,
	) (minigroup.ListPage, error)
	// CountMinigroups counts the minigroups of an audience, of each status up to a limit.
	CountMinigroups(ctx context.Context, audience string) (minigroup.StatusCounts, error)
}

// listObject is a page of a list of minigroups, the latest created first.
type listObject struct {
	Minigroups []listedObject `json:"minigroups"`
	// Next is the cursor of the next page; absent on the last one.
	Next   string        `json:"next,omitempty"`
	Counts *countsObject `json:"counts,omitempty"`
}

// listedObject is the object that a read returns, and what helps to choose among many.
type listedObject struct {
	minigroupObject
	ChangedAt      int64 `json:"changed_at"`
	NeedsAttention bool  `json:"needs_attention"`
}

type countsObject struct {
	Creating       int `json:"creating"`
	RealTime       int `json:"real-time"`
	Failed         int `json:"failed"`
	NeedsAttention int `json:"needs_attention"`
}

// list handles GET of a page of the minigroups of an audience.
func (s *server) list(c *gin.Context) error {
	audience, err := url.PathUnescape(c.Param("audience"))
	if err != nil {
		return minigroup.Errorf(minigroup.RouteNotFound, "the audience in the path is not percent-encoded")
	}
	query, err := decodeList(c.Request.URL.RawQuery)
	if err != nil {
		return err
	}
	if err := s.authorize(c, audience, "list"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), databaseTimeout)
	defer cancel()
	permit, err := s.lists.Acquire(ctx, limiter.Request{Audience: audience})
	if err != nil {
		return tooManyLists(c, err)
	}
	defer permit.Release()
	query.filter.Audience = audience
	page, err := s.List.ListMinigroups(ctx, query.filter, query.after, query.limit)
	if err != nil {
		return fmt.Errorf("list minigroups: %w", err)
	}
	out := listObject{Minigroups: []listedObject{}, Next: encodePosition(page.Next)}
	now := time.Now()
	for _, m := range page.Minigroups {
		out.Minigroups = append(out.Minigroups, listedObject{
			minigroupObject: s.toObject(m.Minigroup, now), ChangedAt: m.ChangedAt.Unix(), NeedsAttention: m.NeedsAttention,
		})
	}
	if query.counts {
		counts, err := s.List.CountMinigroups(ctx, audience)
		if err != nil {
			return fmt.Errorf("count minigroups: %w", err)
		}
		out.Counts = (*countsObject)(&counts)
	}
	return reply(c, http.StatusOK, out)
}

// maxWaitingLists is the maximum number of lists that wait for their turn, for each audience.
const maxWaitingLists = 16

// tooManyLists returns the error of a list that has not got its turn.
func tooManyLists(c *gin.Context, cause error) error {
	if c.Request.Context().Err() != nil {
		return cause // the caller has gone
	}
	err := minigroup.Errorf(minigroup.ServiceUnavailable, "too many concurrent lists; the same request may be sent again")
	err.RetryAfter = time.Second
	return err
}

// The cursor of a list is opaque to callers: it is the time, in microseconds as in the database, and the id of the last
// minigroup that was looked at.
const timeSize = 8

func encodePosition(p *minigroup.ListPosition) string {
	if p == nil {
		return ""
	}
	text := binary.BigEndian.AppendUint64(nil, uint64(p.CreatedAt.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(text, p.ID[:]...))
}

func decodePosition(text string) (p minigroup.ListPosition, ok bool) {
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(decoded) != timeSize+len(uuid.Nil) {
		return p, false
	}
	micros := int64(binary.BigEndian.Uint64(decoded)) //nolint:gosec // only the bits matter
	p = minigroup.ListPosition{CreatedAt: time.UnixMicro(micros), ID: uuid.UUID(decoded[timeSize:])}
	// The decoder skips line breaks.
	return p, micros >= 0 && micros/1e6 <= minigroup.MaxSecond && encodePosition(&p) == text
}
