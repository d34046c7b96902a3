package main

import (
	"context"

	"github.com/valyala/fasthttp"

	"minigroups/bench/report"
)

// productWithRows starts the product with a data set of that many minigroups.
func (b *bench) productWithRows(rows int) starter {
	name := report.ProductWithRows(rows)
	return func(ctx context.Context) (*system, error) {
		return b.env.system(ctx, name, func(ctx context.Context, s *system) error {
			cfg, err := b.env.prepareProduct(ctx, s, b.env.defaultTemporal)
			if err != nil {
				return err
			}
			b.env.printf("inserting %d minigroups", rows)
			if err := fill(ctx, b.env.postgres.URL(s.database), rows); err != nil {
				return err
			}
			return b.env.startProduct(ctx, s, cfg)
		})
	}
}

// reads measures reads of the product by id and by scope, its lists and reads that wait, reads of the same API with one
// query per read and without a database, of a bare handler, and of pgbench on the same database.
func (b *bench) reads() []task {
	product := b.productWithRows(b.rows)
	rival := func(name, rival string) starter {
		return func(ctx context.Context) (*system, error) {
			filled, err := product(ctx)
			if err != nil {
				return nil, err
			}
			return b.env.system(ctx, name, func(ctx context.Context, s *system) error {
				s.database = filled.database
				return b.env.startRival(ctx, s, rival, "")
			})
		}
	}
	byID, byScope := readsByID(b.rows), readsByScope(b.rows)
	const ok = fasthttp.StatusOK
	var tasks []task
	for _, clients := range []int{1, 32} {
		cell := func(subject, work string) report.Cell {
			return report.Cell{Group: report.Reads, Subject: subject, Work: work, Clients: clients}
		}
		tasks = append(tasks,
			b.pgbench(cell(report.PGBench, report.Select)),
			b.window(cell(report.Product, report.ReadByID), ok, product, byID),
			b.window(cell(report.Product, report.ReadByScope), ok, product, byScope))
		tasks = append(tasks, twoRounds(
			b.window(cell(report.Product, report.ListReady), ok, product, listsOfReady),
			b.window(cell(report.Product, report.ListOfHost), ok, product, listsOfHost))...)
		if clients == 1 {
			continue
		}
		tasks = append(tasks,
			b.window(cell(report.QueryPerRead, report.ReadByID), ok, rival(report.QueryPerRead, "lookup"), byID),
			b.window(cell(report.NoDatabase, report.ReadByID), ok, rival(report.NoDatabase, "constant"), byID),
			b.window(cell(report.BareGin, report.ReadByID), ok, rival(report.BareGin, "bare"), byID))
	}
	return append(tasks, twoRounds(b.waits(product))...)
}
