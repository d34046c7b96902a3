package report

import "fmt"

// The sizes of the database between which growth is compared.
const (
	Small = 1_000
	Large = 1_000_000
)

// Goal is what the product is held to: a figure that is worked out in each round, whose median counts.
type Goal struct {
	// Says in words what is measured.
	Says string
	Unit string
	// AtMost says that the figure must not be above Bound; otherwise it must not be below.
	AtMost bool
	Bound  float64

	measure measure
	// forbids is what profiles say to why it is missed, where it is.
	forbids string
}

// Bar says the bound in words.
func (g Goal) Bar() string {
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

// Verdict is what a run says of a goal.
type Verdict struct {
	Goal
	Spread
	Measured, Met bool
}

// Word is met, missed or not measured.
func (v Verdict) Word() string {
	switch {
	case !v.Measured:
		return "not measured"
	case v.Met:
		return "met"
	default:
		return "missed"
	}
}

// Goals are all of them.
func (r Run) Goals() []Goal {
	one := func(subject string) Cell { return Cell{Writes, subject, Create, 1, 10} }
	many := func(subject string) Cell { return Cell{Writes, subject, Create, 32, 0} }
	read := func(subject, work string) Cell { return Cell{Reads, subject, work, 32, 0} }
	sized := func(rows int) Cell { return Cell{Growth, Sized(rows), Create, 1, 0} }
	stuck := func(subject string) Cell { return Cell{Bulkheads, subject, Create, 32, 0} }
	tuned := Product
	if r.Home != DevServer {
		tuned = ProductOnDev
	}
	return []Goal{
		{"create, 1 client, 10 ms per upstream call: p50 of the product − p50 of direct", " ms", true, 10,
			minus(value(one(Product), P50), value(one(Direct), P50)), forbidsLatency},
		{"creates per second, 32 clients, Temporal on " + r.Home + ": product ÷ plain", "", false, 3.5,
			over(value(many(Product), PerSecond), value(many(Plain), PerSecond)), forbidsThroughput},
		{"creates per second, 32 clients: product ÷ no-op twin", "", false, 0.8,
			over(value(many(Product), PerSecond), value(many(Twin), PerSecond)), forbidsTwin},
		{"create, 1 client: p50 of the product on stock server settings ÷ on ours", "", false, 5,
			over(value(one(ProductStock), P50), value(one(tuned), P50)), forbidsTuning},
		{"reads per second, 32 connections: product ÷ pgbench -S -M prepared", "", false, 0.55,
			over(value(read(Product, ReadByID), PerSecond), value(read(PGBench, Select), PerSecond)), forbidsReads},
		{"the same reads: p99 of the product ÷ p99 with a query per read", "", true, 1,
			over(value(read(Product, ReadByID), P99), value(read(Lookup, ReadByID), P99)), ""},
		{"creates per second, 32 clients: with 500 sagas stuck on a hanging upstream ÷ without", "", false, 0.9,
			over(value(stuck(ProductCrowd), PerSecond), value(stuck(Product), PerSecond)), forbidsCrowd},
		{fmt.Sprintf("create, 1 client: p50 with %d minigroups ÷ with %d", Large, Small), "", true, 1.2,
			over(value(sized(Large), P50), value(sized(Small), P50)), ""},
		{"resident memory, idle, API and worker", " MB", true, 60,
			value(Cell{Footprint, Product, Idle, 0, 0}, ResidentAll), forbidsMemory},
	}
}

// DevServer and PostgreSQL are the homes of Temporal.
const (
	DevServer  = "its dev server"
	PostgreSQL = "PostgreSQL"
)

// Verdicts judges the run.
func (r Run) Verdicts() []Verdict {
	var out []Verdict
	for _, goal := range r.Goals() {
		v := Verdict{Goal: goal}
		v.Spread, v.Measured = r.of(goal.measure)
		v.Met = v.Measured && goal.met(v.Median)
		out = append(out, v)
	}
	return out
}

// What forbids goals, by the profiles of the service, the statistics of Postgres and the CPU times in the tables.
const (
	forbidsLatency = "by a trace of one create with nothing else on the machine: 11.1 ms the calls, 5.1 ms Temporal writing the run before anything " +
		"is asked of anybody, 3.3 ms the ledger (begin 1.6, answers 1.0, establish 0.7), 0.6 ms reading the row before, 1.5 ms the SDK between the steps. " +
		"In a row of creates what Temporal has left to do for one that is answered (closing the run, its " +
		"visibility) slows the next one down, for both cores are half busy: see CPU ms each"
	forbidsThroughput = "Temporal and its rows take most of the CPU (see CPU ms each)"
	forbidsTwin       = "the twin is run and answered as the product is, and does nothing. What the product does beside Temporal are three requests and " +
		"the ledger, five transactions which Postgres has to bring to the disk (begin, three answers at once, establish), and without which a lost reply " +
		"would leak a room: the difference in CPU ms each, of which Postgres has the most"
	forbidsTuning = "a create of the product is one workflow task, handed to the worker in the answer that starts its run. It never waits for a " +
		"poll of a task queue, and those are what stock settings delay by up to 50 ms each: there is nothing to gain. What waits for polls gains: " +
		"see plain with stock settings and with ours"
	forbidsReads = "even without a database the handler does not get there (see \"no database\"). Of the CPU time of the service in a read, a profile " +
		"gives 30 % to net/http and the connection, 35 % to the handlers (token, policy, JSON, tag, headers, log), 15 % to gathering and pgx, 8 % to " +
		"the garbage collector"
	forbidsCrowd = "nothing waits for them, but each tries again every few seconds for minutes, and each try is work for Temporal, Postgres and the " +
		"service (see CPU ms each)"
	forbidsMemory = "7 MB of each process are its own; the rest is mapped code, of the Temporal SDK, gRPC, protobuf and the drivers (see \"not code\")"
)
