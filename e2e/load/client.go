// Package load drives the API as its users do: creates, updates, new rooms and reads, by clients that repeat what went
// unanswered and remember what they were told.
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

// Wait is how long the API is asked to wait for a saga, in seconds.
const Wait = 5

// Desk is where callers send their requests, and say what should not be.
type API interface {
	// Send sends a request to one of the two APIs and returns what came of it.
	Send(ctx context.Context, api int, method, path string, body any, headers ...string) Answer
	// Violate notes a broken promise.
	AddViolation(at time.Time, format string, args ...any)
}

// Load is what drives the APIs.
type Load struct {
	API API
	// Closings are the classes that conference may end meanwhile.
	Closings *Closings
	// Clients is how many there are at once.
	Clients int
	// Operations is how many of them begin, at most.
	Operations int64
	// Seed of the operations.
	Seed uint64
	// Pace is how long a client pauses between two operations.
	Pace time.Duration
	// Tries is how often a client sends a request that is cut, unanswered or refused for the moment.
	Attempts int
	// Follow is how long a client asks what became of an operation that was answered 202.
	PollFor time.Duration
	// Names begin the scopes of the classes.
	ScopePrefix string
	// Fickle clients that were answered 503 ask for something else, at times: their run may have been terminated.
	ChangeAfter503 bool
}

// Drive lets the clients work until the operations are done or ctx ends, and returns the classes they have asked for.
func (l Load) Drive(ctx context.Context) []*Class {
	var left atomic.Int64
	left.Store(l.Operations)
	made := make([][]*Class, l.Clients)
	var wg sync.WaitGroup
	for i := range l.Clients {
		rnd := rand.New(rand.NewPCG(l.Seed, uint64(i)+100)) //nolint:gosec // what a seed draws, it draws again
		c := &client{Load: l, left: &left, number: i, rnd: rnd}
		wg.Go(func() {
			c.work(ctx)
			made[i] = c.classes
		})
	}
	wg.Wait()
	return slices.Concat(made...)
}

// caller works on classes of its own, one operation after the other.
type client struct {
	Load
	left    *atomic.Int64
	number  int
	rnd     *rand.Rand
	classes []*Class
	api     int
}

// work does operations of a mix: two in five make a class or start a failed one over, one in four changes one or gives it new
// rooms, the rest are reads.
func (c *client) work(ctx context.Context) {
	for ; ctx.Err() == nil && c.left.Add(-1) >= 0; harness.Pause(ctx, c.Pace) {
		n := c.rnd.IntN(100)
		switch k := c.pickClass(); {
		case k == nil || (n < 40 && k.Promised == Ready):
			c.create(ctx, c.newClass())
		case k.Promised != Ready:
			c.create(ctx, k)
		case n < 60:
			c.update(ctx, k, http.MethodPut, k.Path(), c.drawChange)
		case n < 67 && c.Closings.TryRecreate(k.ID):
			c.update(ctx, k, http.MethodPost, k.Path()+"/recreate", c.drawRecreate)
		default:
			c.read(ctx, k)
		}
	}
}

// some picks one of the last classes; nil where there is none.
func (c *client) pickClass() *Class {
	n := len(c.classes)
	if n == 0 {
		return nil
	}
	return c.classes[n-1-c.rnd.IntN(min(n, 6))]
}

func (c *client) newClass() *Class {
	k := NewClass(fmt.Sprintf("%sclass %d of client %d", c.ScopePrefix, len(c.classes)+1, c.number))
	c.drawDraft(k)
	c.classes = append(c.classes, k)
	return k
}

// draw draws what to ask for: half of the classes have begun.
func (c *client) drawDraft(k *Class) {
	k.start = time.Now().Unix() - 60
	if c.rnd.IntN(2) == 0 {
		k.start += 7200
	}
	k.body = map[string]any{
		"scope": k.Scope, "audience": "example.org", "host": fmt.Sprintf("teacher-%d.example.org", c.rnd.IntN(1000)),
		"time": []int64{k.start, k.start + 7200}, "locked_chat": c.rnd.IntN(3) == 0, "locked_questions": c.rnd.IntN(3) == 0,
		"tags":    map[string]any{"client": c.number},
		"reserve": nil, // as good as absent
	}
	if c.rnd.IntN(4) > 0 {
		k.body["reserve"] = 1 + c.rnd.IntN(8)
	}
	k.drafts++
}

// other turns to the other API.
func (c *client) switchAPI(ctx context.Context) {
	c.api = 1 - c.api
	harness.Pause(ctx, time.Duration(100+c.rnd.IntN(400))*time.Millisecond)
}

// waiting asks for an answer at once, at times, and for one within the usual wait otherwise.
func (c *client) preference() string {
	if c.rnd.IntN(6) == 0 {
		return "respond-async"
	}
	return fmt.Sprintf("wait=%d", Wait)
}

func (c *client) create(ctx context.Context, k *Class) {
	if c.rnd.IntN(6) == 0 { // the same at the same time at the other API
		var wg sync.WaitGroup
		defer wg.Wait()
		api, prefer := 1-c.api, c.preference()
		wg.Go(func() { c.API.Send(ctx, api, http.MethodPost, "/api/v1/minigroups", k.body, "Prefer", prefer) })
	}
	k.addValues(k.body)
	for range c.Attempts {
		a := c.API.Send(ctx, c.api, http.MethodPost, "/api/v1/minigroups", k.body, "Prefer", c.preference())
		switch {
		case a.Code == http.StatusCreated || a.Code == http.StatusOK:
			k.Promised = Ready
			k.setValues(k.body)
			return
		case a.Code == http.StatusAccepted:
			k.Promised = max(k.Promised, Accepted)
			c.poll(ctx, k)
			return
		case a.Type == "class_already_established" && k.drafts > 1: // an earlier draft goes on, or was late
			c.poll(ctx, k)
			return
		case a.Code == http.StatusConflict || a.Code == http.StatusUnprocessableEntity || a.Type == "capacity_exceeded":
			if a.Type == "class_already_established" || a.Type == "minigroup_not_ready" {
				c.API.AddViolation(time.Now(), "POST of %s was answered %s", k.Scope, a.Text)
			}
			if !a.IsTransient {
				if c.rnd.IntN(2) == 0 {
					c.drawDraft(k) // it is started over with another draft, some time
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
			c.drawDraft(k) // another draft takes its place
			k.addValues(k.body)
		}
		c.switchAPI(ctx)
	}
}

// follow reads a class that was answered 202 until it is decided, for a while.
func (c *client) poll(ctx context.Context, k *Class) Answer {
	for asked := time.Now(); time.Since(asked) < c.PollFor; {
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
	case a.Code == http.StatusOK && k.Promised == Ready && a.Status != "real-time" && (a.Status != "closed" || c.Closings.Of(k.ID) == nil):
		c.API.AddViolation(time.Now(), "%s was acknowledged as ready and is %v", k.Scope, a.Status)
	}
	return a
}

// update changes what draw draws.
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

// change draws an end, slots, a host, or several of them.
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

// recreation asks for new rooms, at times with another end.
func (c *client) drawRecreate(k *Class) map[string]any {
	if c.rnd.IntN(2) == 0 {
		return map[string]any{}
	}
	return map[string]any{"time": []int64{k.start, k.start + 7200 + int64(c.rnd.IntN(3600))}}
}

// decided notes what became of an update that was answered 202.
func (c *client) recordOutcome(k *Class, change map[string]any, a Answer, unsure bool) {
	switch {
	case a.Code != 0 && a.Update == nil:
		k.setValues(change)
	case a.Code != 0 && !unsure: // it has failed
	default:
		k.addValues(change)
	}
}
