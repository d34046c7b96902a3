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

// patience is how long a client waits for an answer.
const clientTimeout = 45 * time.Second

// desk sends the requests of clients and counts how they are answered.
type apiClient struct {
	client *http.Client
	// turns is how many APIs a client tries, one after the other, where one does not answer or says that it cannot.
	attempts int
	// judge says what is wrong with the answer that the client takes in the end; empty where nothing is.
	judge func(method string, from time.Time, a load.Answer) string

	mu         sync.Mutex
	answers    map[string]int
	retried    map[string]int // away, by why
	violations []string
}

func newAPIClient(turns int, judge func(string, time.Time, load.Answer) string) *apiClient {
	return &apiClient{
		client:   &http.Client{Timeout: clientTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 100}},
		attempts: turns, judge: judge, answers: map[string]int{}, retried: map[string]int{},
	}
}

// Send sends a request, and sends it to its end: the load that is over begins no more of them.
func (d *apiClient) Send(ctx context.Context, api int, method, path string, body any, headers ...string) load.Answer {
	ctx, from := context.WithoutCancel(ctx), time.Now()
	var a load.Answer
	var err error
	for turn := range d.attempts {
		a, err = load.Exchange(ctx, d.client, sut.token, method, sut.apiURLs[(api+turn)%len(sut.apiURLs)]+path, body, headers...)
		why := retryReason(a, err)
		if why == "" || turn == d.attempts-1 {
			break
		}
		d.mu.Lock()
		d.retried[why]++
		d.mu.Unlock()
	}
	d.mu.Lock()
	d.answers[method+" "+a.Summary()]++
	d.mu.Unlock()
	switch wrong := d.judge(method, from, a); {
	case err != nil:
		d.AddViolation(from, "%s %s got no answer: %v", method, path, err)
	case wrong != "":
		d.AddViolation(from, "%s %s was answered %d %s: %s", method, path, a.Code, a.Text, wrong)
	}
	return a
}

// away is why a client may try another API: there was no answer, not even its beginning, or one that says to come again.
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

// Violate notes what may not be, and what was done to the cluster around that time.
func (d *apiClient) AddViolation(at time.Time, format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text := fmt.Sprintf("%.1fs: ", at.Sub(sut.faults.Begun).Seconds()) + fmt.Sprintf(format, args...)
	for _, f := range sut.faults.Around(at.Add(-time.Second), at.Add(time.Second)) {
		text += "\n        " + f
	}
	d.violations = append(d.violations, text)
}

func (d *apiClient) logCounts(t *testing.T) {
	t.Helper()
	for title, counts := range map[string]map[string]int{"answers": d.answers, "tried elsewhere": d.retried} {
		for _, what := range slices.Sorted(maps.Keys(counts)) {
			t.Logf("%s: %s %d", title, what, counts[what])
		}
	}
}

// runUnderLoad lets clients work for as long as do takes, then waits until nothing is under way, and looks for what was lost.
func runUnderLoad(t *testing.T, d *apiClient, do func(context.Context) error) {
	t.Helper()
	ctx, over := context.WithCancel(t.Context())
	defer over()
	drive := load.Load{
		API: d, Closings: load.NewClosings(), Clients: 6, Operations: 1 << 40, Seed: 1, Pace: 50 * time.Millisecond, ScopePrefix: t.Name() + " ",
		Attempts: 1000, PollFor: time.Minute, // nobody gives up while it goes on
	}
	driven := make(chan []*load.Class, 1)
	go func() { driven <- drive.Drive(ctx) }()
	err := do(ctx)
	over()
	classes := <-driven
	if err != nil {
		t.Error(err)
	}
	d.logCounts(t)
	assertConsistent(t, d, classes)
}

// assertConsistent waits until nothing is under way, and looks for what was lost of the classes or left over anywhere.
func assertConsistent(t *testing.T, d *apiClient, classes []*load.Class) {
	t.Helper()
	look := sut.checker()
	stuck, err := look.AwaitIdle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stuck {
		t.Errorf("did not come to rest: %s", s)
	}
	for i, c := range classes {
		a := d.Send(t.Context(), i%2, http.MethodGet, c.Path(), nil)
		if wrong := c.Contradiction(a, nil); wrong != "" {
			t.Errorf("class %s (%s): %s", c.ID, c.Scope, wrong)
		}
		if a.Code == http.StatusOK && (a.Status != "real-time" || a.Update != nil) {
			t.Errorf("class %s (%s) came to nothing: %s", c.ID, c.Scope, a.Text)
		}
	}
	found, err := look.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if found.Lost > 0 {
		t.Errorf("%d attempts are lost", found.Lost)
	}
	for _, v := range append(found.Violations, d.violations...) {
		t.Error(v)
	}
	t.Logf("%d classes; in all %d are ready, %d have failed", len(classes), found.Ready, found.Failed)
}
