package report

import "fmt"

// The sizes of the database that growth compares.
const (
	Small = 1_000
	Large = 1_000_000
)

// Goal is a bound for a figure of the product. The figure is computed for each round; usually its median is compared.
type Goal struct {
	Description string
	Unit        string
	// AtMost makes Bound an upper bound; otherwise it is a lower one.
	AtMost bool
	Bound  float64

	compute measure
	// everyRound demands the bound of each round instead of the median.
	everyRound bool
	// before is the figure of the run before, as docs/benchmarks.md gave it; empty if it was not measured.
	before string
	// reason is why the goal is missed, from the last analysis; empty if there is none.
	reason string
}

// runBefore is the run with the figures that are called before.
const runBefore = "28 November 2026, commit 708d3ac"

// BoundText returns the bound with its sign and unit.
func (g Goal) BoundText() string {
	sign := "≥"
	if g.AtMost {
		sign = "≤"
	}
	return fmt.Sprintf("%s %g%s", sign, g.Bound, g.Unit)
}

func (g Goal) met(value float64) bool {
	if g.AtMost {
		return value <= g.Bound
	}
	return value >= g.Bound
}

// compared returns the figure that is compared with the bound.
func (g Goal) compared(s Spread) float64 {
	switch {
	case !g.everyRound:
		return s.Median
	case g.AtMost:
		return s.Max
	default:
		return s.Min
	}
}

// Verdict is the result of a run for a goal.
type Verdict struct {
	Goal
	Spread
	Measured, Met bool
}

// Result returns met, missed or not measured.
func (v Verdict) Result() string {
	switch {
	case !v.Measured:
		return "not measured"
	case v.Met:
		return "met"
	default:
		return "missed"
	}
}

// Goals returns all goals.
func (r Run) Goals() []Goal {
	one := func(subject string) Cell {
		return Cell{Group: Writes, Subject: subject, Work: Create, Clients: 1, DelayMS: 10}
	}
	many := func(subject string) Cell { return Cell{Group: Writes, Subject: subject, Work: Create, Clients: 32} }
	updates := Cell{Group: Writes, Subject: Product, Work: Update, Clients: 32}
	run := Cell{Group: Writes, Subject: MakeRun, Work: Create, Clients: 1}
	read := func(subject, work string) Cell { return Cell{Group: Reads, Subject: subject, Work: work, Clients: 32} }
	sized := func(rows int) Cell {
		return Cell{Group: Growth, Subject: ProductWithRows(rows), Work: Create, Clients: 1}
	}
	isolated := func(subject string) Cell {
		return Cell{Group: Isolation, Subject: subject, Work: Create, Clients: 32}
	}
	idle := Cell{Group: Footprint, Subject: Product, Work: Idle}
	tuned := Product
	if r.DefaultTemporal != DevServer {
		tuned = ProductOnDev
	}
	return append([]Goal{
		{
			Description: "create, 1 client, 10 ms per upstream call: p50 of the product − p50 of direct",
			Unit:        " ms", AtMost: true, Bound: 10, reason: reasonLatency,
			before:  "13.1 [11.4–13.5] ms",
			compute: difference(valueOf(one(Product), P50), valueOf(one(Direct), P50)),
		},
		{
			Description: "creates per second, 32 clients, Temporal on " + r.DefaultTemporal + ": product ÷ plain",
			Bound:       3.5, reason: reasonThroughput,
			before:  "3.82 [3.46–3.87]",
			compute: ratio(valueOf(many(Product), Throughput), valueOf(many(Plain), Throughput)),
		},
		{
			Description: "creates per second, 32 clients: product ÷ no-op twin",
			Bound:       0.85, reason: reasonTwin,
			before:  "0.65 [0.60–0.68]",
			compute: ratio(valueOf(many(Product), Throughput), valueOf(many(NoOpTwin), Throughput)),
		},
		{
			Description: "CPU time per create, 32 clients: service, Temporal, Postgres and upstreams",
			Unit:        " ms", AtMost: true, Bound: 13.5,
			before:  "18.6 ms",
			compute: cpuPerRequest(many(Product)),
		},
		{
			Description: "updates per second ÷ creates per second of the product, 32 clients",
			Bound:       1,
			before:      "0.70",
			compute:     ratio(valueOf(updates, Throughput), valueOf(many(Product), Throughput)),
		},
		{
			Description: "make run: p50 of a create, 1 client",
			Unit:        " ms", AtMost: true, Bound: 15,
			compute: valueOf(run, P50),
		},
		{
			Description: "create, 1 client: p50 of the product with the dev server's default settings ÷ with ours",
			Bound:       5, reason: reasonTuning,
			before:  "0.97 [0.95–1.01]",
			compute: ratio(valueOf(one(ProductStock), P50), valueOf(one(tuned), P50)),
		},
		{
			Description: "reads per second, 32 connections: product ÷ pgbench -S -M prepared",
			Bound:       0.45, reason: reasonReads,
			before:  "0.30 [0.30–0.31]",
			compute: ratio(valueOf(read(Product, ReadByID), Throughput), valueOf(read(PGBench, Select), Throughput)),
		},
		{
			Description: "the same reads: p99 of the product ÷ p99 with one query per read",
			AtMost:      true, Bound: 1,
			before:  "0.53 [0.51–0.58]",
			compute: ratio(valueOf(read(Product, ReadByID), P99), valueOf(read(QueryPerRead, ReadByID), P99)),
		},
		{
			Description: "reads per second, 32 connections: no database ÷ bare Gin handler",
			Bound:       0.7,
			compute: ratio(
				valueOf(read(NoDatabase, ReadByID), Throughput), valueOf(read(BareGin, ReadByID), Throughput)),
		},
		{
			Description: "creates per second, 32 clients: with 500 sagas stuck on a hanging upstream ÷ without",
			Bound:       0.9, reason: reasonStuck,
			before:  "1.10 [0.98–1.25]",
			compute: ratio(valueOf(isolated(ProductStuck), Throughput), valueOf(isolated(Product), Throughput)),
		},
		{
			Description: fmt.Sprintf("create, 1 client: p50 with %d minigroups ÷ with %d", Large, Small),
			AtMost:      true, Bound: 1.2,
			before:  "1.07 [0.93–1.14]",
			compute: ratio(valueOf(sized(Large), P50), valueOf(sized(Small), P50)),
		},
		{
			Description: "resident memory, idle, API and worker",
			Unit:        " MB", AtMost: true, Bound: 60, reason: reasonMemory,
			before:  "71.4 [71.0–71.6] MB",
			compute: valueOf(idle, ResidentTotal),
		},
	}, serviceGoals()...)
}

// DevServer and PostgreSQL are the kinds of Temporal servers.
const (
	DevServer  = "the dev server"
	PostgreSQL = "PostgreSQL"
)

// Verdicts compares the run with all goals.
func (r Run) Verdicts() []Verdict {
	var out []Verdict
	for _, goal := range r.Goals() {
		v := Verdict{Goal: goal}
		v.Spread, v.Measured = r.spreadOf(goal.compute)
		v.Met = v.Measured && goal.met(goal.compared(v.Spread))
		out = append(out, v)
	}
	return out
}

// The reasons why goals are missed, from profiles of the service, statistics of Postgres and the CPU times in the
// tables.
const (
	reasonLatency = "a trace of one create on an otherwise idle machine shows 11.1 ms for the upstream calls, 5.1 ms " +
		"for Temporal to store the workflow before its first step, 3.3 ms for the ledger (begin 1.6, " +
		"answers 1.0, establish 0.7), 0.6 ms to read the row before, and 1.5 ms for the SDK between the " +
		"steps. In a series of creates, the work that Temporal does after a response (closing the workflow, " +
		"visibility) slows down the next create, because both cores are half busy: see CPU ms per request"
	reasonThroughput = "Temporal and its rows take most of the CPU time (see CPU ms per request)"
	reasonTwin       = "the twin runs the same workflow and sends the same responses, but its steps do nothing. Besides " +
		"Temporal's work the product sends three requests and writes the ledger: five transactions that " +
		"Postgres must flush to disk (begin, three answers in parallel, establish). Without them a lost " +
		"reply would leak a room. The difference in CPU ms per request is mostly Postgres"
	reasonTuning = "a create of the product is one workflow task, which the worker receives with the response that " +
		"starts the workflow. It never waits for a poll of a task queue, and only polls are up to 50 ms " +
		"slower with the default settings. Workflows that wait for polls gain: compare plain with default " +
		"settings and with ours"
	reasonReads = "the handler does not reach the goal even without a database (see \"no database\"). A profile of the " +
		"service during reads shows 30 % of the CPU time in net/http and the connection, 35 % in the " +
		"handlers (token, policy, JSON, ETag, headers, log), 15 % in the batch reader and pgx, and 8 % in " +
		"the garbage collector"
	reasonStuck = "no create waits for the stuck sagas, but each of them retries every few seconds for minutes, and " +
		"each attempt is work for Temporal, Postgres and the service (see CPU ms per request)"
	reasonMemory = "each process has 7 MB of heap and stacks. The rest is mapped code of the Temporal SDK, gRPC, " +
		"protobuf and the drivers (see anonymous memory)"
)
