package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestAnAudienceWithUnfinishedCreatesStartsNoOther sends creates whose callers do not wait. It is not parallel, because
// the unfinished creates of other tests count.
func TestAnAudienceWithUnfinishedCreatesStartsNoOther(t *testing.T) {
	_, address := anotherAPI(t, "bounded-api", "MINIGROUPS_API__MAX_UNFINISHED=2")
	post := func(c *class) reply {
		t.Helper()
		r, err := sendTo(t.Context(), "http://"+address, http.MethodPost, "/api/v1/minigroups", c.body,
			"Prefer", "respond-async", "Idempotency-Key", c.id.String())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	var restore []func()
	var unfinished []*class
	for range 2 {
		c := newClass(t)
		restore = append(restore, c.setFault(sut.conference, createFails))
		c.postAsync()
		unfinished = append(unfinished, c)
	}
	refused := newClass(t)
	r := post(refused).want(t, http.StatusServiceUnavailable)
	if r.Type != "service_unavailable" || r.header.Get("Retry-After") == "" ||
		!strings.Contains(r.text, "nothing was done") {
		t.Errorf("got %v %s", r.header, r.text)
	}
	var rows, keys int
	const query = `
		SELECT (SELECT count(*) FROM minigroup WHERE id = $1), (SELECT count(*) FROM idempotency_key WHERE status IS NULL
			AND created_at > now() - interval '10 s')`
	if err := sut.db.QueryRow(t.Context(), query, refused.id).Scan(&rows, &keys); err != nil || rows+keys > 0 {
		t.Errorf("%d rows and %d keys were written, %v", rows, keys, err)
	}
	post(unfinished[0]).want(t, http.StatusAccepted)
	for i, c := range unfinished {
		restore[i]()
		c.awaitStatus("real-time")
	}
	eventually(t, func() error { // the count is read once a second
		if r := post(refused); r.code == http.StatusServiceUnavailable {
			return fmt.Errorf("%d %s", r.code, r.text)
		}
		return nil
	})
	refused.assertComplete(refused.awaitStatus("real-time").object)
}
