package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"minigroups/bench/report"
)

// The sizes of full and quick runs.
const (
	fullRounds, fullRows, fullOpen    = 5, report.Large, 10_000
	quickRounds, quickRows, quickOpen = 2, 100_000, 100
)

var (
	fullTiming  = timing{warmUp: 2 * time.Second, window: 20 * time.Second}
	quickTiming = timing{warmUp: 200 * time.Millisecond, window: time.Second}
)

// bench is one run.
type bench struct {
	options
	env *environment
	// rows is the number of minigroups in the database of the reads.
	rows int
	// sizes are the numbers of minigroups, and open the number of open sagas, whose effects the group growth compares.
	sizes  []int
	open   int
	groups []string
	// pgbenchFilled says that the table of pgbench is there.
	pgbenchFilled bool
	// defaultTemporal is the kind of Temporal server for subjects that name none.
	defaultTemporal string
}

// temporalKinds are the values of the flag -temporal.
var temporalKinds = map[string]string{"dev": report.DevServer, "postgres": report.PostgreSQL}

func newBench(o options) *bench {
	b := &bench{options: o, rows: fullRows, defaultTemporal: report.PostgreSQL, groups: report.Groups()}
	b.sizes, b.open = []int{report.Small, 100_000, report.Large}, fullOpen
	defaults, rounds := fullTiming, fullRounds
	if o.quick {
		defaults, rounds = quickTiming, quickRounds
		b.rows, b.sizes, b.open = quickRows, []int{report.Small, quickRows}, quickOpen
		b.defaultTemporal = report.DevServer
		b.groups = []string{report.Writes, report.Reads, report.Footprint}
	}
	b.timing.warmUp = defaults.warmUp
	if o.timing.window == 0 {
		b.timing.window = defaults.window
	}
	if o.rounds == 0 {
		b.rounds = rounds
	}
	for o.seed == 0 {
		o.seed = rand.Uint64N(1_000_000) //nolint:gosec // no secret
	}
	b.seed = o.seed
	if o.temporal != "" {
		b.defaultTemporal = temporalKinds[o.temporal]
	}
	if o.selects != "" {
		b.groups = strings.Split(o.selects, ",")
	}
	b.env = newEnvironment(o.root, b.defaultTemporal, os.Stderr)
	return b
}

// tasks returns the tasks of the selected groups.
func (b *bench) tasks() (tasks []task, err error) {
	tasksOf := map[string]func() []task{
		report.Writes: b.writes, report.Reads: b.reads, report.Growth: b.growth,
		report.Isolation: b.isolation, report.Overload: b.overload, report.Service: b.service,
		report.Footprint: b.footprint,
	}
	if b.defaultTemporal == "" {
		return nil, fmt.Errorf("unknown Temporal server %q: there are dev and postgres", b.temporal)
	}
	for _, group := range b.groups {
		of, ok := tasksOf[group]
		if !ok {
			return nil, fmt.Errorf("unknown group %q: there are %s", group, strings.Join(report.Groups(), ", "))
		}
		tasks = append(tasks, of()...)
	}
	only, err := regexp.Compile(b.only)
	if err != nil {
		return nil, fmt.Errorf("-only: %w", err)
	}
	tasks = slices.DeleteFunc(tasks, func(t task) bool {
		return !slices.ContainsFunc(t.cells, func(c report.Cell) bool {
			return only.MatchString(fmt.Sprintf("%s: %s, %d clients", c.Subject, c.Work, c.Clients))
		})
	})
	if len(tasks) == 0 {
		return nil, fmt.Errorf("-only: nothing that is measured matches %q", b.only)
	}
	return tasks, nil
}

func (b *bench) printPlan(tasks []task) {
	windows, duration := b.extent(tasks)
	fmt.Printf("%s: %d rounds, %d windows, about %s after the start of everything, seed %d, Temporal on %s\n",
		strings.Join(b.groups, ", "), b.rounds, windows, duration.Round(time.Second), b.seed, b.defaultTemporal)
}

func (b *bench) run(ctx context.Context, tasks []task) (r report.Run, err error) {
	begun := time.Now()
	defer b.env.stop(ctx)
	if err := b.env.start(ctx); err != nil {
		return r, err
	}
	return b.measure(ctx, begun, tasks)
}

// extent returns the number of windows in the run and their total duration.
func (b *bench) extent(tasks []task) (windows int, duration time.Duration) {
	for _, t := range tasks {
		for round := range b.rounds {
			if t.runsIn(round, b.rounds) {
				windows++
				duration += t.duration
			}
		}
	}
	return windows, duration
}

func (b *bench) measure(ctx context.Context, begun time.Time, tasks []task) (r report.Run, err error) {
	for _, t := range tasks {
		if err := t.prepare(ctx); err != nil {
			return r, err
		}
	}
	r = report.Run{
		Begun: begun, Quick: b.quick, Seed: b.seed, Rounds: b.rounds,
		Window: b.timing.window.Seconds(), WarmUp: b.timing.warmUp.Seconds(),
		Machine: report.ThisMachine(), DefaultTemporal: b.defaultTemporal, Rows: b.rows,
		Subjects: b.subjects(), Revision: b.revision(ctx),
	}
	for _, t := range tasks {
		r.Cells = append(r.Cells, t.cells...)
	}
	if r.Machine.Postgres, err = b.env.postgresVersion(ctx); err != nil {
		return r, err
	}
	windows, _ := b.extent(tasks)
	progress := progress{of: windows, begun: time.Now()}
	for round := range b.rounds {
		for _, t := range b.order(tasks, round) {
			if !t.runsIn(round, b.rounds) {
				continue
			}
			samples, err := t.run(ctx)
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			if err != nil { // the other tasks can still be measured
				samples = append(samples, report.Sample{Cell: t.cells[0], Failure: err.Error()})
			}
			for _, s := range samples {
				s.Round = round
				r.Samples = append(r.Samples, s)
				progress.print(round, s)
			}
			progress.done++
		}
	}
	r.Took = time.Since(begun).Seconds()
	return r, nil
}

// order returns the tasks in the order of a round. The order is random, but follows from the seed. Tasks that are
// compared with each other, those with the same group, clients and delay, stay together.
func (b *bench) order(tasks []task, round int) []task {
	random := rand.New(rand.NewPCG(b.seed, uint64(round))) //nolint:gosec // the same seed must give the same order
	type block struct {
		group          string
		clients, delay int
	}
	blocks := map[block][]task{}
	var order []block
	for _, t := range tasks {
		key := block{group: t.cells[0].Group, clients: t.cells[0].Clients, delay: t.cells[0].DelayMS}
		if _, ok := blocks[key]; !ok {
			order = append(order, key)
		}
		blocks[key] = append(blocks[key], t)
	}
	random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	var out []task
	for _, key := range order {
		compared := slices.Clone(blocks[key])
		random.Shuffle(len(compared), func(i, j int) { compared[i], compared[j] = compared[j], compared[i] })
		out = append(out, compared...)
	}
	slices.SortStableFunc(out, func(a, b task) int { return cmp.Compare(runsLast(a), runsLast(b)) })
	return out
}

// runsLast returns 1 for tasks that run once, and 0 for others. The former run last because they may slow down the
// others.
func runsLast(t task) int {
	if t.rounds == 1 {
		return 1
	}
	return 0
}

// revision returns the commit of the checkout, with a star if there are uncommitted changes.
func (b *bench) revision(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "-C", b.root, "describe", "--always", "--dirty=*").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
