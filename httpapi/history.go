package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"minigroups/minigroup"
)

// History has what has happened to minigroups.
type History interface {
	// History lists at most limit entries of the history of a class, the latest first: those with a number less than
	// before, or, if that is 0, the last ones.
	History(ctx context.Context, classID uuid.UUID, before int64, limit int) ([]minigroup.HistoryEntry, error)
	// ErasePersonalData removes the personal data of a class and records by whom. It returns a *minigroup.Error of kind
	// NotClosed unless the class is over.
	ErasePersonalData(ctx context.Context, classID uuid.UUID, by minigroup.Requester) error
}

// The number of entries on a page.
const (
	defaultPage = 50
	maxPage     = 200
)

// historyObject is a page of the history of a class, the latest entry first.
type historyObject struct {
	Entries []historyEntryObject `json:"entries"`
	// Next is the cursor of the next page; absent on the last one.
	Next string `json:"next,omitempty"`
	// Waiting is what the class waits for now, on the first page. If that is unknown, WaitingUnknown says why.
	Waiting        *[]waitObject `json:"waiting,omitempty"`
	WaitingUnknown string        `json:"waiting_unknown,omitempty"`
}

type historyEntryObject struct {
	Kind    string          `json:"kind"`
	At      int64           `json:"at"`
	By      requesterObject `json:"by"`
	RunID   string          `json:"run_id,omitempty"`
	Details json.RawMessage `json:"details"`
	Erased  bool            `json:"erased"`
	Links   *linksObject    `json:"links,omitempty"`
}

// requesterObject is an account, an operator, or the service itself.
type requesterObject struct {
	Kind      string `json:"kind"`
	Label     string `json:"label,omitempty"`
	Audience  string `json:"audience,omitempty"`
	Operator  string `json:"operator,omitempty"`
	Reason    string `json:"reason,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	TraceID   string `json:"trace_id,omitempty"`
}

type linksObject struct {
	Run   string `json:"run,omitempty"`
	Trace string `json:"trace,omitempty"`
}

// history handles GET of a page of the history of a class.
func (s *server) history(c *gin.Context) error {
	before, limit, err := decodePage(c.Request.URL.RawQuery)
	if err != nil {
		return err
	}
	m, err := s.byID(c, "history", s.Minigroups.Read)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), databaseTimeout)
	defer cancel()
	entries, err := s.History.History(ctx, m.ID, before, limit+1)
	if err != nil {
		return fmt.Errorf("read the history of %s: %w", m.ID, err)
	}
	page := historyObject{Entries: []historyEntryObject{}}
	for i, e := range entries {
		if i == limit {
			page.Next = encodeCursor(entries[limit-1].Number)
			break
		}
		page.Entries = append(page.Entries, s.toHistoryEntry(m, e))
	}
	if before == 0 {
		page.Waiting, page.WaitingUnknown = s.waitingFor(c, m)
	}
	return reply(c, http.StatusOK, page)
}

func (s *server) toHistoryEntry(m minigroup.Minigroup, e minigroup.HistoryEntry) historyEntryObject {
	o := historyEntryObject{
		Kind: string(e.Kind), At: e.At.Unix(), RunID: e.Run, Details: e.Details, Erased: e.Erased,
		By: requesterObject{
			Kind: "service", Label: e.By.Account.Label, Audience: e.By.Account.Audience, Operator: e.By.Operator,
			Reason: e.By.Reason, RequestID: e.By.RequestID, TraceID: e.By.TraceID,
		},
	}
	switch {
	case e.By.Account != (minigroup.Account{}):
		o.By.Kind = "account"
	case e.By.Operator != "":
		o.By.Kind = "operator"
	}
	if links := (linksObject{Run: s.RunLink(m, e.Run), Trace: s.TraceLink(e.By.TraceID)}); links != (linksObject{}) {
		o.Links = &links
	}
	return o
}

// decodePage decodes the parameters cursor and limit of a page. Other parameters are ignored. Its error lists every
// invalid parameter.
func decodePage(query string) (before int64, limit int, err error) {
	d := &decoder{}
	values, err := url.ParseQuery(query)
	if err != nil {
		d.fail("query", "must be name=value pairs separated by &, percent-encoded")
		return 0, 0, d.finish(nil)
	}
	limit = defaultPage
	if text := values.Get("limit"); text != "" {
		var problem string
		if limit, problem = toLimit(text); problem != "" {
			d.fail("limit", problem)
		}
	}
	if text := values.Get("cursor"); text != "" {
		var known bool
		if before, known = decodeCursor(text); !known {
			d.fail("cursor", "must be the next of another page")
		}
	}
	return before, limit, d.finish(nil)
}

// A cursor is opaque to callers: it is the number of the last entry of a page.

func encodeCursor(number int64) string {
	return base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, number, 36))
}

func decodeCursor(text string) (number int64, ok bool) {
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return 0, false
	}
	number, err = strconv.ParseInt(string(decoded), 36, 64)
	return number, err == nil && number > 0 && encodeCursor(number) == text
}
