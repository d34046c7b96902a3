package main

import (
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"
)

// printTable prints the results of several seeds. It returns whether there was no violation.
func printTable(out io.Writer, title string, results []seedResult) (ok bool) {
	fmt.Fprintf(out, "\n%s\n\n", title)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name any, r seedResult, failed string) {
		fmt.Fprintf(t, "%v\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.0f\t  %s\n", name, r.Operations, r.Requests, r.Faults, r.Rooms,
			r.Lost, r.Violations, r.Unexplained, r.Seconds, failed)
	}
	fmt.Fprintln(t, "seed\toperations\trequests\tfaults\trooms\tlost\tviolations\tunexplained\tseconds\t")
	var sum seedResult
	failures := 0
	for _, r := range results {
		row(r.Seed, r, r.Failed)
		if r.Failed != "" {
			failures++
		}
		sum.Operations += r.Operations
		sum.Requests += r.Requests
		sum.Faults += r.Faults
		sum.Rooms += r.Rooms
		sum.Lost += r.Lost
		sum.Violations += r.Violations
		sum.Unexplained += r.Unexplained
		sum.Seconds += r.Seconds
	}
	row("all", sum, fmt.Sprintf("%d seeds, %d runs failed", len(results), failures))
	_ = t.Flush()
	return sum.Violations+sum.Unexplained+failures == 0
}

// printAll prints the tables of all folders.
func printAll(base string, out io.Writer) (ok bool, err error) {
	dirs, err := filepath.Glob(filepath.Join(base, "*"))
	if err != nil {
		return false, err
	}
	ok = true
	for _, dir := range dirs {
		results, err := campaign{dir: dir}.results()
		if err != nil {
			return false, err
		}
		ok = printTable(out, filepath.Base(dir), results) && ok
	}
	return ok, nil
}
