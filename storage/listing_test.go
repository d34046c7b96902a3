package storage_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/storage"
)

// listFilter is the filter of a list.
type listFilter = minigroup.ListFilter

// exerciseLists lists from every source.
func exerciseLists(l ledger) {
	for _, f := range []listFilter{
		{}, {Host: "h"}, {Status: minigroup.StatusCreating}, {Status: minigroup.StatusRealTime},
		{Status: minigroup.StatusFailed}, {ScopePrefix: "a"}, {ChangedSince: time.Now()}, {Time: running()},
		{RoomID: uuid.New()}, {RequestID: "request-1"}, {NeedsAttention: true},
	} {
		f.Audience = "example.org"
		_, err := l.ListMinigroups(l.Context(), f, nil, 10)
		l.must(err)
	}
	_, err := l.CountMinigroups(l.Context(), "example.org")
	l.must(err)
}

// listed lists all minigroups that a filter selects, two on a page, as their scopes.
func (l ledger) listed(f listFilter) string {
	l.Helper()
	var scopes []string
	l.eachPage(f, 2, func(m minigroup.ListedMinigroup) { scopes = append(scopes, m.Scope) })
	return strings.Join(scopes, " ")
}

// eachPage reads all pages and returns how many there are.
func (l ledger) eachPage(f listFilter, limit int, do func(minigroup.ListedMinigroup)) (pages int) {
	l.Helper()
	if f.Audience == "" {
		f.Audience = "example.org"
	}
	for after := (*minigroup.ListPosition)(nil); ; {
		page, err := l.ListMinigroups(l.Context(), f, after, limit)
		l.must(err)
		if len(page.Minigroups) > limit {
			l.Fatalf("a page has %d", len(page.Minigroups))
		}
		for _, m := range page.Minigroups {
			do(m)
		}
		pages++
		if after = page.Next; after == nil {
			return pages
		}
	}
}

// TestLists has one minigroup for each filter. Each was created an hour after the one before.
func TestLists(t *testing.T) {
	l := newLedger(t, 100)
	create := func(scope string, change func(*minigroup.Draft)) minigroup.Minigroup {
		d := named(scope)
		d.Time = hours(0, 1)
		if change != nil {
			change(&d)
		}
		return l.ready("run-1", d)
	}
	var rooms []uuid.UUID
	for _, m := range []minigroup.Minigroup{
		create("math-1", nil),
		create("math_2", func(d *minigroup.Draft) { d.Host = "other" }),
		create("мат-3", func(d *minigroup.Draft) { d.Time = hours(10, 11) }),
		create("endless", func(d *minigroup.Draft) { d.Time = hours(20, 0) }),
		create("foreign", func(d *minigroup.Draft) { d.Audience = "other.org" }),
	} {
		rooms = append(rooms, m.EventRoomID, m.ConferenceRoomID)
	}
	d := named("asked")
	d.Time = hours(0, 1)
	e := entry("run-1", d)
	e.RequestedBy = teacher
	l.begin(e)
	l.failed("example.org", "failed", minigroup.Failure{Kind: minigroup.UpstreamRefused, Upstream: "event"})
	begin := named("stuck")
	begin.Time = hours(0, 1)
	l.begin(entry("run-1", begin))
	m := create("updating", nil)
	l.accept(minigroup.Claim{Run: "run-2", Replaces: "run-1"}, m.ID, uuid.New(), "a.b.c")
	create("ended", func(d *minigroup.Draft) { d.Time = running() })
	create("past", func(d *minigroup.Draft) { d.Time = running() })
	order := []string{
		"math-1", "math_2", "мат-3", "endless", "foreign", "asked", "failed", "stuck", "updating", "ended", "past",
	}
	l.exec(`UPDATE minigroup SET during = (SELECT during FROM minigroup WHERE scope = 'math-1') WHERE scope = 'failed'`)
	l.exec(`UPDATE minigroup SET closed_at = now() WHERE scope = 'ended'`)
	l.exec(`UPDATE minigroup SET during = tstzrange(lower(during), now() - interval '1 s') WHERE scope = 'past'`)
	for i, scope := range order {
		l.exec(`UPDATE minigroup SET created_at = now() - $2 * interval '1 h' WHERE scope = $1`, scope, len(order)-i)
		if scope != "past" {
			l.exec(`UPDATE minigroup SET changed_at = now() - interval '1 h' WHERE scope = $1`, scope)
		}
	}
	l.exec(`UPDATE minigroup SET changed_at = now() WHERE scope = 'asked'`)
	l.exec(`UPDATE minigroup_update SET requested_at = now() - interval '1 h'`)
	all := "past ended updating stuck failed asked endless мат-3 math_2 math-1"
	window := func(from, to int64) listFilter { return listFilter{Time: hours(from, to)} }
	until := window(0, 5)
	until.Time.Start = nil
	const realTime = minigroup.StatusRealTime
	for name, c := range map[string]struct {
		filter listFilter
		want   string
	}{
		"all":                   {want: all},
		"another audience":      {filter: listFilter{Audience: "other.org"}, want: "foreign"},
		"unknown audience":      {filter: listFilter{Audience: "x"}},
		"creating":              {filter: listFilter{Status: minigroup.StatusCreating}, want: "stuck asked"},
		"real-time":             {filter: listFilter{Status: realTime}, want: "updating endless мат-3 math_2 math-1"},
		"closed":                {filter: listFilter{Status: minigroup.StatusClosed}, want: "past ended"},
		"failed":                {filter: listFilter{Status: minigroup.StatusFailed}, want: "failed"},
		"prefix":                {filter: listFilter{ScopePrefix: "math"}, want: "math_2 math-1"},
		"prefix is no pattern":  {filter: listFilter{ScopePrefix: "math_"}, want: "math_2"},
		"prefix, Cyrillic":      {filter: listFilter{ScopePrefix: "м"}, want: "мат-3"},
		"prefix, whole":         {filter: listFilter{ScopePrefix: "math-1"}, want: "math-1"},
		"prefix, nothing":       {filter: listFilter{ScopePrefix: "math-11"}},
		"host":                  {filter: listFilter{Host: "other"}, want: "math_2"},
		"window":                {filter: window(9, 12), want: "мат-3"},
		"window is half-open":   {filter: window(1, 10)},
		"window without an end": {filter: window(10, 0), want: "endless мат-3"},
		"window, no start":      {filter: until, want: "past ended updating stuck failed asked math_2 math-1"},
		"created":               {filter: listFilter{CreatedSince: time.Now().Add(-150 * time.Minute)}, want: "past ended"},
		"changed":               {filter: listFilter{ChangedSince: time.Now().Add(-30 * time.Minute)}, want: "past asked"},
		"event room":            {filter: listFilter{RoomID: rooms[0]}, want: "math-1"},
		"conference room":       {filter: listFilter{RoomID: rooms[3]}, want: "math_2"},
		"another's room":        {filter: listFilter{RoomID: rooms[9]}},
		"unknown room":          {filter: listFilter{RoomID: uuid.New()}},
		"request":               {filter: listFilter{RequestID: teacher.RequestID}, want: "asked"},
		"unknown request":       {filter: listFilter{RequestID: "x"}},
		"attention":             {filter: listFilter{NeedsAttention: true}, want: "updating stuck"},
		"several": {filter: listFilter{
			Status: minigroup.StatusRealTime, ScopePrefix: "math", Host: "h", Time: hours(0, 2),
		}, want: "math-1"},
		"attention and status": {filter: listFilter{NeedsAttention: true, Status: minigroup.StatusCreating}, want: "stuck"},
		"room and host":        {filter: listFilter{RoomID: rooms[0], Host: "other"}},
		"room and request":     {filter: listFilter{RoomID: rooms[0], RequestID: teacher.RequestID}},
		"request and attention": {
			filter: listFilter{RequestID: teacher.RequestID, NeedsAttention: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (ledger{t, l.Store, l.db}).listed(c.filter); got != c.want {
				t.Errorf("listed are %q, want %q", got, c.want)
			}
		})
	}
	t.Run("a minigroup is as it is read", func(t *testing.T) {
		now := time.Now()
		l.eachPage(listFilter{}, 3, func(m minigroup.ListedMinigroup) {
			if is := l.read(m.ID); !reflect.DeepEqual(m.Minigroup, is) {
				t.Errorf("listed as %+v, and read as %+v", m.Minigroup, is)
			}
			if want := m.Scope == "stuck" || m.Scope == "updating"; m.NeedsAttention != want {
				t.Errorf("%s needs attention: %t", m.Scope, m.NeedsAttention)
			}
			if changed := m.Scope == "past" || m.Scope == "asked"; changed != (now.Sub(m.ChangedAt) < 30*time.Minute) {
				t.Errorf("%s has changed at %s", m.Scope, m.ChangedAt)
			}
		})
	})
	t.Run("counts", func(t *testing.T) {
		counts, err := l.CountMinigroups(t.Context(), "example.org")
		l.must(err)
		if want := (minigroup.StatusCounts{Creating: 2, RealTime: 5, Failed: 1, NeedsAttention: 2}); counts != want {
			t.Errorf("got %+v, want %+v", counts, want)
		}
	})
}

func TestTheEndOfAPrefix(t *testing.T) {
	for prefix, want := range map[string]string{
		"":                      "",
		"math":                  "mati",
		"ma\U0010FFFF":          "mb",
		"ma\U0010FFFE":          "ma\U0010FFFF",
		"\U0010FFFF":            "\U0010FFFF",
		"é":                     "ê",
		"\uD7FF":                "\uE000",
		"\uD7FFa":               "\uD7FFb",
		"b\uD7FF":               "b\uE000",
		"b\U0010FFFF\U0010FFFF": "c",
	} {
		if got := storage.AfterPrefix(prefix); got != want {
			t.Errorf("%q: got %q, want %q", prefix, got, want)
		}
	}
}
