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
			minus(value(one(Product), P50), value(one(Direct), P50))},
		{"creates per second, 32 clients, Temporal on " + r.Home + ": product ÷ plain", "", false, 3.5,
			over(value(many(Product), PerSecond), value(many(Plain), PerSecond))},
		{"creates per second, 32 clients: product ÷ no-op twin", "", false, 0.8,
			over(value(many(Product), PerSecond), value(many(Twin), PerSecond))},
		{"create, 1 client: p50 of the product on stock server settings ÷ on ours", "", false, 5,
			over(value(one(ProductStock), P50), value(one(tuned), P50))},
		{"reads per second, 32 connections: product ÷ pgbench -S -M prepared", "", false, 0.55,
			over(value(read(Product, ReadByID), PerSecond), value(read(PGBench, Select), PerSecond))},
		{"the same reads: p99 of the product ÷ p99 with a query per read", "", true, 1,
			over(value(read(Product, ReadByID), P99), value(read(Lookup, ReadByID), P99))},
		{"creates per second, 32 clients: with 500 sagas stuck on a hanging upstream ÷ without", "", false, 0.9,
			over(value(stuck(ProductCrowd), PerSecond), value(stuck(Product), PerSecond))},
		{fmt.Sprintf("create, 1 client: p50 with %d minigroups ÷ with %d", Large, Small), "", true, 1.2,
			over(value(sized(Large), P50), value(sized(Small), P50))},
		{"resident memory, idle, API and worker", " MB", true, 60,
			value(Cell{Footprint, Product, Idle, 0, 0}, ResidentAll)},
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
