package ops

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"minigroups/cmd/internal/process"
	"minigroups/minigroup"
)

// historyInfo is an entry of the history of a class.
type historyInfo struct {
	At        time.Time             `json:"at"`
	Kind      minigroup.HistoryKind `json:"kind"`
	By        string                `json:"by"`
	Reason    string                `json:"reason,omitempty"`
	RequestID string                `json:"request_id,omitempty"`
	TraceID   string                `json:"trace_id,omitempty"`
	RunID     string                `json:"run_id,omitempty"`
	Details   json.RawMessage       `json:"details"`
	Erased    bool                  `json:"erased"`
	RunLink   string                `json:"run_link,omitempty"`
	TraceLink string                `json:"trace_link,omitempty"`
}

func (a *app) newHistoryInfo(m minigroup.Minigroup, e minigroup.HistoryEntry) historyInfo {
	by := "service"
	switch account := e.By.Account; {
	case account != (minigroup.Account{}):
		by = "account " + cmp.Or(account.Label, "(erased)") + "." + account.Audience
	case e.By.Operator != "":
		by = "operator " + e.By.Operator
	}
	return historyInfo{
		At: e.At.UTC(), Kind: e.Kind, By: by, Reason: e.By.Reason, RequestID: e.By.RequestID, TraceID: e.By.TraceID,
		RunID: e.Run, Details: e.Details, Erased: e.Erased,
		RunLink: process.RunLink(a.cfg, m, e.Run), TraceLink: process.TraceLink(a.cfg, e.By.TraceID),
	}
}

// moment is one line of the timeline of a class.
type moment struct {
	at                     time.Time
	what, by, run, details string
}

// timeline merges everything that is known of a class, the earliest first.
func (r minigroupReport) timeline() []moment {
	var all []moment
	told := map[string]bool{} // the updates that the history tells
	for _, h := range slices.Backward(r.History) {
		details := describeDetails(h.Details)
		if h.Reason != "" {
			details = strings.TrimSpace(fmt.Sprintf("%q %s", h.Reason, details))
		}
		all = append(all, moment{
			at: h.At, what: strings.ReplaceAll(string(h.Kind), "_", " "), by: h.By, run: h.RunID, details: details,
		})
		var update struct {
			ID string `json:"update_id"`
		}
		if json.Unmarshal(h.Details, &update) == nil {
			told[update.ID] = true
		}
	}
	for _, a := range r.Attempts {
		details := strings.TrimSpace(fmt.Sprintf("%s %s %s", a.State, formatID(a.RoomID), a.Resolution))
		all = append(all, moment{
			at: a.SentAt, what: fmt.Sprintf("%s room requested", a.Service), run: a.RunID, details: details,
		})
	}
	for _, s := range r.Reservations {
		all = append(all, moment{
			at: s.CreatedAt, what: fmt.Sprintf("%d slots reserved", s.Slots),
			details: fmt.Sprintf("%s on %s, from %s to %s", s.State, s.Backend, formatBound(s.Start), formatBound(s.End)),
		})
	}
	for _, u := range r.Updates {
		if !told[u.ID.String()] {
			all = append(all, u.moments()...)
		}
	}
	for _, run := range r.Runs {
		all = append(all, moment{at: run.Started, what: "run started", run: run.RunID, details: run.Type})
		if !run.Closed.IsZero() {
			all = append(all, moment{at: run.Closed, what: "run ended", run: run.RunID, details: run.Status})
		}
	}
	slices.SortStableFunc(all, func(a, b moment) int { return a.at.Compare(b.at) })
	return all
}

func (u updateInfo) moments() []moment {
	moments := []moment{{at: u.RequestedAt, what: u.Operation + " requested", run: u.RunID}}
	if u.DecidedAt.IsZero() {
		return moments
	}
	details := ""
	if u.Failure != nil {
		details = u.Failure.cause() + ": " + u.Failure.Detail
	}
	return append(moments, moment{
		at: u.DecidedAt, what: u.Operation + " " + string(u.State), run: u.RunID, details: details,
	})
}

// describeDetails describes the details of an entry of the history in one line.
func describeDetails(raw json.RawMessage) string {
	var details map[string]any
	if json.Unmarshal(raw, &details) != nil {
		return string(raw)
	}
	var parts []string
	if before, ok := details["old"].(map[string]any); ok {
		after, _ := details["new"].(map[string]any)
		for _, field := range slices.Sorted(maps.Keys(after)) {
			if was, is := describeValue(before[field]), describeValue(after[field]); was != is {
				parts = append(parts, fmt.Sprintf("%s: %s to %s", field, was, is))
			}
		}
		delete(details, "old")
		delete(details, "new")
	}
	for _, field := range slices.Sorted(maps.Keys(details)) {
		parts = append(parts, strings.ReplaceAll(field, "_", " ")+": "+describeValue(details[field]))
	}
	return strings.Join(parts, ", ")
}

// describeValue describes a value of the details: a window as two times, an object by its members.
func describeValue(value any) string {
	switch v := value.(type) {
	case nil:
		return "none"
	case float64:
		return fmt.Sprintf("%.0f", v)
	case []any:
		if len(v) == 2 {
			return describeBound(v[0]) + "/" + describeBound(v[1])
		}
		return fmt.Sprint(v)
	case map[string]any:
		var parts []string
		for _, member := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, member+"="+describeValue(v[member]))
		}
		return strings.Join(parts, " ")
	default:
		return fmt.Sprint(v)
	}
}

func describeBound(value any) string {
	if seconds, ok := value.(float64); ok {
		return formatTime(time.Unix(int64(seconds), 0))
	}
	return "unbounded"
}
