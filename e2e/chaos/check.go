package main

import (
	"context"
	"net/http"
	"strings"

	"minigroups/clients/janus"
	"minigroups/e2e/census"
	"minigroups/e2e/load"
	"minigroups/minigroup"
)

// verdict is what there is in the end, and what of it may not be.
type verdict struct {
	census.Findings
	matched map[reason]int // rooms that lost attempts account for
	made    int            // rooms, in all
}

// census looks at the world.
func (w *world) census() census.Census {
	backends := make([]minigroup.Backend, len(w.cfg.Janus.Backends))
	for i, b := range w.cfg.Janus.Backends {
		backends[i] = minigroup.Backend(b)
	}
	return census.Census{
		DB: w.db, Runs: w.runs, Event: w.event, Conference: w.conference, Backends: backends, Ending: w.closings.Sure(),
		Gateways: janus.New(janus.Config{AdminSecret: adminSecret, AdminKey: adminKey, RoomKey: roomKey}, http.DefaultTransport),
	}
}

// check looks at everything from outside.
func (w *world) check(ctx context.Context, d *desk, classes []*load.Class) (v verdict, err error) {
	orphans, err := w.readOrphans(ctx)
	if err != nil {
		return v, err
	}
	look := w.census()
	look.Orphan = orphans.judge
	if v.Findings, err = look.Take(ctx); err != nil {
		return v, err
	}
	v.matched, v.made = orphans.matched, len(orphans.creations)
	for i, c := range classes {
		a := d.Send(ctx, i%2, http.MethodGet, c.Path(), nil)
		if wrong := c.Contradicts(a, w.closings.Of(c.ID)); wrong != "" {
			v.Violate("class %s (%s): %s", c.ID, c.Scope, wrong)
		}
	}
	for _, p := range w.parts() {
		if p.Ended() {
			v.Violate("%s has ended by itself: %s", p.Name(), strings.Join(p.Tail(), "\n        "))
		}
	}
	return v, census.Logs(&v.Findings, w.log("worker-1"), w.log("worker-2"), w.log("api-1"), w.log("api-2"))
}
