package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// historyPage is a page of the history of a class in the API.
type historyPage struct {
	Entries []struct {
		Kind string `json:"kind"`
		By   struct {
			Kind, Label, Operator, Reason string
		} `json:"by"`
		RunID   string         `json:"run_id"`
		Details map[string]any `json:"details"`
		Erased  bool           `json:"erased"`
		Links   struct{ Run string }
	} `json:"entries"`
	Next string `json:"next"`
}

// history reads the history of a class, two entries at a time, the earliest first, each as its kind and its requester.
func (c *class) history() (entries []string) {
	c.t.Helper()
	for cursor := ""; ; {
		r := request(c.t, http.MethodGet, c.path()+"/history?limit=2&cursor="+cursor, nil).want(c.t, http.StatusOK)
		var page historyPage
		if err := json.Unmarshal([]byte(r.text), &page); err != nil {
			c.t.Fatal(err)
		}
		for _, e := range page.Entries {
			who := strings.Join(strings.Fields(fmt.Sprint(e.By.Kind, " ", e.By.Label, " ", e.By.Operator)), " ")
			entries = append(entries, e.Kind+" by "+who)
		}
		if cursor = page.Next; cursor == "" {
			slices.Reverse(entries)
			return entries
		}
	}
}

// TestTheHistoryOfAClass cancels a create, retries it, changes and ends the class, and erases its personal data.
func TestTheHistoryOfAClass(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	restore := c.setFault(sut.conference, createFails)
	c.postAsync()
	c.awaitEventRoom()
	c.awaitRetryOf("CreateConferenceRoom")
	cancel := func() reply {
		return request(t, http.MethodPost, c.path()+"/cancel", map[string]any{"reason": "the teacher has called"})
	}
	if r := cancel().want(t, http.StatusOK); r.Status != "failed" || r.Failure.Type != "operation_cancelled" {
		t.Fatalf("got %s", r.text)
	}
	c.assertNothingLeft()
	if r := cancel().want(t, http.StatusOK); r.Status != "failed" {
		t.Fatalf("again: %s", r.text)
	}
	restore()
	ops(t, nil, "retry", c.id.String(), "--reason", "conference is back", "--operator", "ada").want(t, 0, "ready")
	c.put(map[string]any{"reserve": 9}).want(t, http.StatusOK)
	erase := func() reply { return request(t, http.MethodDelete, c.path()+"/personal-data", nil) }
	if r := erase().want(t, http.StatusConflict); r.Type != "minigroup_not_closed" {
		t.Fatalf("got %s", r.text)
	}
	now := time.Now().Unix()
	c.put(window(now-60, now-1)).want(t, http.StatusOK)
	teacher := "account " + "dev"
	want := []string{
		"create_requested by " + teacher, "cancel_requested by " + teacher, "undo_begun by " + teacher,
		"create_failed by " + teacher, "create_retried by operator ada", "create_done by operator ada",
		"update_requested by " + teacher, "update_done by " + teacher, "update_requested by " + teacher,
		"update_done by " + teacher, "ended by " + teacher,
	}
	// How often conference is asked before the cancel is a matter of time.
	asked := func(entries []string) []string {
		return slices.DeleteFunc(entries, func(e string) bool { return strings.HasPrefix(e, "room_") })
	}
	if got := asked(c.history()); !slices.Equal(got, want) {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
	ops(t, nil, "show", c.id.String()).want(t, 0, "operator ada", `"conference is back"`, `"the teacher has called"`,
		"reserve: 8 to 9", "conference room requested", "9 slots reserved")
	erase().want(t, http.StatusNoContent)
	erase().want(t, http.StatusNoContent)
	if r := c.get(); r.Host != "" || r.Status != "closed" || strings.Contains(r.text, "lesson") {
		t.Fatalf("got %s", r.text)
	}
	for i, e := range want {
		want[i] = strings.Replace(e, teacher, "account", 1)
	}
	if got := asked(c.history()); !slices.Equal(got, append(want, "personal_data_erased by "+teacher)) {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
	c.recreate(map[string]any{}).want(t, http.StatusConflict)
	ops(t, nil, "erase", c.id.String(), "--yes").want(t, 0, "true")
}
