package httpapi

import (
	"context"
	"net/http"
	"testing"
	"time"

	"minigroups/minigroup"
)

func TestWait(t *testing.T) {
	for name, c := range map[string]struct {
		prefer  []string
		wait    time.Duration
		applied string
	}{
		"15 s by default":      {nil, 15 * time.Second, ""},
		"as requested":         {[]string{"wait=30"}, 30 * time.Second, "wait=30"},
		"0 with wait=0":        {[]string{"wait=0"}, 0, "wait=0"},
		"at most 60 s":         {[]string{"wait=3600"}, time.Minute, "wait=60"},
		"0 with respond-async": {[]string{"respond-async"}, 0, "respond-async"},
		"both": {
			[]string{"respond-async, wait=5"}, 5 * time.Second, "respond-async, wait=5",
		},
		"both in two headers": {
			[]string{"Wait = 5", "Respond-Async; foo=bar"}, 5 * time.Second, "respond-async, wait=5",
		},
		"a quoted value":                         {[]string{`wait="7"`}, 7 * time.Second, "wait=7"},
		"the first of two":                       {[]string{"wait=7, wait=8"}, 7 * time.Second, "wait=7"},
		"a negative wait is ignored":             {[]string{"wait=-1"}, 15 * time.Second, ""},
		"a wait that is not a number is ignored": {[]string{"wait=soon"}, 15 * time.Second, ""},
		"a wait without a value is ignored":      {[]string{"wait"}, 15 * time.Second, ""},
		"a number that is too large is ignored":  {[]string{"wait=99999999999999999999"}, 15 * time.Second, ""},
		"other preferences are ignored":          {[]string{"return=minimal, handling=strict"}, 15 * time.Second, ""},
		"commas and semicolons in quotes": {
			[]string{`foo="a,wait=3;b\",wait=2", wait="4"; x=";"`}, 4 * time.Second, "wait=4",
		},
		"the first of two, which is not a number": {[]string{"wait=x, wait=8"}, 15 * time.Second, ""},
		"an empty preference is ignored":          {[]string{", ,"}, 15 * time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var waited time.Duration
			create := w.create
			w.create = func(
				ctx context.Context, request minigroup.CreateRequest, wait time.Duration,
			) (minigroup.Minigroup, minigroup.Outcome, error) {
				waited = wait
				return create(ctx, request, wait)
			}
			var headers []string
			for _, prefer := range c.prefer {
				headers = append(headers, "Prefer", prefer)
			}
			w.call(t, http.MethodPost, minigroups, lesson, headers...).wantStatus(http.StatusCreated).
				wantHeader("Preference-Applied", c.applied)
			if waited != c.wait {
				t.Errorf("it waits %v, want %v", waited, c.wait)
			}
		})
	}
}
