package e2e

import (
	"maps"
	"net/http"
	"strings"
	"testing"
)

func TestFrontendRequestsOfAClass(t *testing.T) {
	c := newClass(t)
	c.body["locked_questions"] = true
	c.body["properties"] = map[string]any{"theme": "dark"}
	r := c.post().want(t, http.StatusCreated)
	c.assertComplete(r.object)

	t.Run("chat and questions are locked", func(t *testing.T) {
		want := map[string]bool{"message": true, "reaction": true, "question": true, "question_reaction": true}
		if room := c.openRooms(sut.event)[0]; !maps.Equal(room.LockedTypes, want) {
			t.Errorf("locked are %v", room.LockedTypes)
		}
	})
	t.Run("properties are kept, and outlive an update", func(t *testing.T) {
		layout, filters := map[string]any{"columns": []int{2}}, map[string]any{"blur": 1}
		request(t, http.MethodPut, c.path()+"/properties/layout", layout).want(t, http.StatusOK)
		request(t, http.MethodPut, "/api/v1/account/properties/filters", filters).want(t, http.StatusOK)
		c.put(window(c.start+60, c.start+7200)).want(t, http.StatusOK)
		keys := "?class_keys[]=theme&class_keys[]=layout&account_keys%5B%5D=filters"
		for _, path := range []string{c.path(), c.byScope()} {
			got := request(t, http.MethodGet, path+keys, nil).want(t, http.StatusOK).text
			const want = `"properties":{"layout":{"columns":[2]},"theme":"dark"},"account_properties":{"filters":{"blur":1}}`
			if !strings.Contains(got, want) {
				t.Errorf("got %s, want %s in it", got, want)
			}
		}
		got := request(t, http.MethodGet, c.path()+"/properties/layout", nil).want(t, http.StatusOK).text
		if got != "{\"columns\":[2]}\n" {
			t.Errorf("the property is %s", got)
		}
	})
	t.Run("events and whiteboards reach event, and its refusals are returned", func(t *testing.T) {
		message := map[string]any{"type": "message", "data": map[string]any{"text": "hello"}}
		for path, body := range map[string]any{"/events": message, "/whiteboard": nil} {
			if got := request(t, http.MethodPost, c.path()+path, body).want(t, http.StatusCreated).text; got != "{}\n" {
				t.Errorf("%s answers %s", path, got)
			}
		}
		refused := request(t, http.MethodPost, c.path()+"/events", map[string]any{"nonsense": 1})
		refused.want(t, http.StatusUnprocessableEntity)
		if refused.Type != "upstream_refused" || refused.Upstream == nil || refused.Upstream.Name != "event" {
			t.Errorf("got %s", refused.text)
		}
	})
}
