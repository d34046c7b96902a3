package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/valyala/fasthttp"

	"minigroups/bench/load"
	"minigroups/bench/report"
	"minigroups/bench/upstream"
)

// outage says how long conference answers as usual, slowly, not at all, and as usual again.
type outage struct {
	before, slow, frozen, after time.Duration
	// creates is the number of classes that are created while conference is slow or frozen.
	creates int
}

// slowAnswer is how long conference takes for an answer while it is slow.
const slowAnswer = time.Second

func (b *bench) outage() outage {
	if b.quick {
		return outage{
			before: time.Second, slow: 3 * time.Second, frozen: 6 * time.Second, after: 5 * time.Second, creates: 100,
		}
	}
	return outage{
		before: 5 * time.Second, slow: 15 * time.Second, frozen: 30 * time.Second, after: 20 * time.Second, creates: 500,
	}
}

// slowThenFrozen slows conference down, freezes its process and continues it, while classes are created. A newcomer
// then creates classes one after another. It records the requests to conference over time.
func (b *bench) slowThenFrozen(ctx context.Context, c *cluster, cells []report.Cell) ([]report.Sample, error) {
	o := b.outage()
	before, err := c.settled(ctx)
	if err != nil {
		return nil, err
	}
	t := report.Timeline{Creates: o.creates, SlowSeconds: slowAnswer.Seconds()}
	begun := time.Now()
	stop := c.watch(ctx, begun)
	values, failure, err := b.duringOutage(ctx, c, o, func(text string) {
		t.Marks = append(t.Marks, report.Mark{Seconds: time.Since(begun).Seconds(), Text: text})
	})
	t.Points = stop()
	if err != nil {
		return nil, err
	}
	left, err := c.settle(ctx)
	if err != nil {
		return nil, err
	}
	after, err := c.remains(ctx)
	if err != nil {
		return nil, err
	}
	r := after.since(before)
	addRemains(values, r)
	values[report.Ready], values[report.Undone] = float64(r.ready), float64(r.failed)
	values[report.Unfinished] = float64(left)
	values[report.MostInFlight] = t.MostInFlight()
	return []report.Sample{{Cell: cells[0], Values: values, Failure: failure, Timeline: &t}}, nil
}

// duringOutage lets conference be slow and frozen while classes are created, and returns when a newcomer has created
// classes for some time after its return and the classes of the outage are done.
func (b *bench) duringOutage(
	ctx context.Context, c *cluster, o outage, mark func(string),
) (values map[string]float64, failure string, err error) {
	if err := sleep(ctx, o.before); err != nil {
		return nil, "", err
	}
	mark("slow")
	if err := b.slowConference(ctx, c, slowAnswer); err != nil {
		return nil, "", err
	}
	during := o.slow + o.frozen
	ended := make(chan *load.Answers, 1)
	go func() {
		ended <- load.Open{
			PerSecond: float64(o.creates) / during.Seconds(), For: during, Work: createRequests(upstream.Usual),
		}.Run(ctx, c.target)
	}()
	if err := sleep(ctx, o.slow); err != nil {
		return nil, "", err
	}
	mark("frozen")
	if err := c.conferenceProcess.Freeze(); err != nil {
		return nil, "", err
	}
	err = sleep(ctx, o.frozen)
	c.conferenceProcess.Thaw()
	mark("back")
	back := time.Now()
	if err = errors.Join(err, b.slowConference(ctx, c, 0)); err != nil {
		return nil, "", err
	}
	newcomers := make(chan *load.Answers, 1)
	go func() {
		newcomers <- load.Crowd{Clients: 1, For: o.after, Work: createRequests(upstream.Usual)}.Run(ctx, c.target)
	}()
	err = c.finished(ctx, back)
	drained := time.Since(back)
	if drained < o.after {
		mark("all done")
	}
	creates, after := <-ended, <-newcomers
	return map[string]float64{
		report.Started:     float64(creates.Sent),
		report.ReadyInTime: float64(creates.ByStatus[fasthttp.StatusCreated]),
		report.Accepted:    float64(creates.ByStatus[fasthttp.StatusAccepted]),
		report.Refused:     float64(creates.ByStatus[fasthttp.StatusServiceUnavailable]),
		report.Newcomers:   float64(after.Sent),
		report.LongestWait: after.MaxLatency.Seconds(),
		report.Drained:     drained.Seconds(),
	}, cmp.Or(creates.FirstFailure, after.FirstFailure), err
}
