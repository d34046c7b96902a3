package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// tries is how often a request is sent again that was cut, unanswered or refused for the moment.
const tries = 15

// load drives the APIs from many clients until so many operations are done or ctx ends, and returns the classes they made.
func load(ctx context.Context, d *desk, clients int, operations int64, seed uint64) []*class {
	var left atomic.Int64
	left.Store(operations)
	made := make([][]*class, clients)
	var wg sync.WaitGroup
	for i := range clients {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)+100)) //nolint:gosec // what a seed draws, it draws again
		c := &caller{desk: d, left: &left, number: i, rnd: rnd}
		wg.Go(func() {
			c.work(ctx)
			made[i] = c.classes
		})
	}
	wg.Wait()
	var all []*class
	for _, classes := range made {
		all = append(all, classes...)
	}
	return all
}

// caller works on classes of its own, one operation after the other.
type caller struct {
	desk    *desk
	left    *atomic.Int64
	number  int
	rnd     *rand.Rand
	classes []*class
	api     int
}

// work does operations of a mix: two in five make a class or start a failed one over, one in four changes one or gives it new
// rooms, the rest are reads.
func (c *caller) work(ctx context.Context) {
	for ctx.Err() == nil && c.left.Add(-1) >= 0 {
		n := c.rnd.IntN(100)
		switch k := c.some(); {
		case k == nil || (n < 40 && k.promised == ready):
			c.create(ctx, c.fresh())
		case k.promised != ready:
			c.create(ctx, k)
		case n < 60:
			c.update(ctx, k, http.MethodPut, k.path(), c.change)
		case n < 67 && c.desk.w.closings.renew(k.id):
			c.update(ctx, k, http.MethodPost, k.path()+"/recreate", c.recreation)
		default:
			c.read(ctx, k)
		}
	}
}

// some picks one of the last classes; nil where there is none.
func (c *caller) some() *class {
	n := len(c.classes)
	if n == 0 {
		return nil
	}
	return c.classes[n-1-c.rnd.IntN(min(n, 6))]
}

func (c *caller) fresh() *class {
	k := newClass(fmt.Sprintf("class %d of client %d", len(c.classes)+1, c.number))
	c.draw(k)
	c.classes = append(c.classes, k)
	return k
}

// draw draws what to ask for: half of the classes have begun.
func (c *caller) draw(k *class) {
	k.start = time.Now().Unix() - 60
	if c.rnd.IntN(2) == 0 {
		k.start += 7200
	}
	k.body = map[string]any{
		"scope": k.scope, "audience": "example.org", "host": fmt.Sprintf("teacher-%d.example.org", c.rnd.IntN(1000)),
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
func (c *caller) other(ctx context.Context) {
	c.api = 1 - c.api
	pause(ctx, time.Duration(100+c.rnd.IntN(400))*time.Millisecond)
}

// waiting asks for an answer at once, at times, and for one within the usual wait otherwise.
func (c *caller) waiting() string {
	if c.rnd.IntN(6) == 0 {
		return "respond-async"
	}
	return fmt.Sprintf("wait=%d", wait)
}

func (c *caller) create(ctx context.Context, k *class) {
	if c.rnd.IntN(6) == 0 { // the same at the same time at the other API
		var wg sync.WaitGroup
		defer wg.Wait()
		api, prefer := 1-c.api, c.waiting()
		wg.Go(func() { c.desk.send(ctx, api, http.MethodPost, "/api/v1/minigroups", k.body, "Prefer", prefer) })
	}
	k.maybe(k.body)
	for range tries {
		a := c.desk.send(ctx, c.api, http.MethodPost, "/api/v1/minigroups", k.body, "Prefer", c.waiting())
		switch {
		case a.code == http.StatusCreated || a.code == http.StatusOK:
			k.promised = ready
			k.is(k.body)
			return
		case a.code == http.StatusAccepted:
			k.promised = max(k.promised, accepted)
			c.follow(ctx, k)
			return
		case a.Type == "class_already_established" && k.drafts > 1: // an earlier draft goes on, or was late
			c.follow(ctx, k)
			return
		case a.code == http.StatusConflict || a.code == http.StatusUnprocessableEntity || a.Type == "capacity_exceeded":
			if a.Type == "class_already_established" || a.Type == "minigroup_not_ready" {
				c.desk.violate(time.Now(), "POST of %s was answered %s", k.scope, a.text)
			}
			if !a.IsTransient {
				if c.rnd.IntN(2) == 0 {
					c.draw(k) // it is started over with another draft, some time
				}
				return
			}
		case !a.unsure():
			c.desk.violate(time.Now(), "POST of %s was answered %s", k.scope, a.text)
			return
		}
		if ctx.Err() != nil {
			return
		}
		if a.code == http.StatusServiceUnavailable && c.rnd.IntN(3) == 0 {
			c.draw(k) // its run may have been terminated: another draft takes its place
			k.maybe(k.body)
		}
		c.other(ctx)
	}
}

// follow reads a class that was answered 202 until it is decided, for a while.
func (c *caller) follow(ctx context.Context, k *class) answer {
	for range 3 * tries {
		a := c.read(ctx, k)
		if a.code == http.StatusOK && a.Status != "creating" && (a.Update == nil || a.Update.State != "running") {
			if a.Status == "real-time" {
				k.promised = ready
			}
			return a
		}
		if ctx.Err() != nil {
			break
		}
		pause(ctx, 200*time.Millisecond)
	}
	return answer{}
}

func (c *caller) read(ctx context.Context, k *class) answer {
	c.api = c.rnd.IntN(2)
	a := c.desk.send(ctx, c.api, http.MethodGet, k.path(), nil)
	switch {
	case a.code == http.StatusNotFound && k.promised != nothing:
		c.desk.violate(time.Now(), "%s was acknowledged and is not found", k.scope)
	case a.code == http.StatusOK && k.promised == ready && a.Status != "real-time" && (a.Status != "closed" || c.desk.w.closings.of(k.id) == nil):
		c.desk.violate(time.Now(), "%s was acknowledged as ready and is %v", k.scope, a.Status)
	}
	return a
}

// update changes what draw draws. Where its run may have been terminated it asks, at times, for something else.
func (c *caller) update(ctx context.Context, k *class, method, path string, draw func(*class) map[string]any) {
	change := draw(k)
	unsure := false
	for range tries {
		a := c.desk.send(ctx, c.api, method, path, change, "Prefer", c.waiting())
		switch {
		case a.code == http.StatusOK:
			k.is(change)
			return
		case a.code == http.StatusAccepted:
			c.decided(k, change, c.follow(ctx, k), unsure)
			return
		case !a.unsure():
			if a.Type == "minigroup_not_ready" || a.code == http.StatusNotFound || a.code == http.StatusBadRequest {
				c.desk.violate(time.Now(), "%s of %s was answered %s", method, k.scope, a.text)
			}
			if unsure {
				k.maybe(change)
			}
			return
		}
		unsure = true
		k.maybe(change)
		if ctx.Err() != nil {
			return
		}
		if a.code == http.StatusServiceUnavailable && c.rnd.IntN(2) == 0 {
			change = draw(k)
		}
		c.other(ctx)
	}
}

// change draws an end, slots, a host, or several of them.
func (c *caller) change(k *class) map[string]any {
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
func (c *caller) recreation(k *class) map[string]any {
	if c.rnd.IntN(2) == 0 {
		return map[string]any{}
	}
	return map[string]any{"time": []int64{k.start, k.start + 7200 + int64(c.rnd.IntN(3600))}}
}

// decided notes what became of an update that was answered 202.
func (c *caller) decided(k *class, change map[string]any, a answer, unsure bool) {
	switch {
	case a.code != 0 && a.Update == nil:
		k.is(change)
	case a.code != 0 && !unsure: // it has failed
	default:
		k.maybe(change)
	}
}
