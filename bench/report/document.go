package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteDocument writes the page that tells how was measured, on what, and what came of it.
func (r Run) WriteDocument(w io.Writer) error {
	var out strings.Builder
	out.WriteString("# Benchmarks\n\nWritten by `make bench`; do not edit.\n\n")
	fmt.Fprintf(&out, "%s, commit %s, in %s.\n\n", r.Begun.UTC().Format("2 January 2006, 15:04 UTC"), r.Revision, duration(r.Took))
	m := r.Machine
	fmt.Fprintf(&out, "Machine: %d × %s, %.1f GB of memory, Linux %s, %s, PostgreSQL %s. Everything shares it: load, service, Temporal, Postgres and upstreams.\n\n",
		m.Cores, m.Processor, float64(m.MemoryMB)/1024, m.Kernel, m.Go, cmp.Or(m.Postgres, "of an unknown version"))
	if r.Quick {
		out.WriteString("**This was a quick run, of short windows: it shows that everything runs, and its figures little.**\n\n")
	}
	out.WriteString("## Goals\n\n")
	tables := r.Tables()
	goals, others := tables[len(tables)-1], tables[:len(tables)-1]
	if err := goals.WriteMarkdown(&out); err != nil {
		return err
	}
	for _, v := range r.Verdicts() {
		if v.Measured && !v.Met && v.forbids != "" {
			fmt.Fprintf(&out, "\n*%s* is missed: %s.\n", v.Says, v.forbids)
		}
	}
	out.WriteString("\n![latency and throughput of every variant](benchmarks.svg)\n")
	for _, t := range others {
		fmt.Fprintf(&out, "\n## %s\n\n", t.Title)
		if t.Note != "" {
			out.WriteString(t.Note + "\n\n")
		}
		if err := t.WriteMarkdown(&out); err != nil {
			return err
		}
	}
	out.WriteString("\n## What is compared\n\n")
	for _, s := range r.Subjects {
		fmt.Fprintf(&out, "- **%s**: %s.", s.Name, s.Does)
		if s.Weakness != "" {
			fmt.Fprintf(&out, " *Weakness: %s.*", s.Weakness)
		}
		out.WriteString("\n")
	}
	fmt.Fprintf(&out, "\n## Method\n\n"+method, r.Rounds, r.Window, r.WarmUp, r.Seed, r.Home)
	_, err := io.WriteString(w, out.String())
	return err
}

func duration(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

const method = `- %d rounds. In each, every subject does each kind of work once, in an order that is drawn anew: windows of %g s after %g s of
  warm-up. The order follows from the seed, %d here. What is compared was measured in the same round, minutes apart; the tables
  show the median of the rounds and the extremes.
- Closed loop: each client waits for its answer before it asks again; its requests are prepared and its answers read by one lean
  process ("load"), which shares the machine. An answer that is not as it should be counts as failed and in no figure.
- Every subject is a process of its own (the product two, API and worker, where its footprint is taken), with a database of its own
  on one Postgres that writes every commit through to the disk. Between its windows a subject is stopped in its tracks (SIGSTOP),
  and its Temporal with it (not the dev servers, which do not survive that), so that what is idle takes nothing from what is
  measured. Sagas that wait do so on a Temporal of their own.
- The subjects share the HTTP API, the checks of tokens, the access log, the clients of the upstreams and the settings of the
  pool. The upstreams are one process that answers everything after 0 or 10 ms and remembers nothing. A create asks for one
  slot and one hour within the next years, so that hours hold few classes.
- Temporal runs on %s where nothing else is said, with the dynamic configuration in ` + "`deploy/temporal`" + `; "stock" is the dev server
  without it. The sweeper's schedules are paused: upstreams that remember nothing would have every room made again each minute.
- CPU ms each is the CPU time that the parts of the system took for each answer, as /proc tells it.

Run it: ` + "`make bench`" + ` (an hour and a quarter, alone on the machine), ` + "`make bench-quick`" + ` (two minutes, to see that it runs), ` + "`SELECT=reads make bench`" + `
for single groups, ` + "`make bench-report`" + ` to show the last run again.
`
