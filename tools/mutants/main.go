// Command mutants measures how good the tests of packages are: it changes one operator of a package after the other,
// and runs the tests that reach it. A mutant that no test kills shows a rule that no test proves, code that does
// nothing, or stands in equivalent.txt with the reason why it changes nothing.
//
// Gremlins says which mutants there are. Gremlins itself would run all tests of the package for each, compiled anew;
// here all mutants of a package are compiled into it once, each behind a switch, and a mutant meets only the tests that
// reach its switch, cheap ones first. Everything happens in a copy of the tree.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
)

// suites are the packages whose tests meet the mutants of a package that its own tests have not killed. Activities has
// few tests of its own, because its rules show in a saga.
var suites = map[string][]string{
	"activities": {"workflows"},
}

// packagesByDefault are those that are measured, in this order.
var packagesByDefault = []string{
	"minigroup", "auth", "activities", "storage", "workflows",
	"clients/rest", "clients/authz", "clients/conference", "clients/event", "clients/janus", "clients/jwks", "httpapi",
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.StringVar(&o.root, "root", ".", "the folder of the service's module")
	flag.StringVar(&o.gremlins, "gremlins", ".tools/gremlins", "the program that lists mutants")
	flag.IntVar(&o.workers, "workers", 1, "how many mutants are tested at a time")
	flag.BoolVar(&o.fresh, "fresh", false, "forget the last results")
	flag.StringVar(&o.match, "match", "", "test only the mutants whose keys contain this")
	flag.Parse()
	if err := run(ctx, o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type options struct {
	root, gremlins string
	workers        int
	fresh          bool
	match          string
}

func run(ctx context.Context, o options, chosen []string) error {
	var err error
	if o.root, err = filepath.Abs(o.root); err != nil {
		return err
	}
	if o.gremlins, err = filepath.Abs(o.gremlins); err != nil {
		return err
	}
	if len(chosen) == 0 {
		chosen = packagesByDefault
	}
	unlock, err := lock(filepath.Join(o.root, ".dev", "mutants"))
	if err != nil {
		return err
	}
	defer unlock()
	server, err := startServer(ctx)
	if err != nil {
		return err
	}
	defer server.stop()
	var rows []row
	for _, pkg := range chosen {
		pkg = strings.Trim(strings.TrimPrefix(pkg, "./"), "/")
		r, err := measure(ctx, o, pkg, server.env())
		if err != nil {
			return err
		}
		rows = append(rows, r)
	}
	printTable(rows)
	return nil
}

// row is a line of the table.
type row struct {
	pkg                                              string
	all, killed, timedOut, lived, notCovered, listed int
	seconds                                          float64
}

// score is the percentage of mutants that tests have found, of those that change something.
func (r row) score() float64 {
	counted := r.all - r.listed
	if counted == 0 {
		return 100
	}
	return 100 * float64(r.killed+r.timedOut) / float64(counted)
}

func printTable(rows []row) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "package\tmutants\tkilled\ttimed out\tlived\tnot covered\tequivalent\tscore\tseconds\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%.1f %%\t%.0f\t\n",
			r.pkg, r.all, r.killed, r.timedOut, r.lived, r.notCovered, r.listed, r.score(), r.seconds)
	}
	_ = w.Flush()
}
