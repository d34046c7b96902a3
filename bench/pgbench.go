package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"minigroups/bench/report"
	"minigroups/stack"
)

// pgbenchRows is the number of rows of pgbench's table per unit of its scale.
const pgbenchRows = 100_000

// pgbench measures Postgres's own benchmark, which reads one row by its primary key with prepared statements.
func (b *bench) pgbench(cell report.Cell) task {
	var s *system
	seconds := max(1, int(b.timing.window.Seconds()))
	return task{
		cells:    []report.Cell{cell},
		duration: time.Duration(seconds) * time.Second,
		prepare: func(ctx context.Context) (err error) {
			if s, err = b.productWithRows(b.rows)(ctx); err != nil || b.pgbenchFilled {
				return err
			}
			_, err = b.runPGBench(ctx, s, "-i", "-q", "-s", strconv.Itoa(max(1, b.rows/pgbenchRows)))
			b.pgbenchFilled = err == nil
			return err
		},
		run: func(ctx context.Context) ([]report.Sample, error) {
			before, children := cpuOfFamily(b.env.postgres.PID())
			out, err := b.runPGBench(ctx, s,
				"-n", "-S", "-M", "prepared", "-c", strconv.Itoa(cell.Clients), "-j", "1", "-T", strconv.Itoa(seconds))
			if err != nil {
				return nil, err
			}
			values, err := out.values()
			if err != nil {
				return nil, err
			}
			responses := values[report.Responses]
			postgres := b.env.cpuAfterExit(ctx, children) - before
			values[report.CPUPerRequest+"postgres"] = postgres * 1000 / responses
			values[report.CPUPerRequest+"load"] = out.cpu.Seconds() * 1000 / responses
			return []report.Sample{{Cell: cell, Values: values}}, nil
		},
	}
}

// cpuAfterExit returns the CPU time of Postgres in seconds. It waits, for at most 200 ms, until Postgres has no more
// than that many children, because the time of a child that is exiting is not counted yet.
func (e *environment) cpuAfterExit(ctx context.Context, children int) float64 {
	for attempt := 0; ; attempt++ {
		seconds, left := cpuOfFamily(e.postgres.PID())
		if left <= children || attempt == 20 {
			return seconds
		}
		if sleep(ctx, 10*time.Millisecond) != nil {
			return seconds
		}
	}
}

// pgbenchOutput is the output of a run of pgbench and the CPU time of its process.
type pgbenchOutput struct {
	text string
	cpu  time.Duration
}

func (b *bench) runPGBench(ctx context.Context, s *system, args ...string) (out pgbenchOutput, err error) {
	dirs, err := stack.FindPostgres()
	if err != nil {
		return out, err
	}
	all := []string{"-h", "127.0.0.1", "-p", strconv.Itoa(b.env.postgres.Port()), "-U", "postgres"}
	all = append(append(all, args...), s.database)
	cmd := exec.CommandContext(ctx, filepath.Join(dirs[0], "pgbench"), all...)
	text, err := cmd.CombinedOutput()
	if err != nil {
		return out, fmt.Errorf("pgbench: %w\n%s", err, text)
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return pgbenchOutput{text: string(text), cpu: cpu}, nil
}

var (
	pgbenchTPS       = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)
	pgbenchProcessed = regexp.MustCompile(`(?m)^number of transactions actually processed: ([0-9]+)`)
)

// values returns the figures in the output. There is no P50, because pgbench prints only the average latency.
func (p pgbenchOutput) values() (map[string]float64, error) {
	values := map[string]float64{report.Failed: 0}
	patterns := map[string]*regexp.Regexp{report.Throughput: pgbenchTPS, report.Responses: pgbenchProcessed}
	for name, pattern := range patterns {
		found := pattern.FindStringSubmatch(p.text)
		if found == nil {
			return nil, fmt.Errorf("the output of pgbench has no %s:\n%s", name, p.text)
		}
		var err error
		if values[name], err = strconv.ParseFloat(found[1], 64); err != nil {
			return nil, fmt.Errorf("pgbench: %w", err)
		}
	}
	return values, nil
}
