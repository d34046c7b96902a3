package httpapi

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// listQuery is what the query of a list asks for.
type listQuery struct {
	filter minigroup.ListFilter
	after  *minigroup.ListPosition
	limit  int
	counts bool
}

// listParameters decode the parameters of a list. Each returns what is wrong with its value, or nothing.
var listParameters = map[string]func(q *listQuery, text string) string{
	"status": func(q *listQuery, text string) string {
		q.filter.Status = minigroup.Status(text)
		known := []minigroup.Status{
			minigroup.StatusCreating, minigroup.StatusRealTime, minigroup.StatusClosed, minigroup.StatusFailed,
		}
		if !slices.Contains(known, q.filter.Status) {
			return "must be creating, real-time, closed or failed"
		}
		return ""
	},
	"scope_prefix":  func(q *listQuery, text string) string { return toName(text, &q.filter.ScopePrefix) },
	"host":          func(q *listQuery, text string) string { return toName(text, &q.filter.Host) },
	"time_from":     func(q *listQuery, text string) string { return toSecond(text, &q.filter.Time.Start) },
	"time_until":    func(q *listQuery, text string) string { return toSecond(text, &q.filter.Time.End) },
	"created_since": func(q *listQuery, text string) string { return toTime(text, &q.filter.CreatedSince) },
	"changed_since": func(q *listQuery, text string) string { return toTime(text, &q.filter.ChangedSince) },
	"room_id": func(q *listQuery, text string) string {
		id, err := uuid.Parse(text)
		// uuid.Parse also accepts braces, a URN prefix and 32 digits. No room has the nil id.
		if err != nil || len(text) != len(uuid.Nil.String()) || id == uuid.Nil {
			return "must be the id of a room, a UUID"
		}
		q.filter.RoomID = id
		return ""
	},
	"request_id": func(q *listQuery, text string) string {
		if !isVisible(text, maxRequestID) {
			return fmt.Sprintf("must have 1 to %d characters, all of them visible and in ASCII", maxRequestID)
		}
		q.filter.RequestID = text
		return ""
	},
	"needs_attention": func(q *listQuery, text string) string { return toTrue(text, &q.filter.NeedsAttention) },
	"counts":          func(q *listQuery, text string) string { return toTrue(text, &q.counts) },
	"limit": func(q *listQuery, text string) (problem string) {
		q.limit, problem = toLimit(text)
		return problem
	},
	"cursor": func(q *listQuery, text string) string {
		if text == "" {
			return ""
		}
		after, known := decodePosition(text)
		if !known {
			return "must be the next of another page"
		}
		q.after = &after
		return ""
	},
	"access_token": func(*listQuery, string) string { return "" }, // has been verified
}

// decodeList decodes the query of a list. Its error lists every parameter that is invalid or unknown: a filter with a
// typing error would otherwise select everything.
func decodeList(query string) (listQuery, error) {
	d, q := &decoder{}, listQuery{limit: defaultPage}
	values, err := url.ParseQuery(query)
	if err != nil {
		d.fail("query", "must be name=value pairs separated by &, percent-encoded")
		return q, d.finish(nil)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		decode, known := listParameters[name]
		switch {
		case !known:
			d.fail(name, "is no parameter of a list")
		case len(values[name]) > 1:
			d.fail(name, "must be given once")
		default:
			if problem := decode(&q, values[name][0]); problem != "" {
				d.fail(name, problem)
			}
		}
	}
	if t := q.filter.Time; t.Start != nil && t.End != nil && *t.Start >= *t.End {
		d.fail("time_until", "must be after time_from")
	}
	return q, d.finish(nil)
}

func toName(text string, name *string) string {
	for _, e := range minigroup.CheckName("", text) {
		return e.Detail
	}
	*name = text
	return ""
}

func toSecond(text string, second **int64) string {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > minigroup.MaxSecond {
		return "must be between 0 and 253402300799 (unix seconds, up to year 9999)"
	}
	*second = &n
	return ""
}

func toTime(text string, t *time.Time) string {
	var second *int64
	problem := toSecond(text, &second)
	if second != nil {
		*t = time.Unix(*second, 0)
	}
	return problem
}

// toTrue accepts only true: without the parameter, it is false.
func toTrue(text string, flag *bool) string {
	if *flag = text == "true"; !*flag {
		return "must be true, or absent"
	}
	return ""
}

func toLimit(text string) (limit int, problem string) {
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > maxPage {
		return limit, fmt.Sprintf("must be a whole number from 1 to %d", maxPage)
	}
	return limit, ""
}
