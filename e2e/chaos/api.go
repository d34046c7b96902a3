package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// wait is how long the API is asked to wait for a saga, in seconds, and bound how long an answer may take then.
	wait  = 5
	bound = (wait + 13) * time.Second
	// patience is how long a client waits for an answer before it gives up.
	patience = 45 * time.Second
)

// object is a minigroup, or a problem, as the API shows it.
type object struct {
	ClassID  uuid.UUID       `json:"class_id"`
	Status   any             `json:"status"`
	Time     json.RawMessage `json:"time"`
	Host     string          `json:"host"`
	Reserve  *int32          `json:"reserve"`
	TimedOut bool            `json:"timed_out"`
	RealTime *struct {
		EventRoomID      uuid.UUID `json:"event_room_id"`
		ConferenceRoomID uuid.UUID `json:"conference_room_id"`
	} `json:"real_time"`
	Update *struct {
		State string `json:"state"`
	} `json:"update"`

	Type        string `json:"type"`
	Detail      string `json:"detail"`
	IsTransient bool   `json:"is_transient"`
}

// answer is what came of a request; code is 0 where there was none.
type answer struct {
	object
	code int
	text string
}

// word is the answer in one word, for counting.
func (a answer) word() string {
	switch {
	case a.code == 0:
		return "none"
	case a.Type != "":
		return fmt.Sprintf("%d %s", a.code, a.Type)
	default:
		return fmt.Sprint(a.code)
	}
}

// unsure reports whether the request may or may not have had an effect, and should be sent again.
func (a answer) unsure() bool { return a.code == 0 || a.IsTransient }

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

// send sends a request to one of the APIs and returns what came of it.
func (d *desk) send(ctx context.Context, api int, method, path string, body any, headers ...string) answer {
	from := time.Now()
	a, err := d.exchange(ctx, d.w.apiURLs[api]+path, method, body, headers)
	d.judge(api, method+" "+path, method, from, time.Now(), a, err)
	return a
}

func (d *desk) exchange(ctx context.Context, url, method string, body any, headers []string) (a answer, err error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return a, err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(encoded))
	if err != nil {
		return a, err
	}
	req.Header.Set("Authorization", "Bearer "+d.w.token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := d.client.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(text, &a.object); err != nil {
		return a, fmt.Errorf("%d with a body that is no JSON: %q", res.StatusCode, text)
	}
	a.code, a.text = res.StatusCode, string(text)
	return a, nil
}

// judge notes what the promises forbid: no answer, or a late one, from an API that was neither killed nor frozen meanwhile;
// a read that failed although that API and Postgres were well.
func (d *desk) judge(api int, request, method string, from, to time.Time, a answer, err error) {
	if method == http.MethodGet {
		d.see(to, a.code != 0 && a.code < 500)
	}
	d.mu.Lock()
	d.answers[method+" "+a.word()]++
	d.mu.Unlock()
	name := d.w.apis[api].name
	if len(d.w.faults.during(name, from, to)) > 0 {
		return
	}
	d.mu.Lock()
	d.longest = max(d.longest, to.Sub(from))
	d.mu.Unlock()
	switch {
	case err != nil:
		d.violate(from, "%s to %s got no answer: %v", request, name, err)
	case to.Sub(from) > bound:
		d.violate(from, "%s to %s was answered after %s", request, name, to.Sub(from))
	case method == http.MethodGet && a.code >= 500 && !d.blind(name, from, to):
		d.violate(from, "%s to %s was answered %s", request, name, a.text)
	}
}

// blind reports whether an API could not reach Postgres at some moment of a time.
func (d *desk) blind(api string, from, to time.Time) bool {
	return len(d.w.faults.during("postgres", from, to)) > 0 || len(d.w.faults.during(api+" to postgres", from, to)) > 0
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

// violate notes a broken promise, and what was done to the world around that time.
func (d *desk) violate(at time.Time, format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text := fmt.Sprintf("%.1fs: ", at.Sub(d.w.faults.begun).Seconds()) + fmt.Sprintf(format, args...)
	for _, f := range d.w.faults.around(at.Add(-3*time.Second), at.Add(3*time.Second)) {
		text += "\n        " + f
	}
	d.violations = append(d.violations, text)
}
