// Package load sends creates, updates, recreates and reads as frontends do. Its clients repeat unanswered requests and
// record the answers.
package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"minigroups/e2e/harness"
)

const createPath = "/api/v1/minigroups"

// Wait is how long the API is asked to wait for a saga, in seconds.
const Wait = 5

// API receives the requests of the load.
type API interface {
	// Send sends a request to one of the two APIs.
	Send(ctx context.Context, api int, method, path string, body any, headers ...string) Answer
	// AddViolation records a broken promise.
	AddViolation(at time.Time, format string, args ...any)
}

// Load describes the load.
type Load struct {
	API API
	// Closings records the classes whose rooms conference closes meanwhile.
	Closings *Closings
	// Clients is the number of concurrent clients.
	Clients int
	// Operations is the maximum number of operations.
	Operations int64
	// Done is set to the number of operations at the end; nil if nobody needs it.
	Done *atomic.Int64
	// Seed of the operations.
	Seed uint64
	// Pace is how long a client pauses between two operations.
	Pace time.Duration
	// Attempts is how often a client sends a request that is not answered or transiently refused.
	Attempts int
	// PollFor is how long a client polls an operation that was answered 202.
	PollFor time.Duration
	// ScopePrefix begins the scopes of the classes.
	ScopePrefix string
	// Accompany makes clients also use idempotency keys, retry and repeat creates, and send further requests for a class
	// while they write to it: reads at any API, equal creates and cancels. Whether the answers are right is then a
	// question of order (package linearizability).
	Accompany bool
	// ChangeAfter503 makes clients sometimes send a different request after a 503: their run may have been terminated.
	ChangeAfter503 bool
}

// Drive runs the clients until the operations are done or ctx ends. It returns the classes for which they sent
// requests.
func (l Load) Drive(ctx context.Context) []*Class {
	var left atomic.Int64
	left.Store(l.Operations)
	made := make([][]*Class, l.Clients)
	var wg sync.WaitGroup
	for i := range l.Clients {
		rnd := rand.New(rand.NewPCG(l.Seed, uint64(i)+100)) //nolint:gosec // reproducible by the seed
		c := &client{Load: l, left: &left, number: i, rnd: rnd}
		wg.Go(func() {
			c.work(ctx)
			made[i] = c.classes
		})
	}
	wg.Wait()
	if l.Done != nil {
		l.Done.Store(l.Operations - max(left.Load(), 0))
	}
	return slices.Concat(made...)
}

// client sends requests for its own classes, one operation after the other.
type client struct {
	Load
	left    *atomic.Int64
	number  int
	rnd     *rand.Rand
	classes []*Class
	api     int
}

// work sends a mix of operations: two in five create or repeat a create, one in four updates or recreates, the rest
// reads, and repeats creates of ready classes.
func (c *client) work(ctx context.Context) {
	for ; ctx.Err() == nil && c.left.Add(-1) >= 0; harness.Pause(ctx, c.Pace) {
		n := c.rnd.IntN(100)
		switch k := c.pickClass(); {
		case k == nil || (n < 40 && k.Promised == Ready):
			k = c.newClass()
			c.accompanied(ctx, k, func() { c.create(ctx, k) })
		case k.Promised != Ready && c.Accompany && n < 30:
			c.accompanied(ctx, k, func() { c.retry(ctx, k) })
		case k.Promised != Ready:
			c.accompanied(ctx, k, func() { c.create(ctx, k) })
		case n < 60:
			c.accompanied(ctx, k, func() { c.update(ctx, k, http.MethodPut, k.Path(), c.drawChange) })
		case n < 67 && c.Closings.TryRecreate(k.ID):
			c.accompanied(ctx, k, func() { c.update(ctx, k, http.MethodPost, k.Path()+"/recreate", c.drawRecreate) })
		case n < 75 && c.Accompany:
			body, key := k.draft()
			c.API.Send(ctx, c.rnd.IntN(2), http.MethodPost, createPath, body, key...)
		default:
			c.read(ctx, k)
		}
	}
}

// pickClass returns one of the latest classes; nil if there is none.
func (c *client) pickClass() *Class {
	n := len(c.classes)
	if n == 0 {
		return nil
	}
	return c.classes[n-1-c.rnd.IntN(min(n, 6))]
}

// newClass returns a class with a draft.
func (c *client) newClass() *Class {
	k := NewClass(fmt.Sprintf("%sclass %d of client %d", c.ScopePrefix, len(c.classes)+1, c.number))
	c.drawDraft(k)
	c.classes = append(c.classes, k)
	return k
}

// drawDraft draws the body of the create. Half of the classes have begun.
func (c *client) drawDraft(k *Class) {
	k.start = time.Now().Unix() - 60
	if c.rnd.IntN(2) == 0 {
		k.start += 7200
	}
	k.body = map[string]any{
		"scope": k.Scope, "audience": "example.org", "host": fmt.Sprintf("teacher-%d.example.org", c.rnd.IntN(1000)),
		"time": []int64{k.start, k.start + 7200}, "locked_chat": c.rnd.IntN(3) == 0, "locked_questions": c.rnd.IntN(3) == 0,
		"tags":    map[string]any{"client": c.number},
		"reserve": nil, // means absent
	}
	if c.rnd.IntN(4) > 0 {
		k.body["reserve"] = 1 + c.rnd.IntN(8)
	}
	k.drafts++
	k.key = ""
	if c.Accompany && c.rnd.IntN(2) == 0 {
		k.key = fmt.Sprintf("draft-%d-of-%s", k.drafts, k.ID)
	}
}

// switchAPI uses the other API after a pause.
func (c *client) switchAPI(ctx context.Context) {
	c.api = 1 - c.api
	harness.Pause(ctx, time.Duration(100+c.rnd.IntN(400))*time.Millisecond)
}

// preference returns the Prefer header: mostly to wait, sometimes to answer at once.
func (c *client) preference() string {
	if c.rnd.IntN(6) == 0 {
		return "respond-async"
	}
	return fmt.Sprintf("wait=%d", Wait)
}

func (c *client) create(ctx context.Context, k *Class) {
	if c.rnd.IntN(6) == 0 { // the same request concurrently to the other API
		var wg sync.WaitGroup
		defer wg.Wait()
		api, prefer := 1-c.api, c.preference()
		body, key := k.draft()
		wg.Go(func() { c.API.Send(ctx, api, http.MethodPost, createPath, body, append(key, "Prefer", prefer)...) })
	}
	k.addValues(k.body)
	for range c.Attempts {
		body, key := k.draft()
		a := c.API.Send(ctx, c.api, http.MethodPost, createPath, body, append(key, "Prefer", c.preference())...)
		switch {
		case a.Code == http.StatusCreated || a.Code == http.StatusOK:
			k.Promised = Ready
			k.setValues(k.body)
			return
		case a.Code == http.StatusAccepted:
			k.Promised = max(k.Promised, Accepted)
			c.poll(ctx, k)
			return
		case a.Type == "class_already_established" && k.drafts > 1: // an earlier draft has won
			c.poll(ctx, k)
			return
		case a.Code == http.StatusConflict || a.Code == http.StatusUnprocessableEntity ||
			a.Type == "capacity_exceeded":
			if a.Type == "class_already_established" || a.Type == "minigroup_not_ready" {
				c.API.AddViolation(time.Now(), "POST of %s was answered %s", k.Scope, a.Text)
			}
			if !a.IsTransient {
				if c.rnd.IntN(2) == 0 {
					c.drawDraft(k) // a later create uses another draft
				}
				return
			}
		case !a.IsUncertain():
			c.API.AddViolation(time.Now(), "POST of %s was answered %s", k.Scope, a.Text)
			return
		}
		if ctx.Err() != nil {
			return
		}
		if c.ChangeAfter503 && a.Code == http.StatusServiceUnavailable && c.rnd.IntN(3) == 0 {
			c.drawDraft(k)
			k.addValues(k.body)
		}
		c.switchAPI(ctx)
	}
}

// poll reads a class that was answered 202 until its operation has ended, for at most PollFor.
func (c *client) poll(ctx context.Context, k *Class) Answer {
	for begun := time.Now(); time.Since(begun) < c.PollFor; {
		a := c.read(ctx, k)
		if a.Code == http.StatusOK && a.Status != "creating" && (a.Update == nil || a.Update.State != "running") {
			if a.Status == "real-time" {
				k.Promised = Ready
			}
			return a
		}
		if ctx.Err() != nil {
			break
		}
		harness.Pause(ctx, 200*time.Millisecond)
	}
	return Answer{}
}

func (c *client) read(ctx context.Context, k *Class) Answer {
	c.api = c.rnd.IntN(2)
	a := c.API.Send(ctx, c.api, http.MethodGet, k.Path(), nil)
	switch {
	case a.Code == http.StatusNotFound && k.Promised != Nothing:
		c.API.AddViolation(time.Now(), "%s was acknowledged and is not found", k.Scope)
	case a.Code == http.StatusOK && k.Promised == Ready && a.Status != "real-time" &&
		(a.Status != "closed" || c.Closings.Of(k.ID) == nil):
		c.API.AddViolation(time.Now(), "%s was acknowledged as ready and is %v", k.Scope, a.Status)
	}
	return a
}

// update sends a change that draw draws.
func (c *client) update(ctx context.Context, k *Class, method, path string, draw func(*Class) map[string]any) {
	change := draw(k)
	unsure := false
	for range c.Attempts {
		a := c.API.Send(ctx, c.api, method, path, change, "Prefer", c.preference())
		switch {
		case a.Code == http.StatusOK:
			k.setValues(change)
			return
		case a.Code == http.StatusAccepted:
			c.recordOutcome(k, change, c.poll(ctx, k), unsure)
			return
		case !a.IsUncertain():
			if a.Type == "minigroup_not_ready" || a.Code == http.StatusNotFound || a.Code == http.StatusBadRequest {
				c.API.AddViolation(time.Now(), "%s of %s was answered %s", method, k.Scope, a.Text)
			}
			if unsure {
				k.addValues(change)
			}
			return
		}
		unsure = true
		k.addValues(change)
		if ctx.Err() != nil {
			return
		}
		if c.ChangeAfter503 && a.Code == http.StatusServiceUnavailable && c.rnd.IntN(2) == 0 {
			change = draw(k)
		}
		c.switchAPI(ctx)
	}
}

// drawChange draws an end, slots, a host, or several of them.
func (c *client) drawChange(k *Class) map[string]any {
	change := map[string]any{}
	which := 1 + c.rnd.IntN(7)
	if which&1 != 0 {
		change["time"] = []int64{k.start, k.start + 7200 + int64(c.rnd.IntN(3600))}
	}
	if which&2 != 0 {
		change["reserve"] = c.rnd.IntN(9)
	}
	if which&4 != 0 {
		change["host"] = fmt.Sprintf("web.host-%d.example.org", c.rnd.IntN(1000))
	}
	return change
}

// drawRecreate draws the body of a recreate, sometimes with another end.
func (c *client) drawRecreate(k *Class) map[string]any {
	if c.rnd.IntN(2) == 0 {
		return map[string]any{}
	}
	return map[string]any{"time": []int64{k.start, k.start + 7200 + int64(c.rnd.IntN(3600))}}
}

// recordOutcome records the outcome of an update that was answered 202.
func (c *client) recordOutcome(k *Class, change map[string]any, a Answer, unsure bool) {
	switch {
	case a.Code != 0 && a.Update == nil:
		k.setValues(change)
	case a.Code != 0 && !unsure: // the update failed
	default:
		k.addValues(change)
	}
}
