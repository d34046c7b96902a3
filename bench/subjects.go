package main

import (
	"minigroups/bench/report"
	"minigroups/bench/rivals"
)

// subjects describes everything that is measured.
func (b *bench) subjects() []report.Subject {
	all := []report.Subject{{
		Name: report.Product,
		Description: "this service through its REST API; one process serves the API and runs the sagas; " +
			"updates change the time of a class by its scope",
	}}
	for _, r := range rivals.All() {
		all = append(all, report.Subject{Name: r.Name, Description: r.Description, Weakness: r.Weakness})
	}
	return append(all,
		report.Subject{
			Name:        report.ProductStock + " and " + report.PlainStock,
			Description: "the same on a Temporal dev server with its default settings",
		},
		report.Subject{
			Name: report.MakeRun,
			Description: "the product in the shape of `make run`: an API that also runs the sagas, a worker beside it, a " +
				"Temporal dev server with our dynamic configuration, stand-ins that store rooms and take as long as the real " +
				"services, and an MQTT broker; the sweeper runs",
		},
		report.Subject{
			Name:        report.PGBench,
			Description: "Postgres's own benchmark, which reads one row by its key, on the same database with as many rows",
			Weakness:    "no HTTP, no JSON, no tokens",
		},
		report.Subject{
			Name:        report.QueryPerRead,
			Description: "the same API with one query to Postgres for each read",
		},
		report.Subject{
			Name:        report.NoDatabase,
			Description: "the same API, which answers every read with the same minigroup from memory",
		},
		report.Subject{
			Name: report.BareGin,
			Description: "a handler of Gin, the router of the API, that sends the bytes of \"no database\": the most that " +
				"Gin and net/http reach here",
			Weakness: "no tokens, no policy, no log, no metrics",
		},
	)
}
