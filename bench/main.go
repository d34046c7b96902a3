// Command bench measures the product against what people would use instead, in one run, on real processes: see
// docs/benchmarks.md. It prints tables, keeps what it has measured in .dev/bench, and writes docs/benchmarks.md and .svg.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"minigroups/bench/report"
)

type options struct {
	root    string
	quick   bool
	selects string
	home    string
	seed    uint64
	rounds  int
	length  length
	docs    bool
	again   bool
	plan    bool
}

func main() {
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func start() error {
	var o options
	flag.StringVar(&o.root, "root", ".", "the folder of the product")
	flag.BoolVar(&o.quick, "quick", false, "two minutes: two rounds of short windows, Temporal on its dev server alone")
	flag.StringVar(&o.selects, "select", "", "which groups, by commas: "+strings.Join(report.Groups(), ", ")+"; all")
	flag.Uint64Var(&o.seed, "seed", 0, "of the order; 0 draws one")
	flag.IntVar(&o.rounds, "rounds", 0, "how many; 0 is the usual number")
	flag.DurationVar(&o.length.window, "window", 0, "how long is measured; 0s is the usual time")
	flag.StringVar(&o.home, "temporal", "", "what Temporal runs on: dev or postgres; empty is the usual")
	flag.BoolVar(&o.docs, "docs", false, "write docs/benchmarks.md and .svg, as a full run of all groups does")
	flag.BoolVar(&o.again, "report", false, "show the last run again, measuring nothing")
	flag.BoolVar(&o.plan, "plan", false, "show what would be measured")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return run(ctx, o)
}

func run(ctx context.Context, o options) error {
	kept := filepath.Join(o.root, ".dev", "bench", "last.json")
	if o.again {
		r, err := report.Load(kept)
		if err != nil {
			return err
		}
		return show(r, o)
	}
	b := newBench(o)
	tasks, err := b.tasks()
	if err != nil {
		return err
	}
	b.tell(tasks)
	if o.plan {
		return nil
	}
	r, err := b.run(ctx, tasks)
	if len(r.Samples) > 0 { // what there is of a run that was broken off is worth a look
		err = errors.Join(err, r.Save(kept), r.Save(filepath.Join(filepath.Dir(kept), r.Begun.UTC().Format("20060102T150405Z")+".json")))
	}
	if err != nil {
		return err
	}
	o.docs = o.docs || !o.quick && o.selects == ""
	return show(r, o)
}

// show prints the tables, and writes the documents where they are wanted.
func show(r report.Run, o options) error {
	for _, t := range r.Tables() {
		if err := t.WriteText(os.Stdout); err != nil {
			return err
		}
	}
	if !o.docs {
		return nil
	}
	for name, write := range map[string]func(io.Writer) error{"benchmarks.md": r.WriteDocument, "benchmarks.svg": r.WritePicture} {
		var text strings.Builder
		if err := write(&text); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(o.root, "docs", name), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// The lengths of runs.
const (
	fullRounds, fullRows, fullOpen    = 5, report.Large, 10_000
	quickRounds, quickRows, quickOpen = 2, 100_000, 100
)

var (
	fullLength  = length{warmUp: 2 * time.Second, window: 20 * time.Second}
	quickLength = length{warmUp: 200 * time.Millisecond, window: time.Second}
)

// bench is one run.
type bench struct {
	options
	world *world
	// rows is how many minigroups the database holds that is read; sizes are those between which growth is compared, and open is
	// how many sagas are open for that.
	rows   int
	sizes  []int
	open   int
	groups []string
	home   string
}

// homes are the values of -temporal.
var homes = map[string]string{"dev": report.DevServer, "postgres": report.PostgreSQL}

func newBench(o options) *bench {
	b := &bench{options: o, rows: fullRows, home: report.PostgreSQL, groups: report.Groups()}
	b.sizes, b.open = []int{report.Small, 100_000, report.Large}, fullOpen
	usual, rounds := fullLength, fullRounds
	if o.quick {
		usual, rounds = quickLength, quickRounds
		b.rows, b.sizes, b.open = quickRows, []int{report.Small, quickRows}, quickOpen
		b.home = report.DevServer
		b.groups = []string{report.Writes, report.Reads, report.Footprint}
	}
	b.length.warmUp = usual.warmUp
	if o.length.window == 0 {
		b.length.window = usual.window
	}
	if o.rounds == 0 {
		b.rounds = rounds
	}
	for o.seed == 0 {
		o.seed = rand.Uint64N(1_000_000) //nolint:gosec // it only has to be another one
	}
	b.seed = o.seed
	if o.home != "" {
		b.home = homes[o.home]
	}
	if o.selects != "" {
		b.groups = strings.Split(o.selects, ",")
	}
	b.world = newWorld(o.root, b.home, os.Stderr)
	return b
}

// tasks are those of the chosen groups.
func (b *bench) tasks() (tasks []task, err error) {
	makers := map[string]func() []task{
		report.Writes: b.writes, report.Reads: b.reads, report.Growth: b.growth,
		report.Bulkheads: b.bulkheads, report.Overload: b.overload, report.Footprint: b.footprint,
	}
	if b.home == "" {
		return nil, fmt.Errorf("there is no Temporal on %q, but dev and postgres", b.options.home)
	}
	for _, group := range b.groups {
		maker, ok := makers[group]
		if !ok {
			return nil, fmt.Errorf("there is no group %q, but %s", group, strings.Join(report.Groups(), ", "))
		}
		tasks = append(tasks, maker()...)
	}
	return tasks, nil
}

// tell shows the plan.
func (b *bench) tell(tasks []task) {
	windows, takes := b.extent(tasks)
	fmt.Printf("%s: %d rounds, %d windows, about %s and the start of everything, seed %d, Temporal on %s\n",
		strings.Join(b.groups, ", "), b.rounds, windows, takes.Round(time.Second), b.seed, b.home)
}

func (b *bench) run(ctx context.Context, tasks []task) (r report.Run, err error) {
	begun := time.Now()
	defer b.world.stop(ctx)
	if err := b.world.open(ctx); err != nil {
		return r, err
	}
	return b.measure(ctx, begun, tasks)
}

// extent is how many windows a run has, and how long they take.
func (b *bench) extent(tasks []task) (windows int, takes time.Duration) {
	for _, t := range tasks {
		for round := range b.rounds {
			if t.in(round, b.rounds) {
				windows++
				takes += t.takes
			}
		}
	}
	return windows, takes
}

func (b *bench) measure(ctx context.Context, begun time.Time, tasks []task) (r report.Run, err error) {
	for _, t := range tasks {
		if err := t.prepare(ctx); err != nil {
			return r, err
		}
	}
	r = report.Run{
		Begun: begun, Quick: b.quick, Seed: b.seed, Rounds: b.rounds, Window: b.length.window.Seconds(), WarmUp: b.length.warmUp.Seconds(),
		Machine: report.ThisMachine(), Home: b.home, Rows: b.rows, Subjects: b.subjects(), Revision: b.revision(ctx),
	}
	for _, t := range tasks {
		r.Cells = append(r.Cells, t.cells...)
	}
	if r.Machine.Postgres, err = b.world.postgresVersion(ctx); err != nil {
		return r, err
	}
	windows, _ := b.extent(tasks)
	progress := progress{of: windows, begun: time.Now()}
	for round := range b.rounds {
		for _, t := range b.order(tasks, round) {
			if !t.in(round, b.rounds) {
				continue
			}
			samples, err := t.run(ctx)
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			if err != nil { // the others can be measured all the same
				samples = append(samples, report.Sample{Cell: t.cells[0], Failure: err.Error()})
			}
			for _, s := range samples {
				s.Round = round
				r.Samples = append(r.Samples, s)
				progress.tell(round, s)
			}
			progress.done++
		}
	}
	r.Took = time.Since(begun).Seconds()
	return r, nil
}

// order draws the order of a round: what is compared with each other stays together, everything else comes as it is drawn.
func (b *bench) order(tasks []task, round int) []task {
	random := rand.New(rand.NewPCG(b.seed, uint64(round))) //nolint:gosec // the same seed is to draw the same order
	type block struct {
		group          string
		clients, delay int
	}
	blocks := map[block][]task{}
	var order []block
	for _, t := range tasks {
		key := block{t.cells[0].Group, t.cells[0].Clients, t.cells[0].DelayMS}
		if _, ok := blocks[key]; !ok {
			order = append(order, key)
		}
		blocks[key] = append(blocks[key], t)
	}
	random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	var out []task
	for _, key := range order {
		together := slices.Clone(blocks[key])
		random.Shuffle(len(together), func(i, j int) { together[i], together[j] = together[j], together[i] })
		out = append(out, together...)
	}
	slices.SortStableFunc(out, func(a, b task) int { return cmp.Compare(last(a), last(b)) })
	return out
}

// last is 1 for what is measured once: it may leave much behind, so it comes last.
func last(t task) int {
	if t.rounds == 1 {
		return 1
	}
	return 0
}

// revision is the commit that is measured, with a star where there is more than was committed.
func (b *bench) revision(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "-C", b.root, "describe", "--always", "--dirty=*").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
