package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/google/uuid"
)

// list reads the scopes of a page of the minigroups of example.org.
func list(t *testing.T, query url.Values) (scopes []string) {
	t.Helper()
	path := "/api/v1/audiences/example.org/minigroups?" + query.Encode()
	r := request(t, http.MethodGet, path, nil).want(t, http.StatusOK)
	var page struct {
		Minigroups []struct{ Scope string }
	}
	if err := json.Unmarshal([]byte(r.text), &page); err != nil {
		t.Fatal(err)
	}
	for _, m := range page.Minigroups {
		scopes = append(scopes, m.Scope)
	}
	return scopes
}

// TestAClassIsFound looks for a class by what support may know of it, while others exist.
func TestAClassIsFound(t *testing.T) {
	t.Parallel()
	c, other := newClass(t), newClass(t)
	requestID := uuid.NewString()
	o := c.post("X-Request-Id", requestID).want(t, http.StatusCreated)
	other.post().want(t, http.StatusCreated)
	for name, value := range map[string]string{
		"scope_prefix": c.scope, "request_id": requestID, "room_id": o.RealTime.ConferenceRoomID.String(),
	} {
		if found := list(t, url.Values{name: {value}}); !slices.Equal(found, []string{c.scope}) {
			t.Errorf("by %s: %q", name, found)
		}
	}
	both := list(t, url.Values{"scope_prefix": {t.Name()}, "status": {"real-time"}})
	if !slices.Equal(both, []string{other.scope, c.scope}) { // the latest created first
		t.Errorf("both: %q", both)
	}
	if none := list(t, url.Values{"scope_prefix": {t.Name()}, "status": {"failed"}}); len(none) != 0 {
		t.Errorf("failed: %q", none)
	}
}
