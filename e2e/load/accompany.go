package load

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"minigroups/e2e/harness"
)

// accompanied does something with a class. Meanwhile another goroutine may send requests for it.
func (c *client) accompanied(ctx context.Context, k *Class, do func()) {
	if !c.Accompany || c.rnd.IntN(2) == 0 {
		do()
		return
	}
	done := make(chan struct{})
	companion := newCompanion(c, k)
	var wg sync.WaitGroup
	wg.Go(func() { companion.work(ctx, done) })
	do()
	close(done)
	wg.Wait()
}

// companion sends requests for a class while its client writes to it.
type companion struct {
	api     API
	rnd     *rand.Rand
	id      string // path of the class by its id
	scope   string // and by its scope
	body    map[string]any
	key     []string
	tag     string // the last ETag
	cancels bool
}

// newCompanion returns a companion that repeats the present draft of the class. One in eight cancels.
func newCompanion(c *client, k *Class) *companion {
	body, key := k.draft()
	rnd := rand.New(rand.NewPCG(c.rnd.Uint64(), 0)) //nolint:gosec // reproducible by the seed
	return &companion{
		api: c.API, rnd: rnd, id: k.Path(),
		scope: "/api/v1/audiences/" + harness.Audience + "/minigroups/" + url.PathEscape(k.Scope),
		body:  body, key: key, cancels: rnd.IntN(8) == 0,
	}
}

// work sends requests until done is closed: mostly reads, some equal creates, and at most one cancel.
func (c *companion) work(ctx context.Context, done <-chan struct{}) {
	for {
		select {
		case <-time.After(time.Duration(50+c.rnd.IntN(600)) * time.Millisecond):
		case <-done:
			return
		case <-ctx.Done():
			return
		}
		api, n := c.rnd.IntN(2), c.rnd.IntN(100)
		switch {
		case c.cancels && n < 40:
			c.cancels = false
			c.api.Send(ctx, api, http.MethodPost, c.id+"/cancel", map[string]any{}, "Prefer", "wait=2")
		case n < 15:
			c.api.Send(ctx, api, http.MethodPost, createPath, c.body, append(c.key, "Prefer", "respond-async")...)
		default:
			c.read(ctx, api)
		}
	}
}

// read reads the class by its id or its scope, sometimes only if it has changed.
func (c *companion) read(ctx context.Context, api int) {
	path := c.id
	if c.rnd.IntN(2) == 0 {
		path = c.scope
	}
	var headers []string
	if c.tag != "" && c.rnd.IntN(2) == 0 {
		headers = []string{"If-None-Match", c.tag}
	}
	if a := c.api.Send(ctx, api, http.MethodGet, path, nil, headers...); a.Code == http.StatusOK {
		c.tag = a.ETag
	}
}

// retry retries the create of a class that may have failed, from its row, which may have any of its drafts. A companion
// may send the present draft, which the client itself may not have sent yet.
func (c *client) retry(ctx context.Context, k *Class) {
	k.addValues(k.body)
	a := c.API.Send(ctx, c.api, http.MethodPost, k.Path()+"/retry", map[string]any{}, "Prefer", c.preference())
	switch a.Code {
	case http.StatusOK:
		k.Promised = Ready
	case http.StatusAccepted:
		c.poll(ctx, k)
	}
}
