package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"minigroups/e2e/load"
)

const (
	// answerLimit is how long an answer may take.
	answerLimit = (load.Wait + 13) * time.Second
	// clientTimeout is how long a client waits for an answer.
	clientTimeout = 45 * time.Second
)

// apiClient sends requests to the APIs, judges the answers and counts them.
type apiClient struct {
	system *system
	client *http.Client

	mu         sync.Mutex
	answers    map[string]int // method and answer
	violations []string
	failed     []failedRead
	longest    time.Duration
	// readsDownSince is when reads stopped being answered; zero while they are answered.
	readsDownSince    time.Time
	longestReadOutage time.Duration
}

// failedRead is a read that was answered 5xx. Whether it may have been is judged at the end, when all faults are known.
type failedRead struct {
	request, api string
	from, to     time.Time
	answer       load.Answer
}

func newAPIClient(s *system) *apiClient {
	return &apiClient{
		system: s, answers: map[string]int{},
		// A kept connection would be broken after an API was killed.
		client: &http.Client{Timeout: clientTimeout, Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

// Send sends a request to one of the APIs. A request that is in progress when ctx ends is not judged.
func (c *apiClient) Send(ctx context.Context, api int, method, path string, body any, headers ...string) load.Answer {
	from := time.Now()
	answered, err := c.system.history.begin(method, path, body, headers)
	if err != nil {
		c.AddViolation(from, "%v", err)
		return load.Answer{}
	}
	a, err := load.Exchange(ctx, c.client, c.system.token, method, c.system.apiURLs[api]+path, body, headers...)
	answered(a, c.postgresUnreachable(c.system.apis[api].Name(), from.Add(-clientTimeout), time.Now()))
	if err == nil || ctx.Err() == nil {
		c.judge(api, method+" "+path, method, from, time.Now(), a, err)
	}
	return a
}

// misconfigured is the type of the problem that says that Temporal refuses requests permanently.
const misconfigured = "service_misconfigured"

// judge records violations: no answer or a late answer from an API without a fault meanwhile, a failed read although
// this API could reach Postgres, and a refusal by Temporal although it has its namespace.
func (c *apiClient) judge(api int, request, method string, from, to time.Time, a load.Answer, err error) {
	if method == http.MethodGet {
		c.trackReads(to, a.Code != 0 && a.Code < 500)
	}
	c.mu.Lock()
	c.answers[method+" "+a.Summary()]++
	c.mu.Unlock()
	name := c.system.apis[api].Name()
	if len(c.system.faults.During(name, from, to)) > 0 {
		return
	}
	c.mu.Lock()
	c.longest = max(c.longest, to.Sub(from))
	c.mu.Unlock()
	switch {
	case err != nil:
		c.AddViolation(from, "%s to %s got no answer: %v", request, name, err)
	case to.Sub(from) > answerLimit:
		c.AddViolation(from, "%s to %s was answered after %s", request, name, to.Sub(from))
	case method == http.MethodGet && a.Code >= 500:
		c.mu.Lock()
		c.failed = append(c.failed, failedRead{request: request, api: name, from: from, to: to, answer: a})
		c.mu.Unlock()
	case a.Type == misconfigured && !c.system.mayRefuse(from, to):
		c.AddViolation(from, "%s to %s was answered %s", request, name, a.Text)
	}
}

// Violations returns all violations, after the last request.
func (c *apiClient) Violations() []string {
	for _, r := range c.failed {
		if !c.postgresUnreachable(r.api, r.from, r.to) {
			c.AddViolation(r.from, "%s to %s was answered %s", r.request, r.api, r.answer.Text)
		}
	}
	c.failed = nil
	return c.violations
}

// postgresUnreachable reports whether an API could not reach Postgres at some time of a period.
func (c *apiClient) postgresUnreachable(api string, from, to time.Time) bool {
	if c.system.pooler != nil {
		from, to = from.Add(-poolerRetry), to.Add(poolerNoticed)
	}
	on := []string{"postgres", "pgbouncer", api + " to postgres"}
	return slices.ContainsFunc(on, func(name string) bool { return len(c.system.faults.During(name, from, to)) > 0 })
}

// trackReads records for how long no API answered reads.
func (c *apiClient) trackReads(at time.Time, answered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case answered && !c.readsDownSince.IsZero():
		c.longestReadOutage = max(c.longestReadOutage, at.Sub(c.readsDownSince))
		c.readsDownSince = time.Time{}
	case !answered && c.readsDownSince.IsZero():
		c.readsDownSince = at
	}
}

// AddViolation records a broken promise, with the faults around that time.
func (c *apiClient) AddViolation(at time.Time, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := fmt.Sprintf("%.1fs: ", at.Sub(c.system.faults.Begun).Seconds()) + fmt.Sprintf(format, args...)
	for _, f := range c.system.faults.Around(at.Add(-3*time.Second), at.Add(3*time.Second)) {
		text += "\n        " + f
	}
	c.violations = append(c.violations, text)
}
