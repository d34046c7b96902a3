package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"minigroups/bench/load"
	"minigroups/bench/report"
	"minigroups/stack"
)

// filled is the product with a data set of so many rows.
func (b *bench) filled(rows int) func(context.Context) (*system, error) {
	name := report.Sized(rows)
	return func(ctx context.Context) (*system, error) {
		return b.world.system(ctx, name, func(ctx context.Context, s *system) error {
			cfg, err := b.world.prepareProduct(ctx, s, b.world.home)
			if err != nil {
				return err
			}
			b.world.say("filling in %d minigroups", rows)
			if err := fill(ctx, b.world.postgres.URL(s.database), rows); err != nil {
				return err
			}
			return b.world.startProduct(ctx, s, cfg)
		})
	}
}

// reads are those of the product, by id and by scope, of the same API with a query for each read and without a database, and of
// pgbench, on the same database.
func (b *bench) reads() []task {
	product := b.filled(b.rows)
	onDataset := func(name, rival string) func(context.Context) (*system, error) {
		return func(ctx context.Context) (*system, error) {
			filled, err := product(ctx)
			if err != nil {
				return nil, err
			}
			return b.world.system(ctx, name, func(ctx context.Context, s *system) error {
				s.database = filled.database
				return b.world.serve(ctx, s, rival, "")
			})
		}
	}
	byID := func(context.Context, *system) (load.Work, error) { return readsByID(b.rows), nil }
	byScope := func(context.Context, *system) (load.Work, error) { return readsByScope(b.rows), nil }
	var tasks []task
	for _, clients := range []int{1, 32} {
		cell := func(subject, work string) report.Cell {
			return report.Cell{Group: report.Reads, Subject: subject, Work: work, Clients: clients}
		}
		tasks = append(tasks,
			b.pgbench(cell(report.PGBench, report.Select)),
			b.window(cell(report.Product, report.ReadByID), fasthttp.StatusOK, product, byID),
			b.window(cell(report.Product, report.ReadByScope), fasthttp.StatusOK, product, byScope))
		if clients == 1 {
			continue
		}
		tasks = append(tasks,
			b.window(cell(report.Lookup, report.ReadByID), fasthttp.StatusOK, onDataset(report.Lookup, "lookup"), byID),
			b.window(cell(report.NoDatabase, report.ReadByID), fasthttp.StatusOK, onDataset(report.NoDatabase, "constant"), byID))
	}
	return tasks
}

// pgbenchRows is how many rows the table of pgbench gets per unit of its scale.
const pgbenchRows = 100_000

// pgbench is Postgres's own benchmark: one row by its primary key, by prepared statements.
func (b *bench) pgbench(cell report.Cell) task {
	var s *system
	seconds := max(1, int(b.length.window.Seconds()))
	return task{
		cells: []report.Cell{cell},
		takes: time.Duration(seconds) * time.Second,
		prepare: func(ctx context.Context) (err error) {
			if s, err = b.filled(b.rows)(ctx); err != nil || cell.Clients > 1 {
				return err
			}
			_, err = b.runPGBench(ctx, s, "-i", "-q", "-s", strconv.Itoa(max(1, b.rows/pgbenchRows)))
			return err
		},
		run: func(ctx context.Context) ([]report.Sample, error) {
			before, children := cpuOfFamily(b.world.postgres.PID())
			p, err := b.runPGBench(ctx, s, "-n", "-S", "-M", "prepared", "-c", strconv.Itoa(cell.Clients), "-j", "1", "-T", strconv.Itoa(seconds))
			if err != nil {
				return nil, err
			}
			values, err := p.values()
			if err != nil {
				return nil, err
			}
			answered := values[report.Answered]
			values[report.CPU+"postgres"] = (b.world.cpuOnceLeft(ctx, children) - before) * 1000 / answered
			values[report.CPU+"load"] = p.cpu.Seconds() * 1000 / answered
			return []report.Sample{{Cell: cell, Values: values}}, nil
		},
	}
}

// cpuOnceLeft waits a moment until Postgres has no more children than that: what one has taken that is just ending counts neither
// as its own nor as its parent's.
func (w *world) cpuOnceLeft(ctx context.Context, children int) float64 {
	for tries := 0; ; tries++ {
		seconds, left := cpuOfFamily(w.postgres.PID())
		if left <= children || tries == 20 {
			return seconds
		}
		if settle(ctx, 10*time.Millisecond) != nil {
			return seconds
		}
	}
}

// pgbenchSaid is what a run of pgbench has printed, and what it took.
type pgbenchSaid struct {
	text string
	cpu  time.Duration
}

func (b *bench) runPGBench(ctx context.Context, s *system, args ...string) (said pgbenchSaid, err error) {
	folders, err := stack.FindPostgres()
	if err != nil {
		return said, err
	}
	args = append([]string{"-h", "127.0.0.1", "-p", strconv.Itoa(b.world.postgres.Port()), "-U", "postgres"}, append(args, s.database)...)
	cmd := exec.CommandContext(ctx, filepath.Join(folders[0], "pgbench"), args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return said, fmt.Errorf("pgbench: %w\n%s", err, out)
	}
	return pgbenchSaid{string(out), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

var (
	pgbenchTPS       = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)
	pgbenchProcessed = regexp.MustCompile(`(?m)^number of transactions actually processed: ([0-9]+)`)
)

// values reads the figures. Of latencies pgbench tells only the average, which is not shown as a median.
func (p pgbenchSaid) values() (map[string]float64, error) {
	values := map[string]float64{report.Failed: 0}
	for name, pattern := range map[string]*regexp.Regexp{report.PerSecond: pgbenchTPS, report.Answered: pgbenchProcessed} {
		found := pattern.FindStringSubmatch(p.text)
		if found == nil {
			return nil, fmt.Errorf("pgbench has not told %s:\n%s", name, p.text)
		}
		var err error
		if values[name], err = strconv.ParseFloat(found[1], 64); err != nil {
			return nil, fmt.Errorf("pgbench: %w", err)
		}
	}
	return values, nil
}
