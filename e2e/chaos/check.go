package main

import (
	"context"
	"net/http"
	"strings"

	"minigroups/clients/janus"
	"minigroups/e2e/load"
	"minigroups/e2e/verify"
	"minigroups/minigroup"
)

// verdict is what there is in the end, and what of it may not be.
type result struct {
	verify.Findings
	matched map[reason]int // rooms that lost attempts account for
	made    int            // rooms, in all
}

// census looks at the world.
func (w *system) checker() verify.Checker {
	backends := make([]minigroup.Backend, len(w.cfg.Janus.Backends))
	for i, b := range w.cfg.Janus.Backends {
		backends[i] = minigroup.Backend(b)
	}
	return verify.Checker{
		DB: w.db, Client: w.client, Event: w.event, Conference: w.conference, Backends: backends, MustClose: w.closings.Certain(),
		Gateways: janus.New(janus.Config{AdminSecret: adminSecret, AdminKey: adminKey, RoomKey: roomKey}, http.DefaultTransport),
	}
}

// check looks at everything from outside.
func (w *system) check(ctx context.Context, d *apiClient, classes []*load.Class) (v result, err error) {
	orphans, err := w.readOrphans(ctx)
	if err != nil {
		return v, err
	}
	look := w.checker()
	look.Orphan = orphans.check
	if v.Findings, err = look.Check(ctx); err != nil {
		return v, err
	}
	v.matched, v.made = orphans.matched, len(orphans.creations)
	for i, c := range classes {
		a := d.Send(ctx, i%2, http.MethodGet, c.Path(), nil)
		if wrong := c.Contradiction(a, w.closings.Of(c.ID)); wrong != "" {
			v.AddViolation("class %s (%s): %s", c.ID, c.Scope, wrong)
		}
	}
	for _, p := range w.parts() {
		if p.HasEnded() {
			v.AddViolation("%s has ended by itself: %s", p.Name(), strings.Join(p.Tail(), "\n        "))
		}
	}
	return v, verify.Logs(&v.Findings, w.log("worker-1"), w.log("worker-2"), w.log("api-1"), w.log("api-2"))
}
