package main

import (
	"minigroups/bench/report"
	"minigroups/bench/rivals"
)

// subjects tells what everything is that is measured.
func (b *bench) subjects() []report.Subject {
	all := []report.Subject{{
		Name: report.Product,
		Does: "this service through its REST API, which one process answers and carries out the sagas of; updates move a class by its scope",
	}}
	for _, r := range rivals.All() {
		all = append(all, report.Subject{Name: r.Name, Does: r.Does, Weakness: r.Weakness})
	}
	return append(all,
		report.Subject{Name: report.ProductStock + ", " + report.PlainStock, Does: "the same on a Temporal dev server with its own settings"},
		report.Subject{Name: report.PGBench, Does: "Postgres's own benchmark, one row by its key, on the same database with as many rows", Weakness: "no HTTP, no JSON, no tokens"},
		report.Subject{Name: report.Lookup, Does: "the same API, asking Postgres for each read by itself"},
		report.Subject{Name: report.NoDatabase, Does: "the same API, answering every read with the same minigroup from memory"},
	)
}
