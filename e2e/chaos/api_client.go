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
	answerLimit = (load.Wait + 13) * time.Second
	// patience is how long a client waits for an answer before it gives up.
	clientTimeout = 45 * time.Second
)

// desk sends requests to the APIs, judges how they are answered, and counts.
type apiClient struct {
	system *system
	client *http.Client

	mu         sync.Mutex
	answers    map[string]int // method and answer
	violations []string
	longest    time.Duration
	// unread is since when reads go unanswered; zero while they are answered.
	readsDownSince    time.Time
	longestReadOutage time.Duration
}

func newAPIClient(w *system) *apiClient {
	// Connections are not kept, so that none is found dead after an API was killed.
	return &apiClient{system: w, client: &http.Client{Timeout: clientTimeout, Transport: &http.Transport{DisableKeepAlives: true}}, answers: map[string]int{}}
}

// Send sends a request to one of the APIs and returns what came of it.
func (d *apiClient) Send(ctx context.Context, api int, method, path string, body any, headers ...string) load.Answer {
	from := time.Now()
	a, err := load.Exchange(ctx, d.client, d.system.token, method, d.system.apiURLs[api]+path, body, headers...)
	d.judge(api, method+" "+path, method, from, time.Now(), a, err)
	return a
}

// judge notes what the promises forbid: no answer, or a late one, from an API that was neither killed nor frozen meanwhile;
// a read that failed although that API and Postgres were well.
func (d *apiClient) judge(api int, request, method string, from, to time.Time, a load.Answer, err error) {
	if method == http.MethodGet {
		d.trackReads(to, a.Code != 0 && a.Code < 500)
	}
	d.mu.Lock()
	d.answers[method+" "+a.Summary()]++
	d.mu.Unlock()
	name := d.system.apis[api].Name()
	if len(d.system.faults.During(name, from, to)) > 0 {
		return
	}
	d.mu.Lock()
	d.longest = max(d.longest, to.Sub(from))
	d.mu.Unlock()
	switch {
	case err != nil:
		d.AddViolation(from, "%s to %s got no answer: %v", request, name, err)
	case to.Sub(from) > answerLimit:
		d.AddViolation(from, "%s to %s was answered after %s", request, name, to.Sub(from))
	case method == http.MethodGet && a.Code >= 500 && !d.postgresUnreachable(name, from, to):
		d.AddViolation(from, "%s to %s was answered %s", request, name, a.Text)
	}
}

// blind reports whether an API could not reach Postgres at some moment of a time.
func (d *apiClient) postgresUnreachable(api string, from, to time.Time) bool {
	return len(d.system.faults.During("postgres", from, to)) > 0 || len(d.system.faults.During(api+" to postgres", from, to)) > 0
}

// see keeps how long reads have been unavailable, from whichever API.
func (d *apiClient) trackReads(at time.Time, answered bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case answered && !d.readsDownSince.IsZero():
		d.longestReadOutage = max(d.longestReadOutage, at.Sub(d.readsDownSince))
		d.readsDownSince = time.Time{}
	case !answered && d.readsDownSince.IsZero():
		d.readsDownSince = at
	}
}

// Violate notes a broken promise, and what was done to the world around that time.
func (d *apiClient) AddViolation(at time.Time, format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text := fmt.Sprintf("%.1fs: ", at.Sub(d.system.faults.Begun).Seconds()) + fmt.Sprintf(format, args...)
	for _, f := range d.system.faults.Around(at.Add(-3*time.Second), at.Add(3*time.Second)) {
		text += "\n        " + f
	}
	d.violations = append(d.violations, text)
}
