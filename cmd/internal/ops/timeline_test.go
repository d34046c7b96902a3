package ops

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"minigroups/config"
	"minigroups/minigroup"
)

// TestTheTimelineHasEverythingInOneOrder has one of each.
func TestTheTimelineHasEverythingInOneOrder(t *testing.T) {
	at := func(second int64) time.Time { return time.Unix(1795472800+second, 0).UTC() }
	told, untold := uuid.New(), uuid.New()
	r := minigroupReport{
		Temporal: "ok",
		History: []historyInfo{
			{At: at(9), Kind: "ended", By: "service", Details: json.RawMessage(`{"cause":"room_closed","timed_out":true}`)},
			{At: at(8), Kind: "update_done", By: "account teacher.example.org", RunID: "run-2", Details: json.RawMessage(
				`{"update_id":"` + told.String() + `","old":{"host":"a","time":[1,null],"reserve":null},` +
					`"new":{"host":"a","time":[null,2],"reserve":3}}`)},
			{At: at(2), Kind: "create_requested", By: "operator ada", Reason: "why", RunID: "run-1",
				Details: json.RawMessage(`{"host":"a"}`)},
		},
		Attempts:     []attemptInfo{{Service: "event", State: "held", SentAt: at(3), RunID: "run-1"}},
		Reservations: []reservationInfo{{Backend: "janus-1", State: "held", Slots: 8, CreatedAt: at(4)}},
		Updates: []updateInfo{
			{ID: told, Operation: "update", State: "done", RequestedAt: at(7), DecidedAt: at(8)},
			{
				ID: untold, Operation: "repair", State: "failed", RequestedAt: at(5), DecidedAt: at(6),
				Failure: &failureInfo{Reason: "upstream_refused", Upstream: "conference", Detail: "no"},
			},
		},
		Runs: []*runInfo{{RunID: "run-1", Type: "CreateMinigroup", Status: "completed", Started: at(1), Closed: at(10)}},
	}
	var out bytes.Buffer
	table := &table{tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)}
	r.writeTimeline(table)
	_ = table.Flush()
	var lines []string
	for line := range strings.Lines(out.String()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"", "AT WHAT BY RUN DETAILS",
		"2026-11-23T22:26:41Z run started - run-1 CreateMinigroup",
		`2026-11-23T22:26:42Z create requested operator ada run-1 "why" host: a`,
		"2026-11-23T22:26:43Z event room requested - run-1 held",
		"2026-11-23T22:26:44Z 8 slots reserved - - held on janus-1, from unbounded to unbounded",
		"2026-11-23T22:26:45Z repair requested - - -",
		"2026-11-23T22:26:46Z repair failed - - upstream_refused conference: no",
		"2026-11-23T22:26:48Z update done account teacher.example.org run-2 reserve: none to 3, " +
			"time: 1970-01-01T00:00:01Z/unbounded to unbounded/1970-01-01T00:00:02Z, update id: " + told.String(),
		"2026-11-23T22:26:49Z ended service - cause: room_closed, timed out: true",
		"2026-11-23T22:26:50Z run ended - run-1 completed",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestHistoryHasLinks(t *testing.T) {
	a := app{cfg: config.Default()}
	a.cfg.Links = config.Links{TemporalUI: "http://ui", Traces: "http://traces/{id}"}
	m := minigroup.Minigroup{Draft: minigroup.Draft{Audience: "a", Scope: "s"}}
	h := a.newHistoryInfo(m, minigroup.HistoryEntry{
		Run: "run-1", By: minigroup.Requester{Account: minigroup.Account{Audience: "example.org"}, TraceID: "t"},
	})
	if !strings.HasPrefix(h.RunLink, "http://ui/") || h.TraceLink != "http://traces/t" ||
		h.By != "account (erased).example.org" {
		t.Errorf("got %+v", h)
	}
}
