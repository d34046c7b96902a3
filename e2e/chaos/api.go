package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"minigroups/e2e/load"
)

const (
	// bound is how long an answer may take.
	bound = (load.Wait + 13) * time.Second
	// patience is how long a client waits for an answer before it gives up.
	patience = 45 * time.Second
)

// desk sends requests to the APIs, judges how they are answered, and counts.
type desk struct {
	w      *world
	client *http.Client

	mu         sync.Mutex
	answers    map[string]int // method and answer
	violations []string
	longest    time.Duration
	// unread is since when reads go unanswered; zero while they are answered.
	unread       time.Time
	longestBlind time.Duration
}

func newDesk(w *world) *desk {
	// Connections are not kept, so that none is found dead after an API was killed.
	return &desk{w: w, client: &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}, answers: map[string]int{}}
}

// Send sends a request to one of the APIs and returns what came of it.
func (d *desk) Send(ctx context.Context, api int, method, path string, body any, headers ...string) load.Answer {
	from := time.Now()
	a, err := load.Exchange(ctx, d.client, d.w.token, method, d.w.apiURLs[api]+path, body, headers...)
	d.judge(api, method+" "+path, method, from, time.Now(), a, err)
	return a
}

// judge notes what the promises forbid: no answer, or a late one, from an API that was neither killed nor frozen meanwhile;
// a read that failed although that API and Postgres were well.
func (d *desk) judge(api int, request, method string, from, to time.Time, a load.Answer, err error) {
	if method == http.MethodGet {
		d.see(to, a.Code != 0 && a.Code < 500)
	}
	d.mu.Lock()
	d.answers[method+" "+a.Word()]++
	d.mu.Unlock()
	name := d.w.apis[api].Name()
	if len(d.w.faults.During(name, from, to)) > 0 {
		return
	}
	d.mu.Lock()
	d.longest = max(d.longest, to.Sub(from))
	d.mu.Unlock()
	switch {
	case err != nil:
		d.Violate(from, "%s to %s got no answer: %v", request, name, err)
	case to.Sub(from) > bound:
		d.Violate(from, "%s to %s was answered after %s", request, name, to.Sub(from))
	case method == http.MethodGet && a.Code >= 500 && !d.blind(name, from, to):
		d.Violate(from, "%s to %s was answered %s", request, name, a.Text)
	}
}

// blind reports whether an API could not reach Postgres at some moment of a time.
func (d *desk) blind(api string, from, to time.Time) bool {
	return len(d.w.faults.During("postgres", from, to)) > 0 || len(d.w.faults.During(api+" to postgres", from, to)) > 0
}

// see keeps how long reads have been unavailable, from whichever API.
func (d *desk) see(at time.Time, answered bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case answered && !d.unread.IsZero():
		d.longestBlind = max(d.longestBlind, at.Sub(d.unread))
		d.unread = time.Time{}
	case !answered && d.unread.IsZero():
		d.unread = at
	}
}

// Violate notes a broken promise, and what was done to the world around that time.
func (d *desk) Violate(at time.Time, format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text := fmt.Sprintf("%.1fs: ", at.Sub(d.w.faults.Begun).Seconds()) + fmt.Sprintf(format, args...)
	for _, f := range d.w.faults.Around(at.Add(-3*time.Second), at.Add(3*time.Second)) {
		text += "\n        " + f
	}
	d.violations = append(d.violations, text)
}
