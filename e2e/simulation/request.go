package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"minigroups/minigroup"
)

// request lets a caller send a request to a process.
func (s *scenario) request() error {
	s.left.requests--
	var running []*process
	for _, p := range s.slots {
		if !p.dead && !p.frozen {
			running = append(running, p)
		}
	}
	if len(running) == 0 {
		return nil
	}
	p := running[s.below(len(running), "process")]
	d := s.drafts[s.below(len(s.drafts), "class")]
	wait := []time.Duration{20 * time.Second, 0, time.Second}[s.below(3, "wait")]
	what := 0
	if slices.ContainsFunc(s.calls, func(r *request) bool { return r.scope == d.Scope }) {
		what = s.below(6, "request")
	}
	variant := s.below(4, "variant")
	name := []string{"create", "create", "update", "recreate", "cancel", "retry"}[what]
	r := &request{
		what: fmt.Sprintf("%s %s (%d) at %s", name, d.Scope, variant, p.name), create: what <= 1, scope: d.Scope,
	}
	s.calls = append(s.calls, r)
	s.note("%s, waiting %s", r.what, wait)
	ctx := p.ctx
	p.callers.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		r.outcome, r.err = s.send(ctx, p, d, what, variant, wait)
		r.done = true
		s.note("answer to %s: %d, %v", r.what, r.outcome, r.err)
	})
	return nil
}

func (s *scenario) send(
	ctx context.Context, p *process, d minigroup.Draft, what, variant int, wait time.Duration,
) (minigroup.Outcome, error) {
	by := minigroup.Requester{
		Account: minigroup.Account{Label: "teacher", Audience: audience}, RequestID: fmt.Sprint(variant),
	}
	if what <= 1 {
		if variant == 3 {
			d.Host = "another." + audience
		}
		r := minigroup.NewCreateRequest(d)
		r.RequestedBy = by
		_, outcome, err := p.starter.Create(ctx, r, wait)
		return outcome, err
	}
	m, err := p.store.ByID(ctx, minigroup.NewClassID(d.Audience, d.Scope))
	if err != nil {
		return 0, err
	}
	var outcome minigroup.Outcome
	switch what {
	case 2, 3:
		change := minigroup.Change{RequestedBy: by}
		switch variant {
		case 0:
			start, end := s.begun.Unix()+10_000, s.begun.Unix()+20_000
			change.Time = &minigroup.Window{Start: &start, End: &end}
		case 1:
			change.Reserve = new(int32(3))
		case 2:
			change.Host = new("web.agent." + audience)
		case 3:
			change.Reserve, change.Host = new(int32(8)), new("web.other."+audience)
		}
		if what == 3 {
			change.Host, change.Reserve = nil, nil
			change.Recreate = &minigroup.Recreation{}
		}
		_, outcome, err = p.starter.Update(ctx, m, change, wait)
	case 4:
		_, err = p.starter.Cancel(ctx, m, by, wait)
	case 5:
		_, outcome, err = p.starter.Retry(ctx, m, by, wait)
	}
	return outcome, err
}
