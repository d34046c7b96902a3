package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"minigroups/e2e/harness"
)

// sample is the value of each measure at a time.
type sample struct {
	at     time.Duration
	values map[string]float64
}

// samples are in the order of their times.
type samples []sample

// sample samples until ctx ends.
func (s *system) sample(ctx context.Context, d *soakLoad) (list samples, err error) {
	for begun := time.Now(); ctx.Err() == nil; harness.Pause(ctx, sampleEvery) {
		values, err := s.measure(context.WithoutCancel(ctx))
		if err != nil {
			return list, fmt.Errorf("sample: %w", err)
		}
		maps.Copy(values, d.takeLatencies())
		list = append(list, sample{time.Since(begun), values})
	}
	return list, nil
}

// measure reads the measures of the programs and of Postgres.
func (s *system) measure(ctx context.Context) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleEvery)
	defer cancel()
	values := map[string]float64{}
	for name, address := range s.metrics {
		found, err := scrape(ctx, "http://"+address+"/metrics")
		if err != nil {
			return nil, err
		}
		values[name+" RSS MiB"] = found["process_resident_memory_bytes"] / (1 << 20)
		values[name+" goroutines"] = found["go_goroutines"]
	}
	var connections float64
	err := s.db.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'minigroups%'`).
		Scan(&connections)
	if err != nil {
		return nil, err
	}
	values["connections"] = connections
	rows, err := s.db.Query(ctx, `
		SELECT relname, pg_table_size(oid) / 1048576.0, pg_indexes_size(oid) / 1048576.0
		FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var table, indexes float64
		if err := rows.Scan(&name, &table, &indexes); err != nil {
			return nil, err
		}
		values[name+" MiB"], values[name+" indexes MiB"] = table, indexes
	}
	return values, rows.Err()
}

// scrape returns the metrics without labels of a program.
func scrape(ctx context.Context, url string) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	values := map[string]float64{}
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		if value, err := strconv.ParseFloat(text, 64); err == nil {
			values[name] = value
		}
	}
	return values, nil
}

// names returns the measures that any sample has.
func (l samples) names() []string {
	all := map[string]bool{}
	for _, s := range l {
		for name := range s.values {
			all[name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// points returns the samples of a measure, in hours.
func (l samples) points(name string) (at, values []float64) {
	for _, s := range l {
		if value, ok := s.values[name]; ok {
			at, values = append(at, s.at.Hours()), append(values, value)
		}
	}
	return at, values
}

// afterWarmUp returns the samples without the first fifth.
func (l samples) afterWarmUp() samples { return l[len(l)/5:] }

// slope returns by how much a measure grows in an hour: the line with the smallest squares.
func slope(at, values []float64) float64 {
	var sumX, sumY, sumXX, sumXY float64
	for i, x := range at {
		sumX += x
		sumY += values[i]
		sumXX += x * x
		sumXY += x * values[i]
	}
	n := float64(len(at))
	if divisor := n*sumXX - sumX*sumX; divisor != 0 {
		return (n*sumXY - sumX*sumY) / divisor
	}
	return 0
}

// printSlopes prints the first and last value of each measure after the warm-up, and its slope.
func (l samples) printSlopes(out io.Writer) {
	l = l.afterWarmUp()
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\nmeasure\tfirst\tlast\tper hour\t")
	for _, name := range l.names() {
		at, values := l.points(name)
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%+.1f\t\n", name, values[0], values[len(values)-1], slope(at, values))
	}
	_ = t.Flush()
}

// write writes soak.csv and soak.svg into a folder.
func (l samples) write(dir string) error {
	plot := os.WriteFile(filepath.Join(dir, "soak.svg"), []byte(l.plot()), 0o644)
	file, err := os.Create(filepath.Join(dir, "soak.csv"))
	if err != nil {
		return errors.Join(plot, err)
	}
	w, names := csv.NewWriter(file), l.names()
	err = w.Write(append([]string{"seconds"}, names...))
	for _, s := range l {
		row := []string{strconv.FormatFloat(s.at.Seconds(), 'f', 0, 64)}
		for _, name := range names {
			text := ""
			if value, ok := s.values[name]; ok {
				text = strconv.FormatFloat(value, 'f', 3, 64)
			}
			row = append(row, text)
		}
		err = errors.Join(err, w.Write(row))
	}
	w.Flush()
	return errors.Join(plot, err, w.Error(), file.Close())
}
