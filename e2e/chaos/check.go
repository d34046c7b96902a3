package main

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"minigroups/e2e/load"
	"minigroups/e2e/verify"
	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
)

// result is what exists at the end, and the violations.
type result struct {
	verify.Findings
	matched map[reason]int // rooms explained by a lost attempt, by reason
	made    int            // rooms in total
	// starved counts the creates that were refused because a stand-in had no database connection, by that connection.
	starved map[sandbox.Connection]int
	// maxConnections is the maximum of conference's connections in use.
	maxConnections int
	// requests is the number of requests whose answers were explained by an order, and searched how long that took.
	requests int
	searched time.Duration
	// unexplained is the number of classes without such an order, and operations that of the load.
	unexplained int
	operations  int64
}

// checker returns the checker of this system.
func (s *system) checker() verify.Checker {
	c := verify.NewChecker(s.db, s.client, s.event, s.conference, s.cfg.Janus)
	c.MustClose = s.closings.Certain()
	return c
}

// check checks the system, the objects that the API shows, and the logs.
func (s *system) check(ctx context.Context, d *apiClient, classes []*load.Class) (v result, err error) {
	orphans, err := s.readOrphans(ctx)
	if err != nil {
		return v, err
	}
	checker := s.checker()
	checker.Orphan = orphans.check
	if v.Findings, err = checker.Check(ctx); err != nil {
		return v, err
	}
	v.matched, v.made, v.starved = orphans.matched, len(orphans.creations), orphans.starved
	pool, err := sandboxclient.Pool(ctx, s.conference)
	if err != nil {
		return v, err
	}
	v.maxConnections = pool.MaxInUse
	resets := s.history.resets()
	for i, c := range classes {
		if resets[c.ID.String()] {
			c.ForgetValues() // the model of the API knows which are possible
		}
		a := d.Send(ctx, i%2, http.MethodGet, c.Path(), nil)
		if wrong := c.Contradiction(a, s.closings.Of(c.ID)); wrong != "" {
			v.AddViolation("class %s (%s): %s", c.ID, c.Scope, wrong)
		}
	}
	begun := time.Now()
	v.unexplained = s.checkHistory(v.AddViolation)
	v.requests, v.searched = s.history.Len(), time.Since(begun)
	s.checkGateway(v.AddViolation)
	for _, p := range s.parts() {
		if p.HasEnded() {
			v.AddViolation("%s ended without a fault: %s", p.Name(), strings.Join(p.Tail(), "\n        "))
		}
	}
	var logs []verify.Log
	for _, p := range slices.Concat(s.workers[:], s.apis[:]) {
		logs = append(logs, verify.Log{Path: s.log(p.Name()), Thawed: p.Thawed()})
	}
	return v, verify.Logs(&v.Findings, logs...)
}
