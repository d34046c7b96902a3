package report

import (
	"fmt"
	"time"
)

// Values of the group Service, beside those of a window.
const (
	// LostAttempts counts requests to create a room that nothing has answered, and Orphans the open rooms at event and
	// conference that no class holds.
	LostAttempts = "attempts lost"
	Orphans      = "rooms of no class"
	// NoConnection counts the requests that conference refused because it had no database connection for them.
	NoConnection = "refused by conference for want of a connection"
	// P50Alone is the p50 of one client before a load, and Recovery how long after the load it is as good again.
	P50Alone = "p50 of 1 client before, ms"
	Recovery = "recovery, s"
	// FloodThroughput is that of the audience that floods.
	FloodThroughput = "requests/s of the other audience"
)

// SlowThenFrozen is the work of creating classes while conference is slow, then frozen, then back. Its values follow.
const (
	SlowThenFrozen = "creates while conference is slow, then frozen"

	Started      = "creates started"
	ReadyInTime  = "creates answered 201"
	Accepted     = "creates answered 202"
	Refused      = "creates answered 503"
	Newcomers    = "newcomers after the return"
	LongestWait  = "newcomers, longest wait, s"
	Ready        = "classes ready in the end"
	Undone       = "classes undone in the end"
	Unfinished   = "classes or rooms unfinished in the end"
	Drained      = "backlog done after the return, s"
	MostInFlight = "most requests in flight to conference"
)

// Callers returns the numbers of callers of the loads.
func Callers() []int { return []int{8, 32, 128, 256} }

// Flood is one audience beside another one that floods the product with creates.
type Flood struct {
	// Alone and Beside are the names of the work without and with the flood.
	Alone, Beside string
	// Delay is how long conference takes for an answer; 0 is as long as the real one.
	Delay time.Duration
}

// Floods returns those that are measured: while the machine limits the throughput, and while conference does.
func Floods() []Flood {
	return []Flood{
		{Alone: "create", Beside: "create beside 128 callers of another audience"},
		{
			Alone:  "create, conference takes 250 ms",
			Beside: "create beside 128 callers of another audience, conference takes 250 ms",
			Delay:  250 * time.Millisecond,
		},
	}
}

// ServiceCell is a cell of the group Service.
func ServiceCell(work string, callers int) Cell {
	return Cell{Group: Service, Subject: ProductCluster, Work: work, Clients: callers}
}

// serviceGoals returns the goals of the group Service.
func serviceGoals() []Goal {
	var loads []Cell
	for _, callers := range Callers() {
		loads = append(loads, ServiceCell(Create, callers))
	}
	few, many := loads[0], loads[len(loads)-1]
	outage := ServiceCell(SlowThenFrozen, 0)
	description := fmt.Sprintf("overload of a service, %d to %d callers: ", few.Clients, many.Clients)
	goals := []Goal{
		{
			Description: fmt.Sprintf("overload of a service: creates per second, %d callers ÷ %d", many.Clients, few.Clients),
			Bound:       0.9,
			compute:     ratio(valueOf(many, Throughput), valueOf(few, Throughput)),
		},
		{
			Description: description + "attempts lost, most in a round",
			AtMost:      true, everyRound: true, compute: sumOf(LostAttempts, loads...),
		},
		{
			Description: description + "rooms of no class, most in a round",
			AtMost:      true, everyRound: true, compute: sumOf(Orphans, loads...),
		},
		{
			Description: description + "until creates of 1 client are as fast as before, longest",
			Unit:        " s", AtMost: true, Bound: 2, reason: reasonRecovery,
			everyRound: true, compute: mostOf(Recovery, loads...),
		},
		{
			Description: "conference slow, then frozen: rooms of no class, and classes and rooms unfinished",
			AtMost:      true, everyRound: true,
			compute: sumOfNames(outage, Orphans, Unfinished),
		},
	}
	for _, f := range Floods() {
		goal := Goal{
			Description: "p99, 2 callers: " + f.Beside + " ÷ alone", AtMost: true, Bound: 2,
			compute: ratio(valueOf(ServiceCell(f.Beside, 2), P99), valueOf(ServiceCell(f.Alone, 2), P99)),
		}
		if f.Delay == 0 { // the machine limits the throughput
			goal.reason = reasonFlood
		}
		goals = append(goals, goal)
	}
	return goals
}

// sumOf adds up a value of several cells. It is ok if all of them have the value.
func sumOf(name string, cells ...Cell) measure {
	return fold(func(sum, v float64) float64 { return sum + v }, name, cells)
}

// mostOf is the highest value of several cells, under the same condition.
func mostOf(name string, cells ...Cell) measure {
	return fold(func(most, v float64) float64 { return max(most, v) }, name, cells)
}

func fold(join func(a, b float64) float64, name string, cells []Cell) measure {
	return func(r round) (result float64, ok bool) {
		for _, c := range cells {
			v, ok := r[c][name]
			if !ok {
				return 0, false
			}
			result = join(result, v)
		}
		return result, true
	}
}

// serviceTable has a row for each load of the group Service.
func (r Run) serviceTable(cells []Cell) Table {
	t := Table{
		Title: "Overload of a service", TextColumns: 1,
		Note: "The product in the shape of `make cluster`: " +
			"2 APIs and 3 workers with the default limits, against stand-ins of event and conference with 10 database " +
			"connections each, which store rooms. Medians of the rounds, minimum and maximum in brackets; sums of the rounds " +
			"for what is lost. Recovery is the time from the last answer under load until ten creates of one client in a row " +
			"are as fast as before.",
		Head: []string{
			"work", "callers", "creates/s", "p50 ms", "p99 ms", "attempts lost", "rooms of no class",
			"refused by conference", "recovery s", "CPU ms per create", "failed",
		},
	}
	for _, c := range cells {
		if c.Work == SlowThenFrozen {
			continue
		}
		cpu := r.cpu(c)
		if c.Work != Create { // the flood, whose creates are not counted, uses most of it
			cpu = "–"
		}
		t.Rows = append(t.Rows, []string{
			c.Work, fmt.Sprint(c.Clients),
			r.format(valueOf(c, Throughput)), r.format(valueOf(c, P50)), r.format(valueOf(c, P99)),
			r.total(c, LostAttempts), r.total(c, Orphans), r.total(c, NoConnection),
			r.format(valueOf(c, Recovery)), cpu, r.total(c, Failed),
		})
	}
	return t
}

// serviceTables returns the tables of the group.
func (r Run) serviceTables(cells []Cell) (tables []Table) {
	if t := r.serviceTable(cells); len(t.Rows) > 0 {
		tables = append(tables, t)
	}
	for _, c := range cells {
		if c.Work == SlowThenFrozen {
			tables = append(tables, r.valueTable("Conference slow, then frozen, then back", []Cell{c}))
		}
	}
	return tables
}
