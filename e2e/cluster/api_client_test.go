package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"minigroups/e2e/load"
)

// clientTimeout is how long a client waits for an answer.
const clientTimeout = 45 * time.Second

// apiClient sends requests of the load and counts the answers.
type apiClient struct {
	client *http.Client
	// attempts is how many APIs a client tries, one after the other, while retryReason gives a reason.
	attempts int
	// judge returns what is wrong with the last answer; empty if nothing is.
	judge func(method string, from time.Time, a load.Answer) string

	mu         sync.Mutex
	answers    map[string]int
	retried    map[string]int // by reason
	violations []string
}

func newAPIClient(attempts int, judge func(string, time.Time, load.Answer) string) *apiClient {
	return &apiClient{
		client:   &http.Client{Timeout: clientTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 100}},
		attempts: attempts, judge: judge, answers: map[string]int{}, retried: map[string]int{},
	}
}

// Send sends a request. It does not stop when the load ends.
func (c *apiClient) Send(ctx context.Context, api int, method, path string, body any, headers ...string) load.Answer {
	ctx, from := context.WithoutCancel(ctx), time.Now()
	var a load.Answer
	var err error
	for attempt := range c.attempts {
		url := sut.apiURLs[(api+attempt)%len(sut.apiURLs)] + path
		a, err = load.Exchange(ctx, c.client, sut.token, method, url, body, headers...)
		why := retryReason(a, err)
		if why == "" || attempt == c.attempts-1 {
			break
		}
		c.mu.Lock()
		c.retried[why]++
		c.mu.Unlock()
	}
	c.mu.Lock()
	c.answers[method+" "+a.Summary()]++
	c.mu.Unlock()
	switch wrong := c.judge(method, from, a); {
	case err != nil:
		c.AddViolation(from, "%s %s got no answer: %v", method, path, err)
	case wrong != "":
		c.AddViolation(from, "%s %s was answered %d %s: %s", method, path, a.Code, a.Text, wrong)
	}
	return a
}

// retryReason returns why a client may send a request to another API: no answer began, or the answer is a 503 with
// Retry-After. It is empty if the client may not.
func retryReason(a load.Answer, err error) string {
	var broken *url.Error
	switch {
	case errors.As(err, &broken):
		words := strings.Split(broken.Err.Error(), ": ")
		return words[len(words)-1]
	case a.Code == http.StatusServiceUnavailable && a.RetryAfter != "":
		return a.Summary()
	default:
		return ""
	}
}

// AddViolation records a violation, with the faults around that time.
func (c *apiClient) AddViolation(at time.Time, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := fmt.Sprintf("%.1fs: ", at.Sub(sut.faults.Begun).Seconds()) + fmt.Sprintf(format, args...)
	for _, f := range sut.faults.Around(at.Add(-time.Second), at.Add(time.Second)) {
		text += "\n        " + f
	}
	c.violations = append(c.violations, text)
}

func (c *apiClient) logCounts(t *testing.T) {
	t.Helper()
	for title, counts := range map[string]map[string]int{"answers": c.answers, "tried elsewhere": c.retried} {
		for _, what := range slices.Sorted(maps.Keys(counts)) {
			t.Logf("%s: %s %d", title, what, counts[what])
		}
	}
}

// runUnderLoad runs do while clients send requests, then asserts that nothing was lost.
func runUnderLoad(t *testing.T, client *apiClient, do func(context.Context) error) {
	t.Helper()
	ctx, endLoad := context.WithCancel(t.Context())
	defer endLoad()
	drive := load.Load{
		API: client, Closings: load.NewClosings(), Clients: 6, Operations: 1 << 40, Seed: 1, Pace: 50 * time.Millisecond,
		ScopePrefix: t.Name() + " ",
		Attempts:    1000, PollFor: time.Minute, // clients repeat requests until the load ends
	}
	driven := make(chan []*load.Class, 1)
	go func() { driven <- drive.Drive(ctx) }()
	err := do(ctx)
	endLoad()
	classes := <-driven
	if err != nil {
		t.Error(err)
	}
	client.logCounts(t)
	assertConsistent(t, client, classes)
}

// assertConsistent waits until nothing is in progress, then checks the classes and the whole system.
func assertConsistent(t *testing.T, client *apiClient, classes []*load.Class) {
	t.Helper()
	checker := sut.checker()
	stuck, err := checker.AwaitIdle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stuck {
		t.Errorf("still in progress: %s", s)
	}
	for i, c := range classes {
		a := client.Send(t.Context(), i%2, http.MethodGet, c.Path(), nil)
		if wrong := c.Contradiction(a, nil); wrong != "" {
			t.Errorf("class %s (%s): %s", c.ID, c.Scope, wrong)
		}
		if a.Code == http.StatusOK && (a.Status != "real-time" || a.Update != nil) {
			t.Errorf("class %s (%s) is not real-time: %s", c.ID, c.Scope, a.Text)
		}
	}
	found, err := checker.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if found.Lost > 0 {
		t.Errorf("%d attempts are lost", found.Lost)
	}
	for _, v := range append(found.Violations, client.violations...) {
		t.Error(v)
	}
	t.Logf("%d classes; in all %d are ready, %d have failed", len(classes), found.Ready, found.Failed)
}
