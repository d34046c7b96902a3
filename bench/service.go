package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"minigroups/bench/load"
	"minigroups/bench/report"
	"minigroups/bench/upstream"
	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
)

// serviceRounds is the number of rounds in which the overload of a service is measured.
const serviceRounds = 3

// service measures whether the product overloads a service, and what that would leave behind.
func (b *bench) service() []task {
	loads := b.onCluster(shapeOfCluster, b.serviceLoads, func() (cells []report.Cell) {
		for _, callers := range report.Callers() {
			cells = append(cells, report.ServiceCell(report.Create, callers))
		}
		return cells
	}()...)
	loads.duration = time.Duration(len(loads.cells)) * (b.timing.warmUp + b.timing.window + 2*b.baseline())
	var floods []report.Cell
	for _, of := range report.Floods() {
		floods = append(floods, report.ServiceCell(of.Alone, quietCallers), report.ServiceCell(of.Beside, quietCallers))
	}
	flood := b.onCluster(shapeOfCluster, b.floods, floods...)
	flood.duration = time.Duration(len(floods)) * (b.timing.warmUp + b.timing.window)
	frozen := b.onCluster(shapeOfCluster, b.slowThenFrozen, report.ServiceCell(report.SlowThenFrozen, 0))
	o := b.outage()
	frozen.duration = o.before + o.slow + o.frozen + o.after
	tasks := []task{loads, flood, frozen}
	for i := range tasks {
		tasks[i].duration += leaseTime
		tasks[i].rounds = serviceRounds
		if b.quick {
			tasks[i].rounds = 1
		}
	}
	tasks[2].rounds = 1
	return tasks
}

// onCluster is the task of measuring cells at the cluster of a shape, which is not frozen meanwhile.
func (b *bench) onCluster(
	of shape, run func(ctx context.Context, c *cluster, cells []report.Cell) ([]report.Sample, error),
	cells ...report.Cell,
) task {
	var c *cluster
	return task{
		cells: cells,
		prepare: func(ctx context.Context) (err error) {
			c, err = b.env.cluster(ctx, of)
			return err
		},
		run: func(ctx context.Context) (samples []report.Sample, err error) {
			defer func() { err = errors.Join(err, c.freeze()) }()
			if err := c.awake(ctx); err != nil {
				return nil, err
			}
			return run(ctx, c, cells)
		},
	}
}

// serviceLoads measures creates by several numbers of callers, what they leave behind, and the recovery after them.
func (b *bench) serviceLoads(
	ctx context.Context, c *cluster, cells []report.Cell,
) (samples []report.Sample, err error) {
	for _, cell := range cells {
		sample := report.Sample{Cell: cell}
		if err := b.serviceLoad(ctx, c, &sample); err != nil {
			return samples, fmt.Errorf("%d callers: %w", cell.Clients, err)
		}
		samples = append(samples, sample)
	}
	return samples, nil
}

func (b *bench) serviceLoad(ctx context.Context, c *cluster, sample *report.Sample) error {
	before, err := c.settled(ctx)
	if err != nil {
		return err
	}
	work := createRequests(upstream.Usual)
	alone := sequence(ctx, c.target, work, b.baseline())
	if len(alone) == 0 {
		return errors.New("no create of one client succeeds before the load")
	}
	err = b.env.measure(ctx, c.system, load.Closed{
		Clients: sample.Clients, WarmUp: b.timing.warmUp, Window: b.timing.window, Work: work, Want: fasthttp.StatusCreated,
	}, sample)
	ended := time.Now()
	if err != nil {
		return err
	}
	recovery, err := recoveryOf(ctx, c.target, work, alone, ended)
	if err != nil {
		return err
	}
	after, err := c.settled(ctx)
	if err != nil {
		return err
	}
	sample.Values[report.P50Alone] = milliseconds(report.Median(alone))
	sample.Values[report.Recovery] = recovery.Seconds()
	addRemains(sample.Values, after.since(before))
	return nil
}

func addRemains(values map[string]float64, r remains) {
	values[report.LostAttempts] = float64(r.lost)
	values[report.Orphans] = float64(r.orphans)
	values[report.NoConnection] = float64(r.refused)
}

// baseline is how long one client measures before a load.
func (b *bench) baseline() time.Duration { return min(b.timing.window/2, 4*time.Second) }

// sequence sends creates one after another and returns how long the good ones took, in their order.
func sequence(ctx context.Context, t load.Target, work load.Work, during time.Duration) (took []time.Duration) {
	for end := time.Now().Add(during); time.Now().Before(end) && ctx.Err() == nil; {
		if d, ok := one(t, work); ok {
			took = append(took, d)
		}
	}
	return took
}

// one sends one create and returns how long it took, and whether it succeeded.
func one(t load.Target, work load.Work) (time.Duration, bool) {
	begun := time.Now()
	status, _ := load.Once(t, work)
	return time.Since(begun), status == fasthttp.StatusCreated
}

const (
	// recoveredCreates is the number of creates in a row that show that the product has recovered.
	recoveredCreates = 10
	// recoveredFactor is how much slower than before they may be: two series of one client differ by as much.
	recoveredFactor = 1.25
	// oneClientTimeout bounds the wait for the recovery.
	oneClientTimeout = time.Minute
)

// recoveryOf returns how long after the end of a load creates of one client are as fast as before.
func recoveryOf(
	ctx context.Context, t load.Target, work load.Work, before []time.Duration, ended time.Time,
) (time.Duration, error) {
	var latest []time.Duration
	for time.Since(ended) < oneClientTimeout && ctx.Err() == nil {
		took, ok := one(t, work)
		if !ok {
			latest = nil
			continue
		}
		latest = append(latest, took)
		if recovered(latest, before) {
			return time.Since(ended), nil
		}
	}
	return 0, errors.Join(ctx.Err(),
		fmt.Errorf("creates of one client are not as fast as before within %s", oneClientTimeout))
}

// recovered reports whether the median of the latest ten good creates is at most a quarter above that of those before.
func recovered(latest, before []time.Duration) bool {
	if len(latest) < recoveredCreates {
		return false
	}
	bound := recoveredFactor * float64(report.Median(before))
	return float64(report.Median(latest[len(latest)-recoveredCreates:])) <= bound
}

const (
	// floodCallers is the number of callers of the audience that floods, and quietCallers that of the other one.
	floodCallers = 128
	quietCallers = 2
)

// floods measures creates of one audience alone and while another audience floods the product.
func (b *bench) floods(ctx context.Context, c *cluster, _ []report.Cell) (samples []report.Sample, err error) {
	for _, of := range report.Floods() {
		if err := b.slowConference(ctx, c, of.Delay); err != nil {
			return samples, err
		}
		alone, beside, err := b.flood(ctx, c, of)
		if err != nil { // the other flood can still be measured
			beside.Failure = err.Error()
		}
		samples = append(samples, alone, beside)
		if err := b.slowConference(ctx, c, 0); err != nil {
			return samples, err
		}
	}
	return samples, nil
}

func (b *bench) flood(ctx context.Context, c *cluster, of report.Flood) (alone, beside report.Sample, err error) {
	before, err := c.settled(ctx)
	if err != nil {
		return alone, beside, err
	}
	quiet := load.Closed{
		Clients: quietCallers, WarmUp: b.timing.warmUp, Window: b.timing.window,
		Work: createRequests(quietAudience), Want: fasthttp.StatusCreated,
	}
	alone.Cell = report.ServiceCell(of.Alone, quietCallers)
	if err := b.env.measure(ctx, c.system, quiet, &alone); err != nil {
		return alone, beside, err
	}
	addRemains(alone.Values, remains{})
	flooding, stop := context.WithCancel(ctx)
	defer stop()
	var flood load.Measured
	var others sync.WaitGroup
	others.Go(func() {
		flood = load.Closed{
			Clients: floodCallers, Window: time.Hour, Work: createRequests(upstream.Usual), Want: fasthttp.StatusCreated,
		}.Run(flooding, c.target)
	})
	beside.Cell = report.ServiceCell(of.Beside, quietCallers)
	err = errors.Join(sleep(ctx, b.timing.warmUp), b.env.measure(ctx, c.system, quiet, &beside))
	stop()
	others.Wait()
	if err != nil {
		return alone, beside, err
	}
	beside.Values[report.FloodThroughput] = float64(len(flood.Latencies)) / flood.Window.Seconds()
	after, err := c.settled(ctx)
	addRemains(beside.Values, after.since(before))
	return alone, beside, err
}

// slowConference makes conference take this long for each answer; 0 is as long as the real one.
func (b *bench) slowConference(ctx context.Context, c *cluster, delay time.Duration) error {
	if delay == 0 {
		return sandboxclient.ClearFaults(ctx, c.conference)
	}
	return sandboxclient.SetFaults(ctx, c.conference, sandbox.Fault{
		Operation: sandbox.OperationAny, Do: sandbox.EffectLate, DelayMS: int(delay.Milliseconds()),
	})
}
