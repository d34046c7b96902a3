package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/auth"
	"minigroups/minigroup"
)

const listPath = "/api/v1/audiences/example.org/minigroups"

// ListMinigroups implements List. It returns what the test has set.
func (w *world) ListMinigroups(
	_ context.Context, f minigroup.ListFilter, after *minigroup.ListPosition, limit int,
) (minigroup.ListPage, error) {
	if w.onList != nil {
		w.onList()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = []any{f, after, limit}
	return w.list, w.readErr
}

// CountMinigroups implements List, too.
func (w *world) CountMinigroups(context.Context, string) (minigroup.StatusCounts, error) {
	return w.counts, w.readErr
}

// wantAsked checks the filter, the position and the limit of the last list.
func (w *world) wantAsked(t *testing.T, f minigroup.ListFilter, after *minigroup.ListPosition, limit int) {
	t.Helper()
	f.Audience = "example.org"
	if want := []any{f, after, limit}; !reflect.DeepEqual(w.asked, want) {
		t.Errorf("asked for %+v, want %+v", w.asked, want)
	}
}

func TestList(t *testing.T) {
	t.Run("an item is what a read returns, and when it changed", func(t *testing.T) {
		w := newWorld(t)
		m, failed := filled(), filled()
		m.Fingerprint, m.Run = "fingerprint-1", "run-1"
		failed.State, failed.EventRoomID, failed.ConferenceRoomID = minigroup.Failed, uuid.Nil, uuid.Nil
		failed.Failure = &minigroup.Failure{Kind: minigroup.UpstreamRefused, Upstream: "event", FailedAt: time.Unix(9, 0)}
		w.list.Minigroups = []minigroup.ListedMinigroup{
			{Minigroup: m, ChangedAt: time.Unix(1795472999, 0)},
			{Minigroup: failed, ChangedAt: time.Unix(1795472000, 0), NeedsAttention: true},
		}
		a := w.call(t, http.MethodGet, listPath, "").wantStatus(http.StatusOK).wantHeader("Cache-Control", "no-store")
		items, _ := a.body["minigroups"].([]any)
		if len(items) != 2 || a.body["next"] != nil || a.body["counts"] != nil {
			t.Fatal(a.text)
		}
		for i, m := range []minigroup.Minigroup{m, failed} {
			w.put(m)
			want := w.call(t, http.MethodGet, minigroups+"/"+m.ID.String(), "").wantStatus(http.StatusOK).body
			want["changed_at"], want["needs_attention"] = float64(w.list.Minigroups[i].ChangedAt.Unix()), i == 1
			if !reflect.DeepEqual(items[i], any(want)) {
				t.Errorf("got  %v\nwant %v", items[i], want)
			}
		}
		for _, hidden := range []string{m.Fingerprint, m.Run, string(m.Properties)} {
			if strings.Contains(a.text, hidden) {
				t.Errorf("it shows %s: %s", hidden, a.text)
			}
		}
		w.wantAsked(t, minigroup.ListFilter{}, nil, defaultPage)
	})
	t.Run("nothing is an empty list", func(t *testing.T) {
		if a := newWorld(t).call(t, http.MethodGet, listPath, ""); strings.TrimSpace(a.text) != `{"minigroups":[]}` {
			t.Error(a.text)
		}
	})
	t.Run("every filter", func(t *testing.T) {
		w, room := newWorld(t), uuid.New()
		w.call(t, http.MethodGet, listPath+"?status=real-time&scope_prefix=%D0%B6%2F%25&host=h&time_from=5&time_until=6"+
			"&created_since=7&changed_since=8&room_id="+room.String()+"&request_id=a/b&needs_attention=true&limit=200&cursor=",
			"").wantStatus(http.StatusOK)
		w.wantAsked(t, minigroup.ListFilter{
			Status: minigroup.StatusRealTime, ScopePrefix: "ж/%", Host: "h",
			Time:         minigroup.Window{Start: new(int64(5)), End: new(int64(6))},
			CreatedSince: time.Unix(7, 0), ChangedSince: time.Unix(8, 0), RoomID: room, RequestID: "a/b", NeedsAttention: true,
		}, nil, 200)
	})
	t.Run("one side of a time, the first and the last second", func(t *testing.T) {
		for query, want := range map[string]minigroup.Window{
			"time_from=0":             {Start: new(int64(0))},
			"time_until=253402300799": {End: new(minigroup.MaxSecond)},
		} {
			w := newWorld(t)
			w.call(t, http.MethodGet, listPath+"?"+query, "").wantStatus(http.StatusOK)
			w.wantAsked(t, minigroup.ListFilter{Time: want}, nil, defaultPage)
		}
	})
	t.Run("the next page goes on where the page ended", func(t *testing.T) {
		w := newWorld(t)
		w.list.Next = &minigroup.ListPosition{CreatedAt: time.UnixMicro(1795472814123457), ID: uuid.New()}
		next, _ := w.call(t, http.MethodGet, listPath, "").wantStatus(http.StatusOK).body["next"].(string)
		w.call(t, http.MethodGet, listPath+"?limit=7&cursor="+next, "").wantStatus(http.StatusOK)
		w.wantAsked(t, minigroup.ListFilter{}, w.list.Next, 7)
	})
	t.Run("the first and the last position", func(t *testing.T) {
		for _, at := range []time.Time{time.UnixMicro(0), time.Unix(minigroup.MaxSecond, 999_999_000)} {
			w := newWorld(t)
			w.list.Next = &minigroup.ListPosition{CreatedAt: at, ID: uuid.New()}
			next, _ := w.call(t, http.MethodGet, listPath, "").wantStatus(http.StatusOK).body["next"].(string)
			w.call(t, http.MethodGet, listPath+"?cursor="+next, "").wantStatus(http.StatusOK)
			w.wantAsked(t, minigroup.ListFilter{}, w.list.Next, defaultPage)
		}
	})
	t.Run("counts on request", func(t *testing.T) {
		w := newWorld(t)
		w.counts = minigroup.StatusCounts{Creating: 1, RealTime: 1000, Failed: 3, NeedsAttention: 4}
		a := w.call(t, http.MethodGet, listPath+"?counts=true", "").wantStatus(http.StatusOK)
		want := map[string]any{"creating": 1.0, "real-time": 1000.0, "failed": 3.0, "needs_attention": 4.0}
		if !reflect.DeepEqual(a.body["counts"], any(want)) {
			t.Error(a.text)
		}
	})
	t.Run("a token in the query is no filter", func(t *testing.T) {
		w := newWorld(t)
		w.call(t, http.MethodGet, listPath+"?access_token="+w.token, "", "Authorization", "").wantStatus(http.StatusOK)
	})
	t.Run("a database that is away is unavailable", func(t *testing.T) {
		w := newWorld(t)
		w.readErr = errors.New("away")
		w.call(t, http.MethodGet, listPath, "").wantProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable)
	})
}

func TestInvalidParametersOfAListAreNamed(t *testing.T) {
	w := newWorld(t)
	for query, field := range map[string]string{
		"status=undoing": "status", "status=": "status", "scope_prefix=": "scope_prefix", "scope_prefix=%00": "scope_prefix",
		"scope_prefix=cafe%CC%81": "scope_prefix", "host=": "host", "host=%FF": "host", "time_from=x": "time_from",
		"time_from=-1": "time_from", "time_until=253402300800": "time_until", "time_from=2&time_until=2": "time_until",
		"created_since=1.5": "created_since", "changed_since=": "changed_since", "room_id=1": "room_id",
		"room_id=00000000-0000-0000-0000-000000000000":   "room_id",
		"room_id={5dd1ed50-49ec-5ccb-abca-13a7bb19e62f}": "room_id", "request_id=a%20b": "request_id",
		"request_id=": "request_id", "needs_attention=false": "needs_attention", "counts=1": "counts", "limit=0": "limit",
		"limit=201": "limit", "limit=": "limit", "cursor=x": "cursor", "cursor=" + strings.Repeat("_", 32): "cursor",
		"state=failed": "state", "Status=failed": "Status", "host=a&host=b": "host", "%": "query",
		"audience=a": "audience", "class_keys[]=a": "class_keys[]",
	} {
		a := w.call(t, http.MethodGet, listPath+"?"+query, "").wantProblem(http.StatusBadRequest, minigroup.InvalidPayload)
		if problems, _ := a.body["errors"].([]any); len(problems) != 1 || !strings.Contains(a.text, `"field":"`+field+`"`) {
			t.Errorf("%s: %s", query, a.text)
		}
	}
	a := w.call(t, http.MethodGet, listPath+"?limit=x&host=&b=1", "")
	if problems, _ := a.body["errors"].([]any); len(problems) != 3 {
		t.Errorf("not all are listed: %s", a.text)
	}
	if w.asked != nil {
		t.Errorf("it listed %v", w.asked)
	}
}

// TestTheRightToList is that of the audience, under each kind of policy.
func TestTheRightToList(t *testing.T) {
	list := func(policy auth.Policy) string {
		w := newWorld(t, func(d *Deps) { d.Authorizer = newAuthorizer(t, policy) })
		a := w.call(t, http.MethodGet, listPath, "")
		return fmt.Sprint(a.status, len(w.asked))
	}
	record := func(action string, object ...string) auth.Policy {
		return auth.Policy{Kind: auth.PolicyLocalWhitelist, Records: []auth.Record{
			{Subject: "teacher.example.org", Object: object, Action: action},
		}}
	}
	trusting := func(account string) auth.Policy {
		return auth.Policy{Kind: auth.PolicyLocal, Trusted: []string{account}}
	}
	for name, c := range map[string]struct {
		policy  auth.Policy
		allowed bool
	}{
		"no policy":             {policy: auth.Policy{Kind: auth.PolicyNone}, allowed: true},
		"trusted":               {policy: trusting("teacher.example.org"), allowed: true},
		"another is trusted":    {policy: trusting("pupil.example.org")},
		"listed":                {policy: record("list", "classrooms"), allowed: true},
		"listed for another":    {policy: record("read", "classrooms")},
		"listed for one of all": {policy: record("list", "classrooms", filled().ID.String())},
	} {
		want := "403 0"
		if c.allowed {
			want = "200 3"
		}
		if got := list(c.policy); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	w := newWorld(t)
	for audience, want := range map[string]int{
		"open.example": http.StatusOK, "unknown.example": http.StatusForbidden,
		"away.example": http.StatusUnprocessableEntity, "%00": http.StatusForbidden,
	} {
		path := strings.Replace(listPath, "example.org", audience, 1)
		w.call(t, http.MethodGet, path, "").wantStatus(want)
	}
}

// TestMoreListsThanAreReadConcurrently sends one more list than may wait while another one is read.
func TestMoreListsThanAreReadConcurrently(t *testing.T) {
	w := newWorld(t, func(d *Deps) { d.MaxConcurrentLists = 1 })
	answers := make(chan response, maxWaitingLists+1)
	var once sync.Once
	w.onList = func() {
		once.Do(func() {
			for range cap(answers) {
				go func() { answers <- w.call(t, http.MethodGet, listPath, "") }()
			}
			first := <-answers // the others wait
			first.wantProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable).wantHeader("Retry-After", "1")
			w.call(t, http.MethodGet, minigroups+"/"+uuid.NewString(), "").wantStatus(http.StatusNotFound)
		})
	}
	w.call(t, http.MethodGet, listPath, "").wantStatus(http.StatusOK)
	for range maxWaitingLists {
		(<-answers).wantStatus(http.StatusOK)
	}
}
